/** The seed that windows are drawn with: the same seed draws the same windows. */
import { numberOrNaN } from '../store/format.ts';
import { useStudio } from '../store/react.ts';

export function SeedField() {
  const seed = useStudio(({ merge }) => merge.seed);
  const setSeed = useStudio((state) => state.setSeed);
  return (
    <label className="field field-row seed-field">
      <span>Random seed</span>
      <input
        type="number"
        min={0}
        step={1}
        inputMode="numeric"
        value={Number.isNaN(seed) ? '' : seed}
        onChange={(event) => setSeed(numberOrNaN(event.target.value))}
      />
    </label>
  );
}
