// Scale and shift of columns: out[t, c] = x[t, c] · scale[c] + shift[c]; scale and shift are read where their flags
// are 1, else they are 1 and 0. In place (inPlace = 1) out is also x.
// Shapes: x, out [rows × cols], scale, shift [cols]; all row-major.
// Precision: f32. CPU twin (f64, rounded once): src/kernels/cpu/column_affine.ts

struct Params {
  rows: u32,
  cols: u32,
  xBase: u32,
  outBase: u32,
  scaled: u32,
  shifted: u32,
  inPlace: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> shift: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const SIDE = 16u;

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= params.rows || id.x >= params.cols) { return; }
  let k = id.y * params.cols + id.x;
  var value = 0f;
  if (params.inPlace == 1u) { value = out[params.outBase + k]; } else { value = x[params.xBase + k]; }
  if (params.scaled == 1u) { value *= scale[id.x]; }
  if (params.shifted == 1u) { value += shift[id.x]; }
  out[params.outBase + k] = value;
}
