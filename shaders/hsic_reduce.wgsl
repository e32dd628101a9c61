// HSIC₁ of all pairs of a stack of U-centred Grams: sums[i, j] += ⟨Ũᵢ, Ũⱼ⟩ / (m(m−3)), for i ≤ j and mirrored.
// Shapes: stack [N × m·m], sums [N × N], row-major. One workgroup a pair: columns i, rows first … of j.
// Precision: f32, 256 lanes then a tree. CPU twin (f64): src/kernels/cpu/hsic_reduce.ts

struct Params {
  count: u32,
  length: u32,
  first: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> stack: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

const LANES = 256u;

var<workgroup> lanes: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let i = group.x;
  let j = params.first + group.y;
  if (i > j) { return; }
  var sum = 0f;
  for (var k = index; k < params.length; k += LANES) {
    sum += stack[i * params.length + k] * stack[j * params.length + k];
  }
  lanes[index] = sum;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (index < half) { lanes[index] += lanes[index + half]; }
  }
  if (index == 0u) {
    let value = sums[i * params.count + j] + lanes[0] * params.scale;
    sums[i * params.count + j] = value;
    sums[j * params.count + i] = value;
  }
}
