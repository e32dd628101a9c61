// Cross moments of shifted columns: cross[a, b] += Σ_t (x[t, a] − sx[a]) · (y[t, b] − sy[b]).
// Shapes: x [rows × p], y [rows × q], stats [·] with sx [p] at xShift and sy [q] at yShift, cross [count × q]: the
// rows first … first+count−1 of [p × q]; all row-major.
// Precision: f32, summed in the order of the rows. CPU twin (f64): src/kernels/cpu/cross_moments.ts
// A workgroup makes a tile of 64 × 64, each invocation 4 × 4 of it, from runs of 16 rows in workgroup memory.

struct Params {
  rows: u32,
  p: u32,
  q: u32,
  first: u32,
  count: u32,
  xBase: u32,
  yBase: u32,
  crossBase: u32,
  xShift: u32,
  yShift: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read_write> cross: array<f32>;

const TILE = 64u;
const SIDE = 16u;

var<workgroup> xs: array<vec4f, SIDE * SIDE>;
var<workgroup> ys: array<vec4f, SIDE * SIDE>;

fn loadX(t: u32, a: u32) -> f32 {
  if (t >= params.rows || a >= params.p) { return 0; }
  return x[params.xBase + t * params.p + a] - stats[params.xShift + a];
}

fn loadY(t: u32, b: u32) -> f32 {
  if (t >= params.rows || b >= params.q) { return 0; }
  return y[params.yBase + t * params.q + b] - stats[params.yShift + b];
}

@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let a0 = params.first + group.y * TILE;
  let b0 = group.x * TILE;
  let column = (index % SIDE) * 4u;
  var sums: array<vec4f, 4>;
  for (var t0 = 0u; t0 < params.rows; t0 += SIDE) {
    let t = t0 + index / SIDE;
    let a = a0 + column;
    let b = b0 + column;
    xs[index] = vec4f(loadX(t, a), loadX(t, a + 1u), loadX(t, a + 2u), loadX(t, a + 3u));
    ys[index] = vec4f(loadY(t, b), loadY(t, b + 1u), loadY(t, b + 2u), loadY(t, b + 3u));
    workgroupBarrier();
    for (var d = 0u; d < SIDE; d++) {
      let left = xs[d * SIDE + local.y];
      let right = ys[d * SIDE + local.x];
      sums[0] += left.x * right;
      sums[1] += left.y * right;
      sums[2] += left.z * right;
      sums[3] += left.w * right;
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    let row = group.y * TILE + local.y * 4u + i;
    for (var j = 0u; j < 4u; j++) {
      let b = b0 + local.x * 4u + j;
      if (row < params.count && b < params.q) { cross[params.crossBase + row * params.q + b] += sums[i][j]; }
    }
  }
}
