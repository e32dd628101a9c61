// From cross moments to Pearson correlation, or (normalise = 0) to centred cross moments. With n rows:
//   centred[a, b] = cross[a, b] − Sx[a]·Sy[b]/n;  σ[a] = √max(0, Q[a]/n − (S[a]/n)²), clamped below at 1e-7;
//   correlation[a, b] = centred[a, b] / (n·σx[a]·σy[b]), kept in [−1, 1].
// Shapes: cross and out [count × q]: the rows first … first+count−1 of [p × q]; stats [·] with shift, S, Q
// [3 × p] at xStats and [3 × q] at yStats; all row-major.
// Precision: f32. CPU twin (f64): src/kernels/cpu/correlation.ts

struct Params {
  p: u32,
  q: u32,
  first: u32,
  count: u32,
  crossBase: u32,
  outBase: u32,
  xStats: u32,
  yStats: u32,
  normalise: u32,
  samples: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> cross: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const SIDE = 16u;
const LEAST_DEVIATION = 1e-7f;

fn deviation(square: f32, mean: f32) -> f32 {
  return max(sqrt(max(0f, square / params.samples - mean * mean)), LEAST_DEVIATION);
}

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= params.count || id.x >= params.q) { return; }
  let a = params.xStats + params.first + id.y;
  let b = params.yStats + id.x;
  let place = id.y * params.q + id.x;
  let xMean = stats[a + params.p] / params.samples;
  let yMean = stats[b + params.q] / params.samples;
  let value = cross[params.crossBase + place];
  if (params.normalise == 0u) {
    out[params.outBase + place] = value - xMean * stats[b + params.q];
    return;
  }
  let covariance = value / params.samples - xMean * yMean;
  let xDeviation = deviation(stats[a + 2u * params.p], xMean);
  let yDeviation = deviation(stats[b + 2u * params.q], yMean);
  out[params.outBase + place] = clamp(covariance / xDeviation / yDeviation, -1f, 1f);
}
