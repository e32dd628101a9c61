/**
 * Memory of the streaming accumulators, and passes that keep within a budget.
 *
 * Why: exact CKA over N layers holds N(N+1)/2 matrices of d², and correlations one of n² a pair; for large
 * models that is gigabytes. The calibration data is then seen several times, with some of the pairs each time.
 */
import type { Backend, Pair } from '../kernels/backend.ts';

/** One pair does not fit the budget. */
export class MemoryBudgetError extends Error {
  override readonly name = 'MemoryBudgetError';
  readonly needed: number;
  readonly budget: number;

  constructor(needed: number, budget: number) {
    super(
      `One pair of layers needs ${mebibytes(needed)} of accumulators, more than the ${mebibytes(budget)} set aside for them.`,
    );
    this.needed = needed;
    this.budget = budget;
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** All pairs i ≤ j of N layers, diagonal included, in row order: what a full CKA matrix needs. */
export function allPairs(layers: number): Pair[] {
  const pairs: Pair[] = [];
  for (let i = 0; i < layers; i++) for (let j = i; j < layers; j++) pairs.push([i, j]);
  return pairs;
}

/** Accumulator bytes of one pair of feature matrices with `p` and `q` columns. */
export function pairBytes(backend: Pick<Backend, 'accumulatorBytes'>, p: number, q: number = p): number {
  return p * q * backend.accumulatorBytes;
}

/** Accumulator bytes of exact CKA over `layers` outputs of width d: N(N+1)/2 · d² elements. */
export function exactCkaBytes(
  backend: Pick<Backend, 'accumulatorBytes'>,
  layers: number,
  width: number,
): number {
  return ((layers * (layers + 1)) / 2) * pairBytes(backend, width);
}

/** Accumulator bytes of `pairs` correlations between layers of n hidden units. */
export function correlationBytes(
  backend: Pick<Backend, 'accumulatorBytes'>,
  pairs: number,
  units: number,
): number {
  return pairs * pairBytes(backend, units);
}

/** Working bytes of a debiased CKA: N Grams of m² f32, and the sums. Independent of the data's length. */
export function debiasedCkaBytes(layers: number, rows = 256): number {
  return layers * rows * rows * 4 + layers * layers * 8;
}

/**
 * Cuts pairs into the fewest passes whose accumulators fit the budget, of sizes as equal as they can be,
 * keeping the order.
 * @throws MemoryBudgetError where not even one pair fits.
 */
export function planPasses<P>(pairs: readonly P[], bytesPerPair: number, budget: number): P[][] {
  if (pairs.length === 0) return [];
  const most = Math.floor(budget / bytesPerPair);
  if (!(most >= 1)) throw new MemoryBudgetError(bytesPerPair, budget);
  const passes = Math.ceil(pairs.length / most);
  const plan: P[][] = [];
  for (let k = 0; k < passes; k++) {
    const from = Math.floor((k * pairs.length) / passes);
    const to = Math.floor(((k + 1) * pairs.length) / passes);
    plan.push(pairs.slice(from, to));
  }
  return plan;
}
