/**
 * Twin of shaders/adam.wgsl: one step of Adam in place, f64 within an element, f32 between steps.
 */
import type { AdamStep } from '../algebra-shapes.ts';

export function adam(
  parameters: Float32Array,
  gradient: Float32Array,
  m: Float32Array,
  v: Float32Array,
  { beta1, beta2, epsilon, rate, correction }: AdamStep,
): void {
  for (let k = 0; k < parameters.length; k++) {
    const g = gradient[k];
    m[k] = beta1 * m[k] + (1 - beta1) * g;
    v[k] = beta2 * v[k] + (1 - beta2) * g * g;
    parameters[k] -= (rate * m[k]) / (Math.sqrt(v[k] * correction) + epsilon);
  }
}
