/** The bar at the foot of the page: what runs, how far it is, how long it will take, and the way to stop it. */
import { useEffect, useRef } from 'react';
import { formatBytes, formatLeft, formatWhole } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { Job, Status } from '../store/types.ts';
import { Button } from './button.tsx';
import { UndoRedo } from './undo-redo.tsx';

export function JobBar() {
  const job = useStudio((state) => state.job);
  const status = useStudio((state) => state.status);
  const engine = useStudio((state) => state.engine);
  const line = useRef<HTMLParagraphElement>(null);
  const idle =
    engine.status === 'probing'
      ? 'Looking at this machine…'
      : engine.status === 'stopped'
        ? 'The engine stopped. Open the model again.'
        : 'Ready.';
  return (
    <section aria-label="Status" className={`job-bar ${job ? 'job-running' : ''}`}>
      {job && <ProgressLine job={job} />}
      <div className="job-bar-inner">
        <p className="job-line" role="status" tabIndex={-1} ref={line}>
          {job ? job.label : <StatusText status={status} idle={idle} />}
        </p>
        {job ? <Running job={job} onGone={() => line.current?.focus()} /> : <UndoRedo />}
      </div>
    </section>
  );
}

function StatusText({ status, idle }: { status: Status | null; idle: string }) {
  if (!status) return idle;
  if (status.savedBytes === undefined) return status.text;
  return (
    <>
      {status.text}{' '}
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls; this is a number with its name. */}
      <span role="group" aria-label="Saved bytes" className="saved-bytes">
        (<data value={String(status.savedBytes)}>{formatBytes(status.savedBytes, 'exact')}</data>)
      </span>
    </>
  );
}

function ProgressLine({ job }: { job: Job }) {
  return (
    <div
      className="progress"
      role="progressbar"
      aria-label="Progress"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Number(formatWhole(job.fraction))}
    >
      <div className="progress-fill" style={{ transform: `scaleX(${job.fraction})` }} />
    </div>
  );
}

function Running({ job, onGone }: { job: Job; onGone: () => void }) {
  const cancel = useStudio((state) => state.cancel);
  const box = useRef<HTMLDivElement>(null);
  const gone = useRef(onGone);
  gone.current = onGone;
  useEffect(() => {
    const element = box.current;
    // When the button goes while it has the focus, the focus moves to the line that says what happened.
    return () => {
      if (element?.contains(document.activeElement)) gone.current();
    };
  }, []);
  return (
    <div className="job-running-tools" ref={box}>
      <span className="job-left">
        <span className="job-percent">{formatWhole(job.fraction)} %</span>
        {job.secondsLeft !== undefined && <span className="wide-only"> · {formatLeft(job.secondsLeft)}</span>}
      </span>
      <Button onClick={cancel} disabled={job.cancelling}>
        Cancel
      </Button>
    </div>
  );
}
