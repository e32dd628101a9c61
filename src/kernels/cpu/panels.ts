/**
 * Cache-blocked products of packed matrices in f64: what the JavaScript twins share.
 *
 * A matrix [K × p] is packed as panels of 4 columns, each [K × 4] contiguous, zero beyond p. The product of two
 * panels keeps 16 sums in registers while it walks down K, so that memory is read once per 4 × 4 results.
 */
export const PANEL = 4;

export interface Panels {
  /** ⌈cols / 4⌉ panels of [depth × 4]. */
  readonly data: Float64Array;
  readonly depth: number;
  readonly cols: number;
}

/** Packs rows first … first+depth−1 of x [· × cols], less the shift, as panels of columns. */
export function packColumns(
  x: Float32Array | Float64Array,
  cols: number,
  first: number,
  depth: number,
  shift: Float64Array | null,
): Panels {
  const data = new Float64Array(Math.ceil(cols / PANEL) * PANEL * depth);
  for (let c = 0; c < cols; c++) {
    const away = shift === null ? 0 : shift[c];
    let to = Math.floor(c / PANEL) * PANEL * depth + (c % PANEL);
    let from = first * cols + c;
    for (let t = 0; t < depth; t++, to += PANEL, from += cols) data[to] = x[from] - away;
  }
  return { data, depth, cols };
}

/** The same of the transpose: panels of 4 rows of x, each [cols × 4]. */
export function packRows(
  x: Float32Array | Float64Array,
  cols: number,
  first: number,
  count: number,
  shift: Float64Array | null,
): Panels {
  const data = new Float64Array(Math.ceil(count / PANEL) * PANEL * cols);
  for (let r = 0; r < count; r++) {
    let to = Math.floor(r / PANEL) * PANEL * cols + (r % PANEL);
    const from = (first + r) * cols;
    for (let c = 0; c < cols; c++, to += PANEL) data[to] = x[from + c] - (shift === null ? 0 : shift[c]);
  }
  return { data, depth: cols, cols: count };
}

/** Columns first … first+count−1 of what was packed, with no copy; first is a multiple of 4. */
export function panelRange({ data, depth }: Panels, first: number, count: number): Panels {
  const end = Math.ceil((first + count) / PANEL) * PANEL;
  return { data: data.subarray(first * depth, end * depth), depth, cols: count };
}

/**
 * out [a.cols × b.cols] += AᵀB, where a packs A [K × p] and b packs B [K × q].
 * @param upper leaves out panels wholly below the diagonal, for a symmetric product that the caller mirrors.
 */
export function addProduct(out: Float64Array, a: Panels, b: Panels, upper = false): void {
  const sums = new Float64Array(PANEL * PANEL);
  for (let i = 0; i < a.cols; i += PANEL) {
    const height = Math.min(PANEL, a.cols - i);
    for (let j = upper ? i : 0; j < b.cols; j += PANEL) {
      multiplyPanels(a.data, i * a.depth, b.data, j * b.depth, a.depth, sums);
      const width = Math.min(PANEL, b.cols - j);
      for (let r = 0; r < height; r++) {
        const base = (i + r) * b.cols + j;
        for (let c = 0; c < width; c++) out[base + c] += sums[r * PANEL + c];
      }
    }
  }
}

/** sums [4 × 4] = the product of two panels. */
// biome-ignore format: sixteen sums read best as a square.
function multiplyPanels(
  a: Float64Array,
  aBase: number,
  b: Float64Array,
  bBase: number,
  depth: number,
  sums: Float64Array,
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
