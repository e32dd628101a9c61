/** What the hidden units of two layers are matched by, with a line on the one chosen. */
import { useId } from 'react';
import { scoreValue, usesScore } from '../store/describe.ts';
import { useStudio } from '../store/react.ts';
import { SCORES } from './words.ts';

export function ScoreChoiceField() {
  const method = useStudio(({ merge }) => merge.method);
  const score = useStudio(({ merge }) => merge.score);
  const setScore = useStudio((state) => state.setScore);
  const gated = useStudio(({ model }) => model?.groups.some((group) => group.gated) ?? false);
  const id = useId();
  const about = useId();
  const options = SCORES.filter(({ gatedOnly }) => gated || !gatedOnly);
  const chosen = options.find(({ value }) => value === scoreValue(score)) ?? options[0];
  return (
    <div>
      <div className="field">
        <label className="field-head" htmlFor={id}>
          Alignment score
        </label>
        <select
          id={id}
          value={chosen.value}
          aria-describedby={about}
          onChange={(event) =>
            setScore(options.find(({ value }) => value === event.target.value)?.score ?? 'default')
          }
        >
          {options.map(({ value, name }) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <p className="note two-lines" id={about}>
        {usesScore(method) ? chosen.about : 'Not used by this method: it matches no units.'}
      </p>
    </div>
  );
}
