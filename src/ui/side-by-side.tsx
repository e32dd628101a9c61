/** Original and merged on real outputs: the same prompt and seed, or the same images. */
import { type FormEvent, useState } from 'react';
import { examplesKind } from '../store/examples.ts';
import { numberOrNaN } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { ExamplesRun } from '../store/types.ts';
import { Button } from './button.tsx';
import { NextTokens } from './next-tokens.tsx';
import { NumberField } from './number-field.tsx';
import { Predicted } from './predicted-images.tsx';
import { Written } from './written.tsx';

export function SideBySide() {
  const run = useStudio((state) => state.examples);
  const kind = useStudio(examplesKind);
  const running = useStudio(({ job }) => job?.label.startsWith('Running both') ?? false);
  const stale = useStudio(({ examples, merge }) => examples !== null && examples.of !== merge.asked);
  if (!kind) return null;
  const writes = kind === 'written';
  return (
    <div className="side-by-side">
      <h3>Side by side</h3>
      <ExampleForm writes={writes} />
      <p className={stale ? 'note stale' : 'note'}>
        {stale
          ? 'These outputs are of the merge before: compare again.'
          : writes
            ? 'Both write from the same prompt with the same seed. Marked: from the first character that differs.'
            : 'Both see the same items of the report split.'}
      </p>
      <div
        className={`outputs${running ? ' outputs-running' : ''}${run || running ? '' : ' outputs-low'}`}
        aria-busy={running}
      >
        <Outputs run={run} writes={writes} />
      </div>
    </div>
  );
}

function Outputs({ run, writes }: { run: ExamplesRun | null; writes: boolean }) {
  const result = run?.result;
  if (result?.kind === 'images') return <Predicted items={result.items} />;
  if (result?.kind === 'tokens') return <NextTokens items={result.items} />;
  if (writes || result) return <Written texts={result?.kind === 'text' ? result : null} />;
  return (
    <p className="box-empty outputs-empty">
      <strong>Nothing is compared yet</strong>
      <span>What both models make of the same items will stand here.</span>
    </p>
  );
}

function ExampleForm({ writes }: { writes: boolean }) {
  const compareExamples = useStudio((state) => state.compareExamples);
  const busy = useStudio(({ job }) => job !== null);
  const ready = useStudio(({ data, needs }) => data !== null && needs.length === 0);
  const [prompt, setPrompt] = useState('ROMEO:');
  const [tokens, setTokens] = useState('200');
  const [temperature, setTemperature] = useState('0');
  const [seed, setSeed] = useState('1');
  const submit = () =>
    void compareExamples({
      prompt,
      tokens: numberOrNaN(tokens),
      temperature: numberOrNaN(temperature),
      seed: numberOrNaN(seed),
    });
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy && ready) submit();
  };
  return (
    <form className={writes ? 'example-form' : 'example-form example-short'} noValidate onSubmit={onSubmit}>
      {writes && (
        <>
          <label className="field example-prompt">
            <span>Prompt</span>
            <input
              type="text"
              autoComplete="off"
              value={prompt}
              onChange={(event) => setPrompt(event.target.value)}
            />
          </label>
          <NumberField label="Tokens to write" value={tokens} onChange={setTokens} min={0} max={4096} />
          <NumberField
            label="Temperature"
            value={temperature}
            onChange={setTemperature}
            min={0}
            max={5}
            step="any"
          />
          <NumberField label="Seed" value={seed} onChange={setSeed} min={0} />
        </>
      )}
      <Button disabled={busy || !ready} onClick={submit}>
        Compare outputs
      </Button>
      <button type="submit" hidden>
        Compare
      </button>
    </form>
  );
}
