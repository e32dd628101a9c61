/**
 * Cache-blocked products in f64 of f32 or f64 matrices, in plain JavaScript.
 *
 * op(A) [m × K] is packed as panels of 4 rows, op(B) [K × n] as panels of 4 columns, both [K × 4] contiguous; sixteen
 * sums stay in registers while K is walked down. K is cut into runs, so that what is packed stays in the cache.
 */

/** One operand: an element (i, k) is data[i·major + k·minor]. */
export interface Strided {
  readonly data: Float32Array | Float64Array;
  /** Step from one row of op(A), or column of op(B), to the next. */
  readonly major: number;
  /** Step along the summed axis. */
  readonly minor: number;
  readonly offset?: number;
}

const PANEL = 4;
const RUN = 256;

/**
 * out[i·stride + j] += weight · Σₖ a(i, k)·b(j, k) for i < m, j < n.
 * @param lower leaves out blocks wholly above the diagonal, for a symmetric product that the caller mirrors.
 */
export function addProduct(
  out: Float64Array,
  stride: number,
  a: Strided,
  m: number,
  b: Strided,
  n: number,
  inner: number,
  weight: number,
  lower = false,
  outOffset = 0,
): void {
  const depth = Math.min(RUN, inner);
  const packedA = new Float64Array(Math.ceil(m / PANEL) * PANEL * depth);
  const packedB = new Float64Array(Math.ceil(n / PANEL) * PANEL * depth);
  const sums = new Float64Array(PANEL * PANEL);
  for (let first = 0; first < inner; first += RUN) {
    const run = Math.min(RUN, inner - first);
    pack(packedA, a, m, first, run);
    pack(packedB, b, n, first, run);
    for (let i = 0; i < m; i += PANEL) {
      const height = Math.min(PANEL, m - i);
      const last = lower ? Math.min(n, i + PANEL) : n;
      for (let j = 0; j < last; j += PANEL) {
        multiplyPanels(packedA, i * run, packedB, j * run, run, sums);
        const width = Math.min(PANEL, n - j);
        for (let r = 0; r < height; r++) {
          const base = outOffset + (i + r) * stride + j;
          for (let c = 0; c < width; c++) out[base + c] += weight * sums[r * PANEL + c];
        }
      }
    }
  }
}

function pack(
  to: Float64Array,
  { data, major, minor, offset = 0 }: Strided,
  count: number,
  first: number,
  run: number,
) {
  const panels = Math.ceil(count / PANEL);
  for (let p = 0; p < panels; p++) {
    for (let r = 0; r < PANEL; r++) {
      const i = p * PANEL + r;
      let at = p * PANEL * run + r;
      if (i >= count) {
        for (let k = 0; k < run; k++, at += PANEL) to[at] = 0;
        continue;
      }
      let from = offset + i * major + first * minor;
      for (let k = 0; k < run; k++, at += PANEL, from += minor) to[at] = data[from];
    }
  }
}

// biome-ignore format: sixteen sums read best as a square.
function multiplyPanels(
  a: Float64Array, aBase: number, b: Float64Array, bBase: number, depth: number, sums: Float64Array,
): void {
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0;
  let s10 = 0, s11 = 0, s12 = 0, s13 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0;
  let s30 = 0, s31 = 0, s32 = 0, s33 = 0;
  for (let k = 0; k < depth; k++) {
    const p = aBase + k * PANEL;
    const q = bBase + k * PANEL;
    const a0 = a[p], a1 = a[p + 1], a2 = a[p + 2], a3 = a[p + 3];
    const b0 = b[q], b1 = b[q + 1], b2 = b[q + 2], b3 = b[q + 3];
    s00 += a0 * b0; s01 += a0 * b1; s02 += a0 * b2; s03 += a0 * b3;
    s10 += a1 * b0; s11 += a1 * b1; s12 += a1 * b2; s13 += a1 * b3;
    s20 += a2 * b0; s21 += a2 * b1; s22 += a2 * b2; s23 += a2 * b3;
    s30 += a3 * b0; s31 += a3 * b1; s32 += a3 * b2; s33 += a3 * b3;
  }
  sums[0] = s00; sums[1] = s01; sums[2] = s02; sums[3] = s03;
  sums[4] = s10; sums[5] = s11; sums[6] = s12; sums[7] = s13;
  sums[8] = s20; sums[9] = s21; sums[10] = s22; sums[11] = s23;
  sums[12] = s30; sums[13] = s31; sums[14] = s32; sums[15] = s33;
}
