/** Driver of shaders/matmul.wgsl: out (+)= alpha · op(a)·op(b), for matrices and blocks of them. */
import source from '../../../shaders/matmul.wgsl?raw';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { type Run, rowsThatFit, runs, wholeTiles } from './slices.ts';

const shader: Shader = { name: 'matmul', source };
const TILE = shaderConstant(shader, 'TILE');

/** A block of a row-major matrix in a buffer. */
export interface Block {
  readonly buffer: GPUBuffer;
  /** Its first element. */
  readonly first: number;
  /** Elements between the beginnings of two of its rows. */
  readonly stride: number;
}

export interface Product {
  readonly m: number;
  readonly n: number;
  /** Terms of each sum. */
  readonly k: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly alpha?: number;
  readonly accumulate?: boolean;
}

export function wholeMatrix(matrix: GpuMatrix): Block {
  return { buffer: matrix.data, first: 0, stride: matrix.cols };
}

/** @param out lies in a buffer that neither a nor b lies in. */
export async function matmul(
  queue: GpuQueue,
  a: Block,
  b: Block,
  out: Block,
  product: Product,
): Promise<void> {
  const { m, n, k, transposeA = false, transposeB = false, alpha = 1, accumulate = false } = product;
  const fits = (block: Block) => rowsThatFit(queue.maxBindingBytes, block.stride);
  // What is cut are rows as stored: of op(a) or its terms, of op(b) or its terms, and of the result.
  const widest = transposeB ? Math.min(n, wholeTiles(fits(b), TILE)) : n;
  const deepest = Math.max(
    1,
    Math.min(k, transposeA ? fits(a) : k, transposeB ? k : fits(b), queue.maxFlops / (2 * TILE * TILE)),
  );
  const tiles = Math.min(
    queue.maxWorkgroups,
    queue.maxFlops / (2 * TILE * Math.ceil(widest / TILE) * TILE * deepest),
  );
  const highest = Math.min(
    wholeTiles(fits(out), TILE),
    transposeA ? m : wholeTiles(fits(a), TILE),
    Math.max(1, Math.floor(tiles)) * TILE,
  );
  for (const terms of runs(k, deepest)) {
    for (const across of runs(n, widest)) {
      for (const down of runs(m, highest)) {
        const from = transposeA ? bind(queue, a, terms, down) : bind(queue, a, down, terms);
        const by = transposeB ? bind(queue, b, across, terms) : bind(queue, b, terms, across);
        const to = bind(queue, out, down, across);
        const adding = accumulate || terms.first > 0;
        await queue.dispatch({
          shader,
          params: [
            down.count,
            across.count,
            terms.count,
            Number(transposeA),
            Number(transposeB),
            Number(adding),
            from.base,
            a.stride,
            by.base,
            b.stride,
            to.base,
            out.stride,
            floatBits(alpha),
          ],
          bindings: [from.binding, by.binding, to.binding],
          workgroups: [Math.ceil(across.count / TILE), Math.ceil(down.count / TILE)],
          flops:
            2 * TILE * TILE * Math.ceil(across.count / TILE) * Math.ceil(down.count / TILE) * terms.count,
        });
      }
    }
  }
}

/** The elements of a block from its first row's first to its last row's last. */
function bind(queue: GpuQueue, { buffer, first, stride }: Block, rows: Run, cols: Run) {
  const from = first + rows.first * stride + cols.first;
  return queue.elements(buffer, from, (rows.count - 1) * stride + cols.count, 'A row of a product');
}
