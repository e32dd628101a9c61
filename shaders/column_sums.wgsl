// Column moments about a shift: sum[c] += Σ_t (x[t, c] − s[c]), square[c] += Σ_t (x[t, c] − s[c])².
// Where `first` is set, s is fixed before: the column's mean, taken about its first row so that a constant column
// comes out exactly constant.
// Shapes: x [rows × cols], stats [3 × cols] = shift, sum, square; all row-major.
// Precision: f32; each of 8 lanes sums every eighth row. CPU twin (f64): src/kernels/cpu/column_sums.ts

struct Params {
  rows: u32,
  cols: u32,
  first: u32,
  xBase: u32,
  statsBase: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;

const COLS = 32u;
const LANES = 8u;

var<workgroup> parts: array<vec2f, COLS * LANES>;

// Sum of a column's lanes, in every lane.
fn total(value: vec2f, col: u32, lane: u32) -> vec2f {
  workgroupBarrier();
  parts[lane * COLS + col] = value;
  workgroupBarrier();
  var sum = vec2f(0);
  for (var k = 0u; k < LANES; k++) { sum += parts[k * COLS + col]; }
  return sum;
}

@compute @workgroup_size(COLS, LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let c = group.x * COLS + local.x;
  let inside = c < params.cols;
  // Columns beyond the last one repeat it, and write nothing.
  let column = params.xBase + min(c, params.cols - 1u);
  let place = params.statsBase + min(c, params.cols - 1u);

  var shift = stats[place];
  if (params.first == 1u) {
    let origin = x[column];
    var sum = 0f;
    for (var t = local.y; t < params.rows; t += LANES) { sum += x[column + t * params.cols] - origin; }
    shift = origin + total(vec2f(sum, 0), local.x, local.y).x / f32(params.rows);
  }

  var sums = vec2f(0);
  for (var t = local.y; t < params.rows; t += LANES) {
    let value = x[column + t * params.cols] - shift;
    sums += vec2f(value, value * value);
  }
  sums = total(sums, local.x, local.y);
  if (inside && local.y == 0u) {
    stats[place] = shift;
    stats[place + params.cols] += sums.x;
    stats[place + 2u * params.cols] += sums.y;
  }
}
