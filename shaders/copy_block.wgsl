// A block of a matrix, with λ on the matrix's diagonal: out[r, c] = x[row + r, col + c] + (row + r = col + c ? λ : 0).
// Shapes: out [rows × cols], contiguous from outBase on; x from xBase on, its rows `stride` elements apart; row and
// col say where in the whole matrix the block begins; all row-major.
// Precision: f32. CPU twin: src/kernels/cpu/copy_block.ts

struct Params {
  rows: u32,
  cols: u32,
  xBase: u32,
  stride: u32,
  outBase: u32,
  row: u32,
  col: u32,
  lambda: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const SIDE = 16u;

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= params.rows || id.x >= params.cols) { return; }
  let value = x[params.xBase + id.y * params.stride + id.x];
  let onDiagonal = params.row + id.y == params.col + id.x;
  out[params.outBase + id.y * params.cols + id.x] = value + select(0f, params.lambda, onDiagonal);
}
