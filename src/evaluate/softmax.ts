/**
 * Log-softmax arithmetic on one row of logits, and the angle between two rows: stable, in f64, nothing allocated.
 *
 * A row is `count` logits from `from` on. Logits of −∞ (masked ids) have probability 0; a row with NaN gives NaN.
 */

/** The id of the largest logit; of equal ones the lowest, so that every runtime takes the same one. */
export function argmax(values: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let v = 1; v < count; v++) if (values[from + v] > values[from + best]) best = v;
  return best;
}

/** log Σ exp(z). */
export function logSumExp(values: Float32Array, from: number, count: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let v = from; v < from + count; v++) if (values[v] > max) max = values[v];
  let sum = 0;
  for (let v = from; v < from + count; v++) sum += Math.exp(values[v] - max);
  return max + Math.log(sum);
}

/** KL(p ‖ q) = Σ p (log p − log q) in nats, of the same row of two models. Never below 0; ∞ where q excludes what p allows. */
export function divergence(p: Float32Array, q: Float32Array, from: number, count: number): number {
  const logP = logSumExp(p, from, count);
  const logQ = logSumExp(q, from, count);
  let sum = 0;
  for (let v = from; v < from + count; v++) {
    const lp = p[v] - logP;
    const probability = Math.exp(lp);
    // An id without probability adds nothing, even where its logarithm is −∞ in both.
    if (probability !== 0) sum += probability * (lp - (q[v] - logQ));
  }
  return Math.max(0, sum);
}

/** 1 − cosine of the same row of two models, in [0, 2]; 1 where one of them is all zeros and the other is not. */
export function cosineDistance(a: Float32Array, b: Float32Array, from: number, count: number): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let v = from; v < from + count; v++) {
    dot += a[v] * b[v];
    aa += a[v] * a[v];
    bb += b[v] * b[v];
  }
  if (aa === 0 && bb === 0) return 0;
  // Rounding may leave equal vectors a little apart.
  return aa === 0 || bb === 0 ? 1 : Math.max(0, 1 - dot / Math.sqrt(aa * bb));
}
