/**
 * Twin of shaders/activation.wgsl: out = f(z) ⊙ a ⊙ b over n elements, f an activation φ or its derivative φ′. f64.
 *
 * Formulas, with σ(x) = 1/(1 + e⁻ˣ) and Φ the normal distribution's:
 *   gelu-erf x·Φ(x); gelu-tanh x·(1 + tanh(√(2/π)(x + 0.044715x³)))/2; gelu-sigmoid x·σ(1.702x); silu x·σ(x).
 */
import type { ActivationName } from '../algebra.ts';
import { erf } from './erf.ts';

interface Formula {
  readonly value: (x: number) => number;
  readonly slope: (x: number) => number;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const SCALE = Math.sqrt(2 / Math.PI);
const CUBE = 0.044715;
const inner = (x: number) => Math.tanh(SCALE * (x + CUBE * x * x * x));
const cumulative = (x: number) => 0.5 * (1 + erf(x * Math.SQRT1_2));
const density = (x: number) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

/** x·σ(s·x). */
const swish = (s: number): Formula => ({
  value: (x) => x * sigmoid(s * x),
  slope: (x) => {
    const g = sigmoid(s * x);
    return g + s * x * g * (1 - g);
  },
});

const FORMULAS: Readonly<Record<ActivationName, Formula>> = {
  identity: { value: (x) => x, slope: () => 1 },
  relu: { value: (x) => (x > 0 ? x : 0), slope: (x) => (x > 0 ? 1 : 0) },
  'relu-squared': { value: (x) => (x > 0 ? x * x : 0), slope: (x) => (x > 0 ? 2 * x : 0) },
  'gelu-erf': { value: (x) => x * cumulative(x), slope: (x) => cumulative(x) + x * density(x) },
  'gelu-tanh': {
    value: (x) => 0.5 * x * (1 + inner(x)),
    slope: (x) => {
      const t = inner(x);
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SCALE * (1 + 3 * CUBE * x * x);
    },
  },
  'gelu-sigmoid': swish(1.702),
  silu: swish(1),
  sigmoid: {
    value: sigmoid,
    slope: (x) => {
      const g = sigmoid(x);
      return g * (1 - g);
    },
  },
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
};

/**
 * @param derivative φ′ instead of φ.
 * @param factors none, one or two, as long as z.
 */
export function activation(
  out: Float32Array,
  name: ActivationName,
  derivative: boolean,
  z: Float32Array,
  factors: readonly Float32Array[],
): void {
  const f = FORMULAS[name][derivative ? 'slope' : 'value'];
  const [a, b] = factors;
  if (a === undefined) for (let k = 0; k < z.length; k++) out[k] = f(z[k]);
  else if (b === undefined) for (let k = 0; k < z.length; k++) out[k] = f(z[k]) * a[k];
  else for (let k = 0; k < z.length; k++) out[k] = f(z[k]) * a[k] * b[k];
}
