/** What requantization added to the weights: the difference of two arrays of one length, in f64. */

export interface RequantizationError {
  /** Root mean square of the differences, in the weights' own units. */
  readonly rms: number;
  /** ‖q − x‖ / ‖x‖; 0 where both are zero. */
  readonly relative: number;
}

/**
 * The error of several tensors taken together, as one long vector.
 * @param pairs what was to be written, and what the written bytes decode to; equal lengths
 */
export function requantizationError(
  pairs: Iterable<readonly [wanted: Float32Array, written: Float32Array]>,
): RequantizationError {
  let count = 0;
  let difference = 0;
  let size = 0;
  for (const [wanted, written] of pairs) {
    count += wanted.length;
    for (let i = 0; i < wanted.length; i++) {
      const off = written[i] - wanted[i];
      difference += off * off;
      size += wanted[i] * wanted[i];
    }
  }
  return {
    rms: count === 0 ? 0 : Math.sqrt(difference / count),
    relative: difference === 0 ? 0 : Math.sqrt(difference / size),
  };
}
