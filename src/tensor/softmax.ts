/**
 * Softmax of one row of logits, in f64: the rest of a distribution is 1 less the sum of up to 50,000 small numbers.
 *
 * A row is `count` logits from `from` on. Logits of −∞ (masked ids) have probability 0; a row with NaN gives NaN.
 */

/** Probabilities of one row, [count], after dividing the logits by `temperature` > 0. */
export function softmax(values: Float32Array, from: number, count: number, temperature = 1): Float64Array {
  let max = Number.NEGATIVE_INFINITY;
  for (let v = from; v < from + count; v++) if (values[v] > max) max = values[v];
  const out = new Float64Array(count);
  let sum = 0;
  for (let v = 0; v < count; v++) {
    out[v] = Math.exp((values[from + v] - max) / temperature);
    sum += out[v];
  }
  for (let v = 0; v < count; v++) out[v] /= sum;
  return out;
}
