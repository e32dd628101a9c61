/** What went wrong in a step, beside the step: one sentence each, until dismissed or until the next job starts. */
import { useEffect, useRef } from 'react';
import { useStudio } from '../store/react.ts';
import type { Step, StudioError } from '../store/types.ts';
import { Button } from './button.tsx';
import { Icon } from './icons.tsx';
import { Sentence } from './sentence.tsx';

export function Alerts({ step }: { step: Step }) {
  const errors = useStudio((state) => state.errors);
  return errors.filter((error) => error.step === step).map((error) => <Alert key={error.id} error={error} />);
}

function Alert({ error }: { error: StudioError }) {
  const dismiss = useStudio((state) => state.dismiss);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  return (
    <div className="alert" role="alert" ref={box}>
      <Icon name="alert" />
      <span className="alert-sentence">
        <Sentence text={error.sentence} />
      </span>
      <Button kind="icon" label="Dismiss" onClick={() => dismiss(error.id)}>
        <Icon name="close" />
      </Button>
    </div>
  );
}
