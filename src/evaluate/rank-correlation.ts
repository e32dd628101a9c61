/**
 * Spearman's rank correlation: how well one measure orders what another one found.
 *
 * Why: no similarity is proven to predict what a merge costs, so the page shows, over the windows of a sweep, how well
 * each one did (method.md, Similarity). Ranks, because only the order of windows matters to a person who picks one.
 * Source: C. Spearman (1904); ties share the mean of their ranks, and the coefficient is Pearson's over the ranks.
 */

/**
 * Rank correlation of paired values, −1 … 1; NaN where it is not defined: fewer than two pairs, a NaN among the
 * values, or one side all equal.
 * @throws RangeError where the lengths differ
 */
export function rankCorrelation(x: readonly number[], y: readonly number[]): number {
  const count = x.length;
  if (count !== y.length) {
    throw new RangeError(`A rank correlation needs pairs; ${count} and ${y.length} values were given.`);
  }
  if (count < 2 || x.some(Number.isNaN) || y.some(Number.isNaN)) return Number.NaN;
  const a = ranks(x);
  const b = ranks(y);
  // Ranks always have this mean, ties or not.
  const mean = (count + 1) / 2;
  let cross = 0;
  let squareA = 0;
  let squareB = 0;
  for (let k = 0; k < count; k++) {
    cross += (a[k] - mean) * (b[k] - mean);
    squareA += (a[k] - mean) ** 2;
    squareB += (b[k] - mean) ** 2;
  }
  if (squareA === 0 || squareB === 0) return Number.NaN;
  return Math.max(-1, Math.min(1, cross / Math.sqrt(squareA * squareB)));
}

/** Ranks from 1, ascending; equal values share the mean of the ranks that they take up. */
export function ranks(values: readonly number[]): Float64Array {
  const order = values
    .map((_, k) => k)
    .sort((i, j) => (values[i] < values[j] ? -1 : values[i] > values[j] ? 1 : 0));
  const out = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    for (let k = from; k < to; k++) out[order[k]] = (from + 1 + to) / 2;
    from = to;
  }
  return out;
}
