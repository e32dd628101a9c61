// Squared norm of centred cross moments, for exact CKA: Σ_ab (cross[a, b] − Sx[a]·Sy[b]/n)², in partial sums.
// Shapes: cross [count × q]: the rows first … first+count−1 of [p × q]; stats [·] with Sx [p] at xSum and Sy [q] at
// ySum; parts [·], one element a workgroup from partsBase on; all row-major.
// Precision: f32 within a workgroup; the driver adds the parts in f64. CPU twin (f64): src/kernels/cpu/frobenius.ts

struct Params {
  q: u32,
  first: u32,
  count: u32,
  crossBase: u32,
  xSum: u32,
  ySum: u32,
  partsBase: u32,
  samples: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> cross: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;

const LANES = 256u;

var<workgroup> lanes: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var sum = 0f;
  for (var k = group.x * LANES + index; k < params.count * params.q; k += groups.x * LANES) {
    let a = params.first + k / params.q;
    let b = k % params.q;
    let value = cross[params.crossBase + k] - stats[params.xSum + a] / params.samples * stats[params.ySum + b];
    sum += value * value;
  }
  lanes[index] = sum;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (index < half) { lanes[index] += lanes[index + half]; }
  }
  if (index == 0u) { parts[params.partsBase + group.x] = lanes[0]; }
}
