// Gram matrix of rows: gram[a, b] = Σ_c (x[a, c] − s[c]) · (x[b, c] − s[c]).
// Shapes: x [rows × cols], stats [·] with s [cols] at shiftBase (used where shifted = 1), gram [count × rows]: the
// rows first … first+count−1 of [rows × rows]; all row-major.
// Precision: f32. CPU twin (f64): src/kernels/cpu/gram.ts
// A workgroup makes a tile of 64 × 64, each invocation 4 × 4 of it, from runs of 16 columns in workgroup memory.

struct Params {
  rows: u32,
  cols: u32,
  first: u32,
  count: u32,
  xBase: u32,
  shiftBase: u32,
  shifted: u32,
  gramBase: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
@group(0) @binding(3) var<storage, read_write> gram: array<f32>;

const TILE = 64u;
const SIDE = 16u;
// One more than the tile: neighbouring lanes then write to different banks.
const STRIDE = TILE + 1u;

var<workgroup> left: array<f32, SIDE * STRIDE>;
var<workgroup> right: array<f32, SIDE * STRIDE>;

fn load(row: u32, c: u32) -> f32 {
  if (row >= params.rows || c >= params.cols) { return 0; }
  let value = x[params.xBase + row * params.cols + c];
  if (params.shifted == 0u) { return value; }
  return value - stats[params.shiftBase + c];
}

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let a0 = params.first + group.y * TILE;
  let b0 = group.x * TILE;
  var sums: array<vec4f, 4>;
  for (var c0 = 0u; c0 < params.cols; c0 += SIDE) {
    for (var row = local.y; row < TILE; row += SIDE) {
      left[local.x * STRIDE + row] = load(a0 + row, c0 + local.x);
      right[local.x * STRIDE + row] = load(b0 + row, c0 + local.x);
    }
    workgroupBarrier();
    for (var d = 0u; d < SIDE; d++) {
      let a = d * STRIDE + local.y * 4u;
      let b = d * STRIDE + local.x * 4u;
      let across = vec4f(right[b], right[b + 1u], right[b + 2u], right[b + 3u]);
      for (var i = 0u; i < 4u; i++) { sums[i] += left[a + i] * across; }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    let row = group.y * TILE + local.y * 4u + i;
    for (var j = 0u; j < 4u; j++) {
      let b = b0 + local.x * 4u + j;
      if (row < params.count && b < params.rows) { gram[params.gramBase + row * params.rows + b] = sums[i][j]; }
    }
  }
}
