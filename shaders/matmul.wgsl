// Product: out[i, j] = (accumulate ? out[i, j] : 0) + alpha · Σ_k op(a)[i, k] · op(b)[k, j].
// Shapes: op(a) [m × k]: a as stored, or its transpose where transposeA = 1; op(b) [k × n] likewise; out [m × n]. Each
// is a block of a row-major matrix: its first element at …Base, its rows …Stride elements apart.
// Precision: f32, summed in the order of k. CPU twin (f64): src/kernels/cpu/matmul.ts
// A workgroup makes a tile of 64 × 64, each invocation 4 × 4 of it, from runs of 16 terms in workgroup memory.

struct Params {
  m: u32,
  n: u32,
  k: u32,
  transposeA: u32,
  transposeB: u32,
  accumulate: u32,
  aBase: u32,
  aStride: u32,
  bBase: u32,
  bStride: u32,
  outBase: u32,
  outStride: u32,
  alpha: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const TILE = 64u;
const SIDE = 16u;
// One more than the side: neighbouring lanes then write to different banks.
const STRIDE = SIDE + 1u;

var<workgroup> left: array<vec4f, SIDE * STRIDE>;
var<workgroup> right: array<vec4f, SIDE * STRIDE>;

fn loadA(i: u32, k: u32) -> f32 {
  if (i >= params.m || k >= params.k) { return 0; }
  if (params.transposeA == 1u) { return a[params.aBase + k * params.aStride + i]; }
  return a[params.aBase + i * params.aStride + k];
}

fn loadB(k: u32, j: u32) -> f32 {
  if (j >= params.n || k >= params.k) { return 0; }
  if (params.transposeB == 1u) { return b[params.bBase + j * params.bStride + k]; }
  return b[params.bBase + k * params.bStride + j];
}

@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let i0 = group.y * TILE;
  let j0 = group.x * TILE;
  let fast = index % SIDE;
  let slow = index / SIDE;
  // Neighbouring lanes read neighbouring elements: along k, or along the four rows or columns.
  let aTerm = select(fast, slow, params.transposeA == 1u);
  let aQuad = select(slow, fast, params.transposeA == 1u);
  let bTerm = select(slow, fast, params.transposeB == 1u);
  let bQuad = select(fast, slow, params.transposeB == 1u);
  let i = i0 + aQuad * 4u;
  let j = j0 + bQuad * 4u;
  var sums: array<vec4f, 4>;
  for (var k0 = 0u; k0 < params.k; k0 += SIDE) {
    let ka = k0 + aTerm;
    let kb = k0 + bTerm;
    left[aTerm * STRIDE + aQuad] = vec4f(loadA(i, ka), loadA(i + 1u, ka), loadA(i + 2u, ka), loadA(i + 3u, ka));
    right[bTerm * STRIDE + bQuad] = vec4f(loadB(kb, j), loadB(kb, j + 1u), loadB(kb, j + 2u), loadB(kb, j + 3u));
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
  for (var r = 0u; r < 4u; r++) {
    let row = i0 + local.y * 4u + r;
    for (var c = 0u; c < 4u; c++) {
      let col = j0 + local.x * 4u + c;
      if (row >= params.m || col >= params.n) { continue; }
      let at = params.outBase + row * params.outStride + col;
      let value = params.alpha * sums[r][c];
      if (params.accumulate == 1u) { out[at] += value; } else { out[at] = value; }
    }
  }
}
