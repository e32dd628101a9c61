// U-centring of a stack of Gram matrices, in place (Székely and Rizzo 2014, definition 2). With K̃ = K without its
// diagonal, r its row sums, S their total:
//   Ũ[a, b] = K̃[a, b] − (r[a] + r[b])/(m−2) + S/((m−1)(m−2)) for a ≠ b, and 0 on the diagonal.
// Shapes: stack [N × m × m], each matrix symmetric, row-major; m ≤ 1024. One workgroup a matrix.
// Precision: f32. CPU twin (f64): src/kernels/cpu/u_centre.ts

struct Params {
  m: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> stack: array<f32>;

const LANES = 256u;
const MOST_ROWS = 1024u;

var<workgroup> sums: array<f32, MOST_ROWS>;
var<workgroup> lanes: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let m = params.m;
  let base = group.x * m * m;
  var own = 0f;
  for (var a = index; a < m; a += LANES) {
    // By symmetry a column's sum; neighbouring lanes then read neighbouring elements.
    var sum = 0f;
    for (var b = 0u; b < m; b++) {
      if (b != a) { sum += stack[base + b * m + a]; }
    }
    sums[a] = sum;
    own += sum;
  }
  lanes[index] = own;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (index < half) { lanes[index] += lanes[index + half]; }
  }
  workgroupBarrier();
  storageBarrier();
  let mean = lanes[0] / (f32(m - 1u) * f32(m - 2u));
  for (var k = index; k < m * m; k += LANES) {
    let a = k / m;
    let b = k % m;
    let value = stack[base + k] - (sums[a] + sums[b]) / f32(m - 2u) + mean;
    stack[base + k] = select(value, 0f, a == b);
  }
}
