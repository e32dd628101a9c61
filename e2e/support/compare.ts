/** Says where two arrays differ most, so that a failure names the entry and not only that there is one. */

export interface Difference {
  readonly worst: number;
  readonly where: string;
}

/** Largest absolute difference; infinite where the shapes differ or an entry is missing. */
export function matrixDifference(got: readonly number[][], wanted: readonly number[][]): Difference {
  if (got.length !== wanted.length) {
    return { worst: Number.POSITIVE_INFINITY, where: `${got.length} rows instead of ${wanted.length}` };
  }
  let result: Difference = { worst: 0, where: 'nowhere' };
  wanted.forEach((row, i) => {
    if (got[i].length !== row.length) {
      result = {
        worst: Number.POSITIVE_INFINITY,
        where: `row ${i}: ${got[i].length} instead of ${row.length}`,
      };
    }
    row.forEach((value, j) => {
      const distance = Math.abs(got[i][j] - value);
      if (distance <= result.worst) return;
      const worst = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
      result = { worst, where: `row ${i}, column ${j}: ${got[i][j]} instead of ${value}` };
    });
  });
  return result;
}

export function relativeDifference(got: number, wanted: number): number {
  const difference = Math.abs(got - wanted) / Math.abs(wanted);
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
}
