/** The options of tuning, and the button that goes on with one that was paused. */
import { useState } from 'react';
import { formatInteger, numberOrNaN } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import { recoverRefusal } from '../store/recover.ts';
import { pausedHere } from '../store/recovered.ts';
import type { TuneRequest } from '../store/types.ts';
import { Button } from './button.tsx';
import { NumberField } from './number-field.tsx';

export function TuneSettings() {
  const of = useStudio(({ recover }) => recover.choice.tune.of);
  const change = useTune();
  return (
    <details className="details">
      <summary>Tuning from end to end</summary>
      <div className="recover-settings">
        <TuneField label="Tuning steps" of="steps" min={1} />
        <TuneField label="Learning rate" of="rate" min={0} max={1} step="any" />
        <TuneField label="Items a batch" of="batch" min={0} />
        <TuneField label="Batches a step" of="accumulate" min={1} />
        <TuneField label="Share of the original" of="distil" min={0} max={1} step="any" />
        <label className="field">
          <span>What is tuned</span>
          <select value={of} onChange={({ target }) => change({ of: target.value as TuneRequest['of'] })}>
            <option value="tied">Tied FFNs</option>
            <option value="biases">And own biases a layer</option>
          </select>
        </label>
      </div>
      <p className="note">
        At most so many steps: it stops where the select split stops improving, and keeps the best. 0 items a
        batch means about 1,024 tokens, or 8 images; with less memory, take fewer and more batches a step. A
        share of 1 learns from the original’s outputs alone; less mixes in the task’s own labels.
      </p>
    </details>
  );
}

/** Where a tuning of what is shown was paused: goes on from there, with its own options. */
export function PausedTuning() {
  const paused = useStudio(pausedHere);
  const resumeTuning = useStudio((state) => state.resumeTuning);
  const busy = useStudio(({ job }) => job !== null);
  const refusal = useStudio(recoverRefusal);
  if (!paused) return null;
  const { step, steps } = paused;
  return (
    <div className="tune-paused">
      <p className="note">
        A tuning of this merge paused at step {formatInteger(step)} of {formatInteger(steps)}.
      </p>
      <Button disabled={busy || refusal !== null} onClick={() => void resumeTuning()}>
        Go on tuning
      </Button>
    </div>
  );
}

function useTune(): (part: Partial<TuneRequest>) => void {
  const tune = useStudio(({ recover }) => recover.choice.tune);
  const chooseRecovery = useStudio((state) => state.chooseRecovery);
  return (part) => chooseRecovery({ tune: { ...tune, ...part } });
}

interface TuneFieldProps {
  readonly label: string;
  readonly of: 'steps' | 'rate' | 'batch' | 'accumulate' | 'distil';
  readonly min: number;
  readonly max?: number;
  readonly step?: 'any';
}

function TuneField({ label, of, ...limits }: TuneFieldProps) {
  const chosen = useStudio(({ recover }) => recover.choice.tune[of]);
  const change = useTune();
  const [text, setText] = useState(String(chosen));
  return (
    <NumberField
      label={label}
      value={text}
      onChange={(typed) => {
        setText(typed);
        change({ [of]: numberOrNaN(typed) });
      }}
      {...limits}
    />
  );
}
