/**
 * Blocked Cholesky factorisation A + λI = L·Lᵀ and triangular solves on the GPU, in f32 (twin of cpu/cholesky.ts).
 *
 * Right-looking over panels of 64 columns, each in its own buffers, so that a product never reads the buffer that it
 * writes: the top block is factored and inverted (cholesky_block), everything else is matmul. For n = 8192 these are
 * about 8,000 dispatches and 128 MB for the factor.
 */
import { choleskyBlock, NO_PIVOT, WIDTH } from './cholesky_block.ts';
import { copyBlock } from './copy_block.ts';
import { matmul } from './matmul.ts';
import type { GpuMatrix } from './matrix.ts';
import type { GpuQueue } from './queue.ts';

/** Columns first … first+width−1 of L: the top block [width × width], its inverse, and the `rows` rows below it. */
export interface GpuPanel {
  readonly first: number;
  readonly width: number;
  readonly rows: number;
  readonly top: GPUBuffer;
  readonly inverse: GPUBuffer;
  /** [rows × width]; null where there are none. */
  readonly below: GPUBuffer | null;
}

/** @returns the panels of L, or the first row whose pivot is not positive. */
export async function factor(
  queue: GpuQueue,
  a: GpuMatrix,
  lambda: number,
  signal: AbortSignal | undefined,
): Promise<readonly GpuPanel[] | { readonly pivot: number }> {
  const n = a.rows;
  const made = new Set<GPUBuffer>();
  const make = (elements: number, what: string) => {
    const buffer = queue.createBuffer(elements, what);
    made.add(buffer);
    return buffer;
  };
  const drop = (buffer: GPUBuffer) => {
    made.delete(buffer);
    queue.destroy(buffer);
  };
  try {
    const status = queue.upload(Uint32Array.of(NO_PIVOT), 'The state of a factorisation');
    made.add(status);
    const panels: GpuPanel[] = [];
    for (let first = 0; first < n; first += WIDTH) {
      const width = Math.min(WIDTH, n - first);
      const rows = n - first - width;
      const cols = { first, count: width };
      const panel = {
        first,
        width,
        rows,
        top: make(width * width, 'A block of a factor'),
        inverse: make(width * width, 'A block of a factor'),
        below: rows === 0 ? null : make(rows * width, 'A panel of a factor'),
      };
      panels.push(panel);
      await copyBlock(queue, a, cols, cols, lambda, panel.top);
      if (panel.below !== null) {
        await copyBlock(queue, a, { first: first + width, count: rows }, cols, 0, panel.below);
      }
    }
    for (let j = 0; j < panels.length; j++) {
      signal?.throwIfAborted();
      const { first, width, rows, top: raw, inverse, below: rawBelow } = panels[j];
      const top = make(width * width, 'A block of a factor');
      await choleskyBlock(queue, raw, width, first, top, inverse, status);
      drop(raw);
      if (rawBelow === null) {
        panels[j] = { ...panels[j], top };
        continue;
      }
      const below = make(rows * width, 'A panel of a factor');
      const block = { buffer: below, first: 0, stride: width };
      const divisor = { buffer: inverse, first: 0, stride: width };
      const shape = { m: rows, n: width, k: width, transposeB: true };
      await matmul(queue, { ...block, buffer: rawBelow }, divisor, block, shape);
      drop(rawBelow);
      panels[j] = { ...panels[j], top, below };
      for (const later of panels.slice(j + 1)) {
        const from = later.first - first - width;
        const outer = { n: later.width, k: width, transposeB: true, alpha: -1, accumulate: true };
        const columns = { ...block, first: from * width };
        const into = { first: 0, stride: later.width };
        await matmul(queue, columns, columns, { ...into, buffer: later.top }, { ...outer, m: later.width });
        if (later.below === null) continue;
        const rest = { ...block, first: (from + later.width) * width };
        await matmul(queue, rest, columns, { ...into, buffer: later.below }, { ...outer, m: later.rows });
      }
    }
    const [pivot] = new Uint32Array((await queue.read(status, 1)).buffer);
    drop(status);
    if (pivot !== NO_PIVOT) return { pivot };
    made.clear();
    return panels;
  } finally {
    for (const buffer of made) queue.destroy(buffer);
  }
}

/**
 * Solves L·X = B, or Lᵀ·X = B.
 * @param b [n × m]; it is overwritten, and not the result.
 * @param x [n × m] receives X.
 */
export async function solve(
  queue: GpuQueue,
  panels: readonly GpuPanel[],
  b: GpuMatrix,
  x: GpuMatrix,
  transposed: boolean,
): Promise<void> {
  const m = b.cols;
  const at = (matrix: GpuMatrix, row: number) => ({ buffer: matrix.data, first: row * m, stride: m });
  for (const { first, width, rows, inverse, below } of transposed ? [...panels].reverse() : panels) {
    const panel = below && { buffer: below, first: 0, stride: width };
    const subtract = { n: m, alpha: -1, accumulate: true };
    if (transposed && panel) {
      const shape = { ...subtract, m: width, k: rows, transposeA: true };
      await matmul(queue, panel, at(x, first + width), at(b, first), shape);
    }
    const divisor = { buffer: inverse, first: 0, stride: width };
    await matmul(queue, divisor, at(b, first), at(x, first), {
      m: width,
      n: m,
      k: width,
      transposeA: transposed,
    });
    if (!transposed && panel) {
      await matmul(queue, panel, at(x, first), at(b, first + width), { ...subtract, m: rows, k: width });
    }
  }
}

/** L [n × n] into a matrix of zeros: each panel times the identity, which changes no bit. */
export async function lowerTriangle(
  queue: GpuQueue,
  panels: readonly GpuPanel[],
  out: GpuMatrix,
): Promise<void> {
  const n = out.cols;
  const ones = Float32Array.from({ length: WIDTH * WIDTH }, (_, k) => Number(k % (WIDTH + 1) === 0));
  const identity = queue.upload(ones, 'An identity');
  try {
    for (const { first, width, rows, top, below } of panels) {
      const unit = { buffer: identity, first: 0, stride: WIDTH };
      const put = (buffer: GPUBuffer, row: number, m: number) => {
        const into = { buffer: out.data, first: row * n + first, stride: n };
        return matmul(queue, { buffer, first: 0, stride: width }, unit, into, { m, n: width, k: width });
      };
      await put(top, first, width);
      if (below !== null) await put(below, first + width, rows);
    }
  } finally {
    queue.destroy(identity);
  }
}
