/** How to recover: in a time or by chosen rungs, the settings of the training, and the button that starts it. */
import { type FormEvent, useState } from 'react';
import { describePlan } from '../store/describe.ts';
import { numberOrNaN } from '../store/format.ts';
import { mergeIsStale } from '../store/merge.ts';
import { useStudio } from '../store/react.ts';
import { recoverRefusal } from '../store/recover.ts';
import type { RecoverChoice } from '../store/types.ts';
import { Button } from './button.tsx';
import { NumberField } from './number-field.tsx';
import { RadioCards } from './radio-cards.tsx';
import { PausedTuning, TuneSettings } from './tune-settings.tsx';
import { RECOVERY_MODES } from './words.ts';

export function RecoverAsk() {
  const mode = useStudio(({ recover }) => recover.choice.mode);
  const chooseRecovery = useStudio((state) => state.chooseRecovery);
  const runRecover = useStudio((state) => state.runRecover);
  const refusal = useStudio(recoverRefusal);
  const busy = useStudio(({ job }) => job !== null);
  const submit = () => void runRecover();
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy && refusal === null) submit();
  };
  return (
    <form className="panel recover-ask" noValidate onSubmit={onSubmit}>
      <RadioCards
        label="Recovery"
        options={RECOVERY_MODES}
        chosen={mode}
        onChoose={(chosen) => chooseRecovery({ mode: chosen })}
      />
      <div className="recover-go">
        <ChoiceField label="Minutes" of="minutes" min={0} max={1440} step="any" off={mode !== 'best'} />
        <Button kind="main" disabled={busy || refusal !== null} describedBy="recover-about" onClick={submit}>
          Recover
        </Button>
      </div>
      <details className="details">
        <summary>Steps, rank and seed</summary>
        <div className="recover-settings">
          <ChoiceField label="Distillation steps" of="steps" min={1} />
          <ChoiceField label="Correction rank" of="rank" min={1} />
          <ChoiceField label="Recovery seed" of="seed" min={0} />
        </div>
        <p className="note">
          Distillation takes at most so many steps for each set and stops where its held-out loss does. The
          rank is that of own low-rank corrections.
        </p>
      </details>
      <TuneSettings />
      <StartsFrom refusal={refusal} />
      <PausedTuning />
      <button type="submit" hidden>
        Recover
      </button>
    </form>
  );
}

/** The variant that the next run starts from. */
function StartsFrom({ refusal }: { refusal: string | null }) {
  const groups = useStudio(({ model }) => model?.groups);
  const result = useStudio(({ merge }) => merge.result);
  const stale = useStudio(mergeIsStale);
  if (refusal !== null || !result) {
    return (
      <p className="note recover-about" id="recover-about">
        {refusal}
      </p>
    );
  }
  return (
    <p className={stale ? 'note recover-about stale' : 'note recover-about'} id="recover-about">
      Starts from {describePlan(result.plan, result.droppedLayers, groups)}.
      {stale && ' Your picks or options have changed since: merge again to recover those.'}
    </p>
  );
}

interface ChoiceFieldProps {
  readonly label: string;
  readonly of: 'minutes' | 'steps' | 'rank' | 'seed';
  readonly min: number;
  readonly max?: number;
  readonly step?: 'any';
  readonly off?: boolean;
}

function ChoiceField({ label, of, off, ...limits }: ChoiceFieldProps) {
  const chosen = useStudio(({ recover }) => recover.choice[of]);
  const chooseRecovery = useStudio((state) => state.chooseRecovery);
  const [text, setText] = useState(String(chosen));
  const change = (typed: string) => {
    setText(typed);
    chooseRecovery({ [of]: numberOrNaN(typed) } satisfies Partial<RecoverChoice>);
  };
  return <NumberField label={label} value={text} onChange={change} disabled={off} {...limits} />;
}
