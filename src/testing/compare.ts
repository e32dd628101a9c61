/**
 * The one comparator of numeric tests. Independent of the code under test; tested itself (compare.test.ts).
 *
 * An element passes where |actual − expected| ≤ absolute + relative·|expected|. NaN equals only NaN, and an
 * infinity only itself. The report names the worst element: the one that exceeds its allowance the most.
 */
export interface Tolerance {
  readonly absolute?: number;
  readonly relative?: number;
  /** Columns, so that the report can say row and column. */
  readonly cols?: number;
}

export interface Comparison {
  readonly ok: boolean;
  /** Position of the worst element; −1 where there are none, or where the lengths differ. */
  readonly worstIndex: number;
  /** |actual − expected| at the worst element; NaN where exactly one of them is NaN. */
  readonly worstError: number;
  /** Elements out of tolerance. */
  readonly failures: number;
  /** One sentence for a test's message. */
  readonly message: string;
}

export function compare(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): Comparison {
  if (actual.length !== expected.length) {
    return {
      ok: false,
      worstIndex: -1,
      worstError: Number.NaN,
      failures: Math.abs(actual.length - expected.length),
      message: `${actual.length} values came where ${expected.length} were expected.`,
    };
  }
  const { absolute = 0, relative = 0 } = tolerance;
  let worstIndex = -1;
  let worstExcess = Number.NEGATIVE_INFINITY;
  let worstError = 0;
  let failures = 0;
  for (let k = 0; k < expected.length; k++) {
    const same = Object.is(actual[k], expected[k]) || actual[k] === expected[k];
    const error = same ? 0 : Math.abs(actual[k] - expected[k]);
    const allowed = absolute + relative * Math.abs(expected[k]);
    const passes = same || (Number.isFinite(error) && error <= allowed);
    const excess = passes ? error - allowed : Number.isFinite(error) ? error - allowed : Number.MAX_VALUE;
    if (!passes) failures++;
    if (excess > worstExcess) {
      worstExcess = excess;
      worstIndex = k;
      worstError = error;
    }
  }
  return {
    ok: failures === 0,
    worstIndex,
    worstError,
    failures,
    message: describe(actual, expected, worstIndex, worstError, failures, tolerance),
  };
}

/** @throws Error with the comparison's sentence where any element is out of tolerance. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): void {
  const result = compare(actual, expected, tolerance);
  if (!result.ok) throw new Error(result.message);
}

function describe(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  index: number,
  error: number,
  failures: number,
  { absolute = 0, relative = 0, cols }: Tolerance,
): string {
  if (index < 0) return 'Nothing to compare.';
  const place =
    cols === undefined ? `index ${index}` : `row ${Math.floor(index / cols)}, column ${index % cols}`;
  return (
    `${failures} of ${expected.length} values are out of tolerance (absolute ${absolute}, relative ${relative}); ` +
    `worst at ${place}: ${actual[index]} against ${expected[index]}, error ${error}.`
  );
}
