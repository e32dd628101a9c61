/** One number with its name: the text for people, the exact value in `<data>`. */
import type { ReactNode } from 'react';

export interface FactProps {
  readonly label: string;
  readonly value: number | string | null;
  /** The value as shown; a dash stands where there is none yet. */
  readonly text: string;
  readonly note?: ReactNode;
  readonly size?: 'large' | 'small';
}

export function Fact({ label, value, text, note, size = 'small' }: FactProps) {
  if (value === null) {
    return (
      <div className={`fact fact-${size} fact-empty`}>
        <span className="fact-label">{label}</span>
        <span className="fact-value">–</span>
        {note !== undefined && <span className="fact-note">{note}</span>}
      </div>
    );
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls; this is a number with its name.
    <div className={`fact fact-${size}`} role="group" aria-label={label}>
      <span className="fact-label" aria-hidden="true">
        {label}
      </span>
      <data className="fact-value" value={String(value)}>
        {text}
      </data>
      {note !== undefined && <span className="fact-note">{note}</span>}
    </div>
  );
}
