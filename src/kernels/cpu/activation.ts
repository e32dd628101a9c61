/**
 * Twin of shaders/activation.wgsl: out = f(z) ⊙ a ⊙ b over n elements, f an activation φ or its derivative φ′. f64.
 *
 * Formulas, with σ(x) = 1/(1 + e⁻ˣ) and Φ the normal distribution's:
 *   gelu-erf x·Φ(x); gelu-tanh x·(1 + tanh(√(2/π)(x + 0.044715x³)))/2; gelu-sigmoid x·σ(1.702x); silu x·σ(x).
 *
 * A step of training evaluates millions of them, at some 50 ns each by formula. So the smooth ones are read from a
 * table of exact values and slopes by cubic Hermite interpolation, φ′ as that cubic's own slope: within 1e-10 and
 * 1e-7 of the formula (tested), and the gradient is that of the values. Far out the formula is used.
 */
import type { ActivationName } from '../algebra.ts';
import { erf } from './erf.ts';

export interface Formula {
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

export const FORMULAS: Readonly<Record<ActivationName, Formula>> = {
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
  const [a, b] = factors;
  const formula = FORMULAS[name];
  if (name === 'identity' || name === 'relu' || name === 'relu-squared') {
    piecewise(out, name, derivative, z, a, b);
  } else if (derivative) {
    slopes(out, tableOf(name), formula.slope, z, a, b);
  } else {
    smooth(out, tableOf(name), formula.value, z, a, b);
  }
}

function piecewise(
  out: Float32Array,
  name: 'identity' | 'relu' | 'relu-squared',
  derivative: boolean,
  z: Float32Array,
  a: Float32Array | undefined,
  b: Float32Array | undefined,
): void {
  const floor = name === 'identity' ? Number.NEGATIVE_INFINITY : 0;
  const square = name === 'relu-squared';
  for (let k = 0; k < z.length; k++) {
    const x = z[k];
    let v = 0;
    // Not a number stays one.
    if (!(x <= floor)) {
      if (derivative) v = square ? 2 * x : 1;
      else v = square ? x * x : x;
    }
    if (a !== undefined) v *= a[k];
    if (b !== undefined) v *= b[k];
    out[k] = v;
  }
}

/** Points of a table a unit, and where it ends on either side. */
const STEPS = 128;
const EDGE = 8;
const tables = new Map<ActivationName, Float64Array>();

/** Pairs of φ and of φ′ times the step. */
function tableOf(name: ActivationName): Float64Array {
  let table = tables.get(name);
  if (table === undefined) {
    const { value, slope } = FORMULAS[name];
    const count = 2 * EDGE * STEPS + 1;
    table = new Float64Array(2 * count);
    for (let i = 0; i < count; i++) {
      const x = i / STEPS - EDGE;
      table[2 * i] = value(x);
      table[2 * i + 1] = slope(x) / STEPS;
    }
    tables.set(name, table);
  }
  return table;
}

function smooth(
  out: Float32Array,
  table: Float64Array,
  value: (x: number) => number,
  z: Float32Array,
  a: Float32Array | undefined,
  b: Float32Array | undefined,
): void {
  for (let k = 0; k < z.length; k++) {
    const x = z[k];
    let v: number;
    if (x >= -EDGE && x < EDGE) {
      const at = (x + EDGE) * STEPS;
      const i = at | 0;
      const t = at - i;
      const s = 1 - t;
      const j = 2 * i;
      v =
        s * s * ((1 + 2 * t) * table[j] + t * table[j + 1]) +
        t * t * ((3 - 2 * t) * table[j + 2] - s * table[j + 3]);
    } else {
      v = value(x);
    }
    if (a !== undefined) v *= a[k];
    if (b !== undefined) v *= b[k];
    out[k] = v;
  }
}

function slopes(
  out: Float32Array,
  table: Float64Array,
  slope: (x: number) => number,
  z: Float32Array,
  a: Float32Array | undefined,
  b: Float32Array | undefined,
): void {
  for (let k = 0; k < z.length; k++) {
    const x = z[k];
    let v: number;
    if (x >= -EDGE && x < EDGE) {
      const at = (x + EDGE) * STEPS;
      const i = at | 0;
      const t = at - i;
      const s = 1 - t;
      const j = 2 * i;
      v =
        STEPS *
        (6 * t * s * (table[j + 2] - table[j]) +
          s * (1 - 3 * t) * table[j + 1] +
          t * (3 * t - 2) * table[j + 3]);
    } else {
      v = slope(x);
    }
    if (a !== undefined) v *= a[k];
    if (b !== undefined) v *= b[k];
    out[k] = v;
  }
}
