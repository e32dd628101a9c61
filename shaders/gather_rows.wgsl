// Rows by their indices: out[i, c] = x[indices[first + i], c].
// Shapes: x [· × cols], indices [·], out [count × cols] from outBase on; all row-major.
// Precision: f32, copied. CPU twin: src/kernels/cpu/gather_rows.ts

struct Params {
  cols: u32,
  first: u32,
  count: u32,
  xBase: u32,
  outBase: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const SIDE = 16u;

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= params.count || id.x >= params.cols) { return; }
  let row = indices[params.first + id.y];
  out[params.outBase + id.y * params.cols + id.x] = x[params.xBase + row * params.cols + id.x];
}
