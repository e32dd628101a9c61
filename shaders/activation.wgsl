// Activations, their derivatives and gates: out[k] = f(z[k]) · a[k] · b[k], f one of φ or φ′ by its number in
// ACTIVATION_NAMES (src/kernels/algebra.ts); a and b are read where factors ≥ 1 and 2.
// Shapes: z, a, b, out [count], runs of row-major matrices.
// Precision: f32; erf to 1.5e-7 (Abramowitz and Stegun 7.1.26). CPU twin (f64): src/kernels/cpu/activation.ts

struct Params {
  count: u32,
  name: u32,
  derivative: u32,
  factors: u32,
  zBase: u32,
  aBase: u32,
  bBase: u32,
  outBase: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const LANES = 256u;
const ROOT_2_OVER_PI = 0.7978845608;
const CUBE = 0.044715;

// Arguments are kept where exp cannot overflow; the results there are 0 or 1 in f32.
fn sigmoid(x: f32) -> f32 { return 1 / (1 + exp(-clamp(x, -87, 87))); }

fn hyperbolic(x: f32) -> f32 { return tanh(clamp(x, -15, 15)); }

// The normal distribution, Φ(x): erfc of |x|/√2 by its approximation, so that the left tail keeps its digits.
fn cumulative(x: f32) -> f32 {
  let size = min(abs(x), 13f) * 0.7071067812;
  let t = 1 / (1 + 0.3275911 * size);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * exp(-size * size);
  return select(tail, 1 - tail, x > 0);
}

fn density(x: f32) -> f32 { return 0.3989422804 * exp(-0.5 * min(x * x, 170f)); }

fn value(x: f32) -> f32 {
  switch (params.name) {
    case 1u: { return max(x, 0f); }
    case 2u: { return max(x, 0f) * max(x, 0f); }
    case 3u: { return x * cumulative(x); }
    case 4u: { return 0.5 * x * (1 + hyperbolic(ROOT_2_OVER_PI * (x + CUBE * x * x * x))); }
    case 5u: { return x * sigmoid(1.702 * x); }
    case 6u: { return x * sigmoid(x); }
    case 7u: { return sigmoid(x); }
    case 8u: { return hyperbolic(x); }
    default: { return x; }
  }
}

// Of x·σ(s·x).
fn swishSlope(x: f32, s: f32) -> f32 {
  let g = sigmoid(s * x);
  return g + s * x * g * (1 - g);
}

fn slope(x: f32) -> f32 {
  switch (params.name) {
    case 1u: { return select(0f, 1f, x > 0); }
    case 2u: { return 2 * max(x, 0f); }
    case 3u: { return cumulative(x) + x * density(x); }
    case 4u: {
      let t = hyperbolic(ROOT_2_OVER_PI * (x + CUBE * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT_2_OVER_PI * (1 + 3 * CUBE * x * x);
    }
    case 5u: { return swishSlope(x, 1.702); }
    case 6u: { return swishSlope(x, 1); }
    case 7u: {
      let g = sigmoid(x);
      return g * (1 - g);
    }
    case 8u: {
      let t = hyperbolic(x);
      return 1 - t * t;
    }
    default: { return 1; }
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  if (k >= params.count) { return; }
  let x = z[params.zBase + k];
  var result = 0f;
  if (params.derivative == 1u) { result = slope(x); } else { result = value(x); }
  if (params.factors > 0u) { result *= a[params.aBase + k]; }
  if (params.factors > 1u) { result *= b[params.bBase + k]; }
  out[params.outBase + k] = result;
}
