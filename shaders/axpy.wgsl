// Sum of two matrices in place: y[k] = alpha · x[k] + beta · y[k]; where beta is 0, y is not read.
// Shapes: x, y [count], runs of row-major matrices.
// Precision: f32. CPU twin (f64, rounded once): src/kernels/cpu/axpy.ts

struct Params {
  count: u32,
  xBase: u32,
  yBase: u32,
  alpha: f32,
  beta: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  if (k >= params.count) { return; }
  var value = params.alpha * x[params.xBase + k];
  if (params.beta != 0) { value += params.beta * y[params.yBase + k]; }
  y[params.yBase + k] = value;
}
