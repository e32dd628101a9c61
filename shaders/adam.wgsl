// One step of Adam in place: m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; p −= rate · m / (√(v · correction) + ε), with
// rate = learning rate / (1 − β₁ᵗ) and correction = 1 / (1 − β₂ᵗ) from the driver.
// Shapes: p, g, m, v [count], runs of row-major matrices.
// Precision: f32. CPU twin (f64 within a step): src/kernels/cpu/adam.ts

struct Params {
  count: u32,
  pBase: u32,
  gBase: u32,
  mBase: u32,
  vBase: u32,
  beta1: f32,
  // 1 − β₁ and 1 − β₂, rounded from f64.
  fresh1: f32,
  beta2: f32,
  fresh2: f32,
  epsilon: f32,
  rate: f32,
  correction: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> m: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  if (k >= params.count) { return; }
  let slope = g[params.gBase + k];
  let mean = params.beta1 * m[params.mBase + k] + params.fresh1 * slope;
  let square = params.beta2 * v[params.vBase + k] + params.fresh2 * slope * slope;
  m[params.mBase + k] = mean;
  v[params.vBase + k] = square;
  p[params.pBase + k] -= params.rate * mean / (sqrt(square * params.correction) + params.epsilon);
}
