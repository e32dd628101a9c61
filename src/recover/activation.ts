/**
 * The activation functions of FFNs and their derivatives, element by element.
 *
 * Φ, the normal distribution function of GELU (erf), is read from a table of exact values with exact derivatives by
 * cubic Hermite interpolation (error below 1e-11), because it is called millions of times a step of distillation.
 * Formulas are those of the operators that `graph/activation.ts` names.
 */
import type { ActivationId } from '../graph/activation.ts';

export type KnownActivation = Exclude<ActivationId, 'other'>;

interface Curve {
  value(x: number): number;
  slope(x: number): number;
}

const TANH_SCALE = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
const SIGMOID_SCALE = 1.702;

const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : 1 - 1 / (1 + Math.exp(x)));

/** x·σ(s·x). */
const gatedBySigmoid = (s: number): Curve => ({
  value: (x) => x * sigmoid(s * x),
  slope: (x) => {
    const p = sigmoid(s * x);
    return p + s * x * p * (1 - p);
  },
});

const CURVES: Readonly<Record<KnownActivation, Curve>> = {
  relu: { value: (x) => (x > 0 ? x : 0), slope: (x) => (x > 0 ? 1 : 0) },
  'relu-squared': { value: (x) => (x > 0 ? x * x : 0), slope: (x) => (x > 0 ? 2 * x : 0) },
  'gelu-erf': { value: (x) => x * normal(x), slope: (x) => normal(x) + x * density(x) },
  'gelu-tanh': {
    value: (x) => 0.5 * x * (1 + Math.tanh(TANH_SCALE * (x + CUBIC * x * x * x))),
    slope: (x) => {
      const t = Math.tanh(TANH_SCALE * (x + CUBIC * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * TANH_SCALE * (1 + 3 * CUBIC * x * x);
    },
  },
  'gelu-sigmoid': gatedBySigmoid(SIGMOID_SCALE),
  silu: gatedBySigmoid(1),
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
  sigmoid: {
    value: sigmoid,
    slope: (x) => {
      const p = sigmoid(x);
      return p * (1 - p);
    },
  },
};

export const knownActivations = Object.keys(CURVES) as KnownActivation[];

/** @throws RangeError for an activation whose formula is not known */
export function knownActivation({ id, label }: { readonly id: ActivationId; readonly label: string }) {
  if (id === 'other') {
    throw new RangeError(
      `The activation “${label}” has no formula that Layerfold knows, so its FFNs can be merged but not recovered.`,
    );
  }
  return id;
}

/** φ of each element, a new array. */
export function activate(id: KnownActivation, z: Float32Array): Float32Array {
  const { value } = CURVES[id];
  const out = new Float32Array(z.length);
  for (let i = 0; i < z.length; i++) out[i] = value(z[i]);
  return out;
}

/** φ′ of each element, a new array; where φ has a corner, its derivative from below. */
export function activationSlope(id: KnownActivation, z: Float32Array): Float32Array {
  const { slope } = CURVES[id];
  const out = new Float32Array(z.length);
  for (let i = 0; i < z.length; i++) out[i] = slope(z[i]);
  return out;
}

/** φ of one number in f64. */
export function activationOfNumber(id: KnownActivation, x: number): number {
  return CURVES[id].value(x);
}

const density = (x: number) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

const STEPS = 64;
const EDGE = 9;
let table: Float64Array | null = null;

/** Φ(x), the standard normal distribution function. */
function normal(x: number): number {
  if (x <= -EDGE) return 0;
  if (x >= EDGE) return 1;
  table ??= normalTable();
  const at = (x + EDGE) * STEPS;
  const i = Math.floor(at);
  const t = at - i;
  const [p, q] = [table[2 * i], table[2 * i + 2]];
  const [u, v] = [table[2 * i + 1], table[2 * i + 3]];
  const s = 1 - t;
  return s * s * ((1 + 2 * t) * p + t * u) + t * t * ((3 - 2 * t) * q - s * v);
}

/** Pairs of Φ and its derivative times the step. */
function normalTable(): Float64Array {
  const count = 2 * EDGE * STEPS + 2;
  const out = new Float64Array(2 * count);
  for (let i = 0; i < count; i++) {
    const x = i / STEPS - EDGE;
    out[2 * i] = normalBySeries(x);
    out[2 * i + 1] = density(x) / STEPS;
  }
  return out;
}

/**
 * Φ by φ(x)·Σ x^(2k+1)/(1·3·…·(2k+1)) near zero, and by the continued fraction of its tail beyond (Abramowitz and
 * Stegun 26.2.11, 26.2.14).
 */
function normalBySeries(x: number): number {
  const size = Math.abs(x);
  let upper: number;
  if (size < 4) {
    let term = size;
    let sum = size;
    for (let k = 3; term > 1e-18 * sum; k += 2) {
      term *= (size * size) / k;
      sum += term;
    }
    upper = 0.5 - density(size) * sum;
  } else {
    let fraction = size;
    for (let k = 100; k > 0; k--) fraction = size + k / fraction;
    upper = density(size) / fraction;
  }
  return x < 0 ? upper : 1 - upper;
}
