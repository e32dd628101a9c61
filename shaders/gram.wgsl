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
// One more than the side: neighbouring lanes then write to different banks.
const STRIDE = SIDE + 1u;

// Four rows of one column an element.
var<workgroup> left: array<vec4f, SIDE * STRIDE>;
var<workgroup> right: array<vec4f, SIDE * STRIDE>;

fn load(row: u32, c: u32) -> f32 {
  if (row >= params.rows || c >= params.cols) { return 0; }
  let value = x[params.xBase + row * params.cols + c];
  if (params.shifted == 0u) { return value; }
  return value - stats[params.shiftBase + c];
}

fn load4(row: u32, c: u32) -> vec4f {
  return vec4f(load(row, c), load(row + 1u, c), load(row + 2u, c), load(row + 3u, c));
}

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let a0 = params.first + group.y * TILE;
  let b0 = group.x * TILE;
  var sums: array<vec4f, 4>;
  for (var c0 = 0u; c0 < params.cols; c0 += SIDE) {
    left[local.x * STRIDE + local.y] = load4(a0 + local.y * 4u, c0 + local.x);
    right[local.x * STRIDE + local.y] = load4(b0 + local.y * 4u, c0 + local.x);
    workgroupBarrier();
    for (var d = 0u; d < SIDE; d++) {
      let down = left[d * STRIDE + local.y];
      let across = right[d * STRIDE + local.x];
      sums[0] += down.x * across;
      sums[1] += down.y * across;
      sums[2] += down.z * across;
      sums[3] += down.w * across;
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
