/**
 * Three disjoint splits: calibrate (statistics), select (choices), report (the number that is told).
 *
 * Why three: the paper's own code calibrates one model on the set it is scored on (method.md, Traps). Files whose
 * names begin with a split's name are that split; what is missing is cut, in order, from what has no such name or,
 * failing that, from the calibration data. Nothing is shuffled, so a result can be repeated.
 */
import { DataError } from './errors.ts';
import { SPLITS, type SplitName } from './files.ts';

export interface Splitting<T> {
  readonly splits: Readonly<Record<SplitName, readonly T[]>>;
  /** A sentence for the page. */
  readonly rule: string;
}

const SHARES: Record<SplitName, number> = { calibrate: 2, select: 1, report: 1 };

/**
 * @param named items of the files whose names claim a split
 * @param unnamed items of the other files
 * @param unit for sentences, plural
 * @throws DataError where there are too few items for three splits
 */
export function splitItems<T>(
  named: Readonly<Partial<Record<SplitName, readonly T[]>>>,
  unnamed: readonly T[],
  unit: string,
): Splitting<T> {
  const has = (s: SplitName) => (named[s]?.length ?? 0) > 0;
  const missing = SPLITS.filter((s) => !has(s));
  const result: Record<SplitName, readonly T[]> = {
    calibrate: named.calibrate ?? [],
    select: named.select ?? [],
    report: named.report ?? [],
  };
  if (missing.length === 0) {
    const rest = unnamed.length > 0 ? ` ${unnamed.length} ${unit} of other files are left out.` : '';
    return { splits: result, rule: `Each file's name says its split: calibrate, select and report.${rest}` };
  }
  const fromCalibrate = unnamed.length === 0;
  const pool = fromCalibrate ? result.calibrate : unnamed;
  if (pool.length === 0) {
    throw new DataError(
      `There are no ${unit} to make the split${missing.length > 1 ? 's' : ''} ${missing.join(', ')} from. Add more data, in a file whose name does not begin with select or report.`,
    );
  }
  const wanted = fromCalibrate ? (['calibrate', ...missing] as SplitName[]) : missing;
  if (pool.length < wanted.length) {
    throw new DataError(
      `The data makes ${pool.length} ${unit}, too few for ${wanted.length} separate splits (${wanted.join(', ')}). Add more data.`,
    );
  }
  const total = wanted.reduce((sum, s) => sum + SHARES[s], 0);
  let from = 0;
  let share = 0;
  wanted.forEach((s, k) => {
    share += SHARES[s];
    const left = wanted.length - k - 1;
    const to =
      left === 0
        ? pool.length
        : Math.min(Math.max(from + 1, Math.round((pool.length * share) / total)), pool.length - left);
    result[s] = pool.slice(from, to);
    from = to;
  });
  const parts = wanted.map((s) => `${result[s].length} ${s}`).join(', ');
  const named3 = SPLITS.filter(has).filter((s) => !wanted.includes(s));
  const kept =
    named3.length > 0 ? ` ${named3.join(' and ')} ${named3.length > 1 ? 'are' : 'is'} as named.` : '';
  return { splits: result, rule: `Cut in file order into ${parts} ${unit}, with none in two splits.${kept}` };
}
