// biome-ignore-all lint/a11y/useSemanticElements: a fieldset is for controls; these are two texts with their names.
/** The two texts, whole; in the merged one the part that differs is marked. */
import { sharedPrefix } from '../store/examples.ts';

export interface Texts {
  readonly prompt: string;
  readonly original: string;
  readonly merged: string;
}

export function Written({ texts }: { texts: Texts | null }) {
  const shared = texts ? sharedPrefix(texts.original, texts.merged) : 0;
  const differs = texts !== null && shared < Math.max(texts.merged.length, texts.original.length);
  return (
    <>
      <div className="written" role="group" aria-label="Original output">
        <h4>Original</h4>
        <p className="written-text">
          <span className="muted">{texts?.prompt}</span>
          {texts && <output aria-label="Original text">{texts.original}</output>}
        </p>
      </div>
      <div className="written" role="group" aria-label="Merged output">
        <h4>
          Merged{' '}
          {texts && (
            <span className="muted written-where">
              {differs ? `parts after ${shared} characters` : 'word for word the same'}
            </span>
          )}
        </h4>
        <p className="written-text">
          <span className="muted">{texts?.prompt}</span>
          {texts && (
            <output aria-label="Merged text">
              {texts.merged.slice(0, shared)}
              {shared < texts.merged.length && <mark>{texts.merged.slice(shared)}</mark>}
            </output>
          )}
        </p>
      </div>
    </>
  );
}
