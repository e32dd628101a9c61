/**
 * Shapes: products and formatting of dimension lists.
 *
 * Why: element counts come from untrusted files, so the product must not overflow silently.
 */

/**
 * Number of elements of a shape. The empty shape is a scalar (1).
 * @returns `Infinity` where the product is not a safe integer, so that a caller's bound check fails closed.
 */
export function elementCount(dims: readonly number[]): number {
  let count = 1;
  for (const d of dims) {
    count *= d;
    if (!Number.isSafeInteger(count)) return Number.POSITIVE_INFINITY;
  }
  return count;
}

/** `[2, 3]` as `2×3`; a scalar as `scalar`. */
export function formatShape(dims: readonly (number | string | null)[]): string {
  return dims.length === 0 ? 'scalar' : dims.map((d) => d ?? '?').join('×');
}
