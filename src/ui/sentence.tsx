/** A sentence of the worker: names of files and tensors in a fixed-width face, inputs that it lists one a line. */
import { Fragment } from 'react';
import { useStudio } from '../store/react.ts';
import { sentenceParts } from '../store/sentence.ts';
import type { ValueSummary } from '../store/types.ts';

const NO_VALUES: readonly ValueSummary[] = [];

/** As much of a SHA-256 as tells two files apart. */
const shortHashes = (text: string) => text.replace(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, '$1…');

export function Sentence({ text }: { text: string }) {
  const inputs = useStudio(({ model }) => model?.inputs ?? NO_VALUES);
  return sentenceParts(shortHashes(text), inputs).map((part, index) => {
    const key = `${index}`;
    if (part.kind === 'values') return <ValueList key={key} values={part.values} />;
    if (part.kind === 'words') return <Fragment key={key}>{part.text}</Fragment>;
    return (
      <code key={key} className="code">
        {part.text}
      </code>
    );
  });
}

/** `input_ids (int64, batch×sequence)`, one a line. */
export function ValueList({ values }: { values: readonly ValueSummary[] }) {
  return (
    <ul className="values">
      {values.map(({ name, dtype, shape }) => (
        <li key={name}>
          <code className="code">{name}</code>{' '}
          <span className="value-type">
            ({dtype}, {shape})
          </span>
        </li>
      ))}
    </ul>
  );
}
