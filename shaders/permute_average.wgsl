// One term of a mean of permuted matrices: out[u, v] = (start ? 0 : out[u, v]) + in[from], then / divisor, where
// in[from] is in[perm[u], v] (axis 0) or in[u, perm[v]] (axis 1), or in[u, v] where permuted = 0.
// The driver runs it once a matrix; only the last run divides (divisor = K, else 1).
// Shapes: in and out [count × cols] from row `first` on (in: all rows where axis 0 is permuted), perm [rows] or
// [cols]; all row-major.
// Precision: f32 sums, one division. CPU twin (f64 sums): src/kernels/cpu/permute_average.ts

struct Params {
  cols: u32,
  first: u32,
  count: u32,
  axis: u32,
  permuted: u32,
  start: u32,
  inBase: u32,
  outBase: u32,
  divisor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> permutation: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const SIDE = 16u;

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= params.count || id.x >= params.cols) { return; }
  var row = id.y;
  var col = id.x;
  if (params.permuted == 1u) {
    if (params.axis == 0u) { row = permutation[params.first + id.y]; } else { col = permutation[id.x]; }
  }
  let place = params.outBase + id.y * params.cols + id.x;
  var value = source[params.inBase + row * params.cols + col];
  if (params.start == 0u) { value += out[place]; }
  out[place] = value / params.divisor;
}
