// Residual of a linear system: out[i, j] = b[i, j] − Σ_k a[i, k]·x[k, j] − λ·x[first + i, j].
// Shapes: a [count × n]: the rows first … first+count−1 of [n × n]; x [n × m]; b and out [count × m], the same rows;
// all row-major.
// Precision: about 2⁻⁴⁶ of Σ|a·x|, from f32: numbers are split into halves of 12 bits, whose products are exact, and
// sums keep their rounding errors (Knuth's two-sum). CPU twin (f64): src/kernels/cpu/residual.ts
// A compiler may rearrange sums, which would undo this; `exact` hides a value from it behind bits.

struct Params {
  n: u32,
  m: u32,
  first: u32,
  count: u32,
  aBase: u32,
  xBase: u32,
  bBase: u32,
  outBase: u32,
  lambda: f32,
  // 0, which the compiler cannot know.
  zero: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const SIDE = 16u;
const TILE = 64u;
const HIGH_BITS = 0xfffff000u;

var<workgroup> aHigh: array<f32, SIDE * SIDE>;
var<workgroup> aLow: array<f32, SIDE * SIDE>;
var<workgroup> xHigh: array<vec4f, SIDE * SIDE>;
var<workgroup> xLow: array<vec4f, SIDE * SIDE>;

struct Sum {
  value: vec4f,
  error: vec4f,
}

fn exact(v: vec4f) -> vec4f {
  return bitcast<vec4f>(bitcast<vec4u>(v) ^ vec4u(params.zero));
}

fn add(sum: Sum, term: vec4f) -> Sum {
  let total = exact(sum.value + term);
  let kept = exact(total - sum.value);
  return Sum(total, sum.error + ((sum.value - exact(total - kept)) + (term - kept)));
}

fn high(v: vec4f) -> vec4f {
  return bitcast<vec4f>(bitcast<vec4u>(v) & vec4u(HIGH_BITS));
}

// Less (p + q)·(y + z), all of 12 bits.
fn subtract(sum: Sum, p: f32, q: f32, y: vec4f, z: vec4f) -> Sum {
  var next = add(sum, -(p * y));
  next = add(next, -(p * z));
  next = add(next, -(q * y));
  next.error -= q * z;
  return next;
}

fn loadX(row: u32, col: u32) -> vec4f {
  var values = vec4f();
  if (row >= params.n) { return values; }
  for (var c = 0u; c < 4u; c++) {
    if (col + c < params.m) { values[c] = x[params.xBase + row * params.m + col + c]; }
  }
  return values;
}

@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let row = group.y * SIDE + local.y;
  let col = group.x * TILE + local.x * 4u;
  var sum = Sum(vec4f(), vec4f());
  if (row < params.count) {
    for (var c = 0u; c < 4u; c++) {
      if (col + c < params.m) { sum.value[c] = b[params.bBase + row * params.m + col + c]; }
    }
  }
  for (var k0 = 0u; k0 < params.n; k0 += SIDE) {
    var value = 0f;
    if (row < params.count && k0 + local.x < params.n) { value = a[params.aBase + row * params.n + k0 + local.x]; }
    let front = high(vec4f(value)).x;
    aHigh[index] = front;
    aLow[index] = value - front;
    let values = loadX(k0 + local.y, col);
    xHigh[index] = high(values);
    xLow[index] = values - high(values);
    workgroupBarrier();
    for (var d = 0u; d < SIDE; d++) {
      let left = local.y * SIDE + d;
      let right = d * SIDE + local.x;
      sum = subtract(sum, aHigh[left], aLow[left], xHigh[right], xLow[right]);
    }
    workgroupBarrier();
  }
  if (row >= params.count) { return; }
  let own = loadX(params.first + row, col);
  let front = high(vec4f(params.lambda)).x;
  sum = subtract(sum, front, params.lambda - front, high(own), own - high(own));
  let result = sum.value + sum.error;
  for (var c = 0u; c < 4u; c++) {
    if (col + c < params.m) { out[params.outBase + row * params.m + col + c] = result[c]; }
  }
}
