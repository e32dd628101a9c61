// Sums down the columns (along = 0) or along the rows (along = 1) of a term: x (term 0), x·y (1), (x − y)² (2).
// out[c] or out[t] = (accumulate ? out : 0) + Σ term. y is read from every row where yRow = 0, only its one row where
// yRow = 1, and is 0 where yRow = 2.
// Shapes: x [rows × cols], y the same or [cols], out [cols] or [rows] from outBase on; all row-major.
// Precision: f32, in 16 partial sums. CPU twin (f64): src/kernels/cpu/reduce.ts

struct Params {
  rows: u32,
  cols: u32,
  along: u32,
  term: u32,
  yRow: u32,
  accumulate: u32,
  xBase: u32,
  yBase: u32,
  outBase: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const SIDE = 16u;

var<workgroup> parts: array<f32, SIDE * SIDE>;

fn term(t: u32, c: u32) -> f32 {
  let value = x[params.xBase + t * params.cols + c];
  var other = 0f;
  if (params.yRow == 0u) { other = y[params.yBase + t * params.cols + c]; }
  if (params.yRow == 1u) { other = y[params.yBase + c]; }
  if (params.term == 0u) { return value; }
  if (params.term == 1u) { return value * other; }
  return (value - other) * (value - other);
}

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  var sum = 0f;
  if (params.along == 0u) {
    let c = group.x * SIDE + local.x;
    if (c < params.cols) {
      for (var t = local.y; t < params.rows; t += SIDE) { sum += term(t, c); }
    }
    parts[local.x * SIDE + local.y] = sum;
  } else {
    let t = group.x * SIDE + local.y;
    if (t < params.rows) {
      for (var c = local.x; c < params.cols; c += SIDE) { sum += term(t, c); }
    }
    parts[local.y * SIDE + local.x] = sum;
  }
  workgroupBarrier();
  let which = group.x * SIDE + local.x;
  let length = select(params.rows, params.cols, params.along == 0u);
  if (local.y != 0u || which >= length) { return; }
  var total = 0f;
  for (var k = 0u; k < SIDE; k++) { total += parts[local.x * SIDE + k]; }
  let at = params.outBase + which;
  if (params.accumulate == 1u) { out[at] += total; } else { out[at] = total; }
}
