/**
 * The losses of the port (differentiable.ts) over log-probabilities.
 *
 * The constant Σ p log p of the divergence is no part of the gradient; it is added so that 0 is a perfect match. The
 * probability of the classes that are not kept is summed as such (not 1 − Σ, which cancels).
 */
import type { numpy as Numpy } from '@jax-js/jax';
import type { Jax } from './jax.ts';

type Array = Numpy.Array;

export interface TargetArrays {
  /** Rows [N], table [N × V]. */
  readonly distribution?: { readonly weights: Array; readonly probabilities: Array; readonly rest: Array };
  /** Classes [N × 1]. */
  readonly label?: { readonly weights: Array; readonly classes: Array };
  readonly features?: { readonly weights: Array; readonly values: Array };
}

/** Below this a probability is 0: its logarithm is not taken. */
const TINY = 1e-30;

/** The loss of outputs [N × V]; takes all arrays over. */
export function lossOf(jax: Jax, output: Array, { distribution, label, features }: TargetArrays): Array {
  const { numpy: np, nn } = jax;
  const parts: Array[] = [];
  if (distribution || label) {
    const logs = nn.logSoftmax(output.ref, -1);
    if (distribution) {
      const { weights, probabilities: p, rest } = distribution;
      const isKept = np.greater(p.ref, 0);
      const kept = np.sum(p.ref.mul(plainLog(jax, p).sub(logs.ref)), 1);
      const others = np.sum(np.where(isKept, 0, np.exp(logs.ref)), 1);
      const bucket = rest.ref.mul(plainLog(jax, rest).sub(plainLog(jax, others)));
      parts.push(np.sum(weights.mul(kept.add(bucket))));
    }
    if (label) {
      const width = logs.shape[1];
      const isLabel = np.equal(np.arange(width).reshape([1, width]), label.classes);
      const chosen = np.sum(np.where(isLabel, logs.ref, 0), 1);
      parts.push(np.sum(label.weights.mul(chosen)).neg());
    }
    logs.dispose();
  }
  if (features) {
    const away = output.ref.sub(features.values);
    parts.push(np.sum(features.weights.mul(np.sum(np.square(away), 1))));
  }
  output.dispose();
  return parts.reduce((a, b) => a.add(b));
}

/** log max(x, tiny) */
function plainLog({ numpy: np }: Jax, x: Array): Array {
  return np.log(np.maximum(x, TINY));
}
