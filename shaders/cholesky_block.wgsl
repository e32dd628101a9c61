// Cholesky factor of one block and the factor's inverse: L·Lᵀ = block, inverse = L⁻¹.
// Shapes: block, lower, inverse [n × n], n ≤ WIDTH, row-major (block: the lower triangle is read; lower and inverse:
// zero above the diagonal); status [1]: the first row (first + i) whose pivot is not a positive normal number, or
// what it was. One workgroup.
// Precision: f32. CPU twin (f64): src/kernels/cpu/cholesky_block.ts
// In workgroup memory the strict upper triangle holds the inverse, transposed; its diagonal is 1/L[i, i].

struct Params {
  n: u32,
  first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> block: array<f32>;
@group(0) @binding(2) var<storage, read_write> lower: array<f32>;
@group(0) @binding(3) var<storage, read_write> inverse: array<f32>;
@group(0) @binding(4) var<storage, read_write> status: array<u32>;

const WIDTH = 64u;
const LANES = 256u;
const NO_PIVOT = 0xffffffffu;

var<workgroup> tile: array<f32, WIDTH * WIDTH>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) index: u32) {
  let n = params.n;
  for (var k = index; k < n * n; k += LANES) {
    let r = k / n;
    let c = k % n;
    if (c <= r) { tile[r * WIDTH + c] = block[k]; }
  }
  workgroupBarrier();
  for (var i = 0u; i < n; i++) {
    let pivot = tile[i * WIDTH + i];
    workgroupBarrier();
    // By its bits, since a compiler may assume that there are no NaN: neither negative, zero, infinite nor NaN.
    let bits = bitcast<u32>(pivot);
    if (index == 0u && (bits < 0x00800000u || bits >= 0x7f800000u) && status[0] == NO_PIVOT) {
      status[0] = params.first + i;
    }
    let root = sqrt(pivot);
    if (index == i) { tile[i * WIDTH + i] = root; }
    if (index > i && index < n) { tile[index * WIDTH + i] /= root; }
    workgroupBarrier();
    let rest = n - i - 1u;
    for (var k = index; k < rest * rest; k += LANES) {
      let r = i + 1u + k / rest;
      let c = i + 1u + k % rest;
      if (c <= r) { tile[r * WIDTH + c] -= tile[r * WIDTH + i] * tile[c * WIDTH + i]; }
    }
    workgroupBarrier();
  }
  // Column c of the inverse by forward substitution, one invocation a column: none reads what another writes.
  if (index < n) {
    let c = index;
    let start = 1 / tile[c * WIDTH + c];
    for (var r = c + 1u; r < n; r++) {
      var sum = tile[r * WIDTH + c] * start;
      for (var k = c + 1u; k < r; k++) { sum += tile[r * WIDTH + k] * tile[c * WIDTH + k]; }
      tile[c * WIDTH + r] = -sum / tile[r * WIDTH + r];
    }
  }
  workgroupBarrier();
  for (var k = index; k < n * n; k += LANES) {
    let r = k / n;
    let c = k % n;
    if (c > r) {
      lower[k] = 0;
      inverse[k] = 0;
    } else {
      lower[k] = tile[r * WIDTH + c];
      if (c == r) { inverse[k] = 1 / tile[r * WIDTH + r]; } else { inverse[k] = tile[c * WIDTH + r]; }
    }
  }
}
