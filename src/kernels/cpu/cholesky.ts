/**
 * Blocked Cholesky factorisation A + λI = L·Lᵀ and triangular solves, in f64 (twin of webgpu/cholesky.ts).
 *
 * Right-looking over panels of 64 columns: a panel's top block is factored and inverted, the rest of the panel is
 * multiplied by that inverse, and its outer product is taken from the panels to the right. About 3 GFLOPS:
 * n = 1024 takes 0.2 s, n = 4096 some 10 s. In f64 no refinement is needed up to a condition of 10¹⁰ or so.
 * Memory: n²/2 f64 for the factor.
 */
import { choleskyBlock } from './cholesky_block.ts';
import { copyBlock } from './copy_block.ts';
import { addProduct, type Panels, packColumns, packRows, panelRange } from './panels.ts';

/** Columns of a panel; a multiple of 4. */
const WIDTH = 64;

/** Columns first … first+width−1 of L: the top block [width × width], its inverse, and the rows below it. */
export interface Panel {
  readonly first: number;
  readonly width: number;
  readonly top: Float64Array;
  readonly inverse: Float64Array;
  /** [(n − first − width) × width]. */
  readonly below: Float64Array;
}

/**
 * @param a [n × n]; the lower triangle is read.
 * @param least what pivots are to be above.
 * @returns the panels of L, or the first row whose pivot is not positive.
 */
export async function factor(
  a: Float32Array | Float64Array,
  n: number,
  lambda: number,
  pause: () => Promise<void>,
  least = 0,
): Promise<readonly Panel[] | { readonly pivot: number }> {
  await pause();
  const panels: Panel[] = [];
  for (let first = 0; first < n; first += WIDTH) {
    const width = Math.min(WIDTH, n - first);
    panels.push({
      first,
      width,
      top: copyBlock(a, n, first, width, first, width, lambda),
      inverse: new Float64Array(width * width),
      below: copyBlock(a, n, first + width, n - first - width, first, width, 0),
    });
  }
  for (let j = 0; j < panels.length; j++) {
    const { first, width, top, inverse, below } = panels[j];
    const bad = choleskyBlock(top, inverse, width, least);
    if (bad >= 0) return { pivot: first + bad };
    const rows = n - first - width;
    if (rows === 0) continue;
    // below · L⁻ᵀ: both factors run along their rows.
    const raw = packRows(below, width, 0, rows, null);
    below.fill(0);
    addProduct(below, raw, packRows(inverse, width, 0, width, null));
    const left = packRows(below, width, 0, rows, null);
    const right = negated(left);
    for (const later of panels.slice(j + 1)) {
      const from = later.first - first - width;
      const columns = panelRange(right, from, later.width);
      addProduct(later.top, panelRange(left, from, later.width), columns);
      const rest = rows - from - later.width;
      if (rest > 0) addProduct(later.below, panelRange(left, from + later.width, rest), columns);
    }
    await pause();
  }
  return panels;
}

/** Solves L·X = B, or Lᵀ·X = B, in place: x [n × m] holds B, then X. */
export async function solveInPlace(
  panels: readonly Panel[],
  x: Float64Array,
  m: number,
  transposed: boolean,
  pause: () => Promise<void>,
): Promise<void> {
  const rowsOf = ({ first, width }: Panel) => x.subarray(first * m, (first + width) * m);
  for (const panel of transposed ? [...panels].reverse() : panels) {
    const { first, width, inverse, below } = panel;
    const right = packColumns(rowsOf(panel), m, 0, width, null);
    rowsOf(panel).fill(0);
    const left = transposed
      ? packColumns(inverse, width, 0, width, null)
      : packRows(inverse, width, 0, width, null);
    addProduct(rowsOf(panel), left, right);
    const solved = negated(packColumns(rowsOf(panel), m, 0, width, null));
    if (transposed) {
      for (const earlier of panels) {
        if (earlier.first >= first) break;
        const row = first - earlier.first - earlier.width;
        addProduct(rowsOf(earlier), packColumns(earlier.below, earlier.width, row, width, null), solved);
      }
    } else if (below.length > 0) {
      addProduct(
        x.subarray((first + width) * m),
        packRows(below, width, 0, below.length / width, null),
        solved,
      );
    }
    await pause();
  }
}

/** L [n × n], zero above the diagonal. */
export function lowerTriangle(panels: readonly Panel[], n: number): Float32Array {
  const out = new Float32Array(n * n);
  for (const { first, width, top, below } of panels) {
    for (let r = 0; r < n - first; r++) {
      const from = r < width ? top.subarray(r * width) : below.subarray((r - width) * width);
      for (let c = 0; c < width; c++) out[(first + r) * n + first + c] = from[c];
    }
  }
  return out;
}

function negated(panels: Panels): Panels {
  return { ...panels, data: panels.data.map((v) => -v) };
}
