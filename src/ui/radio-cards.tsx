/** A choice of one, each with a line that explains it; the line describes the radio and is not part of its name. */
import { useId } from 'react';

const LAYOUTS = {
  column: 'radios',
  row: 'radios radios-row',
  grid: 'radios radios-grid',
  pairs: 'radios radios-row radios-pairs',
} as const;

export interface RadioCardsProps<Id extends string> {
  readonly label: string;
  readonly options: readonly { readonly id: Id; readonly name: string; readonly about?: string }[];
  readonly chosen: Id;
  readonly onChoose: (id: Id) => void;
  readonly layout?: keyof typeof LAYOUTS;
}

export function RadioCards<Id extends string>({
  label,
  options,
  chosen,
  onChoose,
  layout = 'column',
}: RadioCardsProps<Id>) {
  const prefix = useId();
  return (
    <div role="radiogroup" aria-label={label} className={LAYOUTS[layout]}>
      {options.map(({ id, name, about }) => (
        <div key={id} className={`radio ${id === chosen ? 'radio-on' : ''}`}>
          <label>
            <input
              type="radio"
              name={prefix}
              value={id}
              checked={id === chosen}
              onChange={() => onChoose(id)}
              aria-describedby={about ? `${prefix}${id}` : undefined}
            />
            <span>{name}</span>
          </label>
          {about && (
            <p id={`${prefix}${id}`} className="radio-about">
              {about}
            </p>
          )}
        </div>
      ))}
    </div>
  );
}
