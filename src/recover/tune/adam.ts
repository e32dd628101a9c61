/**
 * Adam (Kingma and Ba 2015: β₁ 0.9, β₂ 0.999, ε 1e-8, bias-corrected) over named parameters, with clipping by the
 * global norm, and the learning rate of a step. All state is in plain typed arrays, which can be stored.
 */
import type { Parameters } from '../../runtime/differentiable.ts';

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** Means of gradients and of their squares. */
export interface Moments {
  readonly first: Parameters;
  readonly second: Parameters;
}

export function zeroMoments(parameters: Parameters): Moments {
  const zeros = () => new Map([...parameters].map(([name, v]) => [name, new Float32Array(v.length)]));
  return { first: zeros(), second: zeros() };
}

/** √Σ g² over all parameters. */
export function globalNorm(gradients: Parameters): number {
  let sum = 0;
  for (const g of gradients.values()) for (const v of g) sum += v * v;
  return Math.sqrt(sum);
}

/**
 * One step, in place.
 * @param step from 1
 * @param scale of the gradients: what brings their norm under the limit
 */
export function adamStep(
  parameters: Parameters,
  gradients: Parameters,
  { first, second }: Moments,
  step: number,
  rate: number,
  scale = 1,
): void {
  const [c1, c2] = [1 - BETA1 ** step, 1 - BETA2 ** step];
  for (const [name, values] of parameters) {
    const [g, m, v] = [gradients.get(name)!, first.get(name)!, second.get(name)!];
    for (let i = 0; i < values.length; i++) {
      const gradient = g[i] * scale;
      m[i] = BETA1 * m[i] + (1 - BETA1) * gradient;
      v[i] = BETA2 * v[i] + (1 - BETA2) * gradient * gradient;
      values[i] -= (rate * (m[i] / c1)) / (Math.sqrt(v[i] / c2) + EPSILON);
    }
  }
}

/**
 * The learning rate of a step: up in a straight line over the first `warmUp` steps, then down to 0 by a half cosine.
 * @param step from 1 to `steps`
 */
export function rateAt(step: number, steps: number, rate: number, warmUp: number): number {
  if (step <= warmUp) return (rate * step) / (warmUp + 1);
  const done = (step - warmUp - 1) / Math.max(1, steps - warmUp);
  return 0.5 * rate * (1 + Math.cos(Math.PI * done));
}
