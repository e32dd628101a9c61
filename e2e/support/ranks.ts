/** Spearman's rank correlation and the mean similarity of a window, for checking what the page says of them. */

/** Ranks from 0, equal values sharing their mean rank. */
function ranksOf(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal - 1) / 2;
  });
}

export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const ranks = [ranksOf(a), ranksOf(b)];
  const centre = (a.length - 1) / 2;
  const product = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, rank, index) => sum + (rank - centre) * (y[index] - centre), 0);
  return product(ranks[0], ranks[1]) / Math.sqrt(product(ranks[0], ranks[0]) * product(ranks[1], ranks[1]));
}

/** Over all pairs of different layers of the window. */
export function windowMean(similarity: readonly number[][], first: number, last: number): number {
  const values: number[] = [];
  for (let i = first; i <= last; i++) for (let j = i + 1; j <= last; j++) values.push(similarity[i][j]);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
