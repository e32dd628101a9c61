/**
 * Where the matrix of a weight may stand in a checkpoint: whole or as two halves, as it is or transposed.
 *
 * Why: ONNX keeps a linear map as [in × out], [out × in] or [out × in × 1 × 1], and may pack gate and up in one matrix
 * that the checkpoint holds as two. Sizes of 1 do not tell shapes apart.
 */
import { elementCount } from '../tensor/shape.ts';
import { isFloatDtype } from './dtypes.ts';
import type { CheckpointTensor } from './types.ts';

/** A block of a weight's matrix (row-major, `stride` columns in the whole of it). */
export interface Block {
  readonly rows: number;
  readonly cols: number;
  readonly stride: number;
  /** Of its first element in the whole matrix. */
  readonly offset: number;
}

/** A tensor whose shape fits a block: element [r, c] of the block is [c, r] of the tensor where `transposed`. */
export interface Candidate {
  readonly tensor: CheckpointTensor;
  readonly transposed: boolean;
}

export function wholeBlock(rows: number, cols: number): Block {
  return { rows, cols, stride: cols, offset: 0 };
}

/** The first and the second half of the rows or columns; none where their number is odd. */
export function halfBlocks(rows: number, cols: number, axis: 'rows' | 'cols'): readonly Block[] {
  if ((axis === 'rows' ? rows : cols) % 2 !== 0) return [];
  return [0, 1].map((half) =>
    axis === 'rows'
      ? { rows: rows / 2, cols, stride: cols, offset: (half * rows * cols) / 2 }
      : { rows, cols: cols / 2, stride: cols, offset: (half * cols) / 2 },
  );
}

/** Position in the weight's whole matrix of element `k` of the tensor, counted row-major. */
export function positionOf(block: Block, transposed: boolean, k: number): number {
  const { rows, cols, stride, offset } = block;
  return transposed
    ? offset + (k % rows) * stride + Math.floor(k / rows)
    : offset + Math.floor(k / cols) * stride + (k % cols);
}

const keyOf = (shape: readonly number[]) => shape.filter((size) => size !== 1).join('×');

/** Finds tensors by shape. */
export class ShapeIndex {
  private readonly byShape = new Map<string, CheckpointTensor[]>();

  constructor(tensors: Iterable<CheckpointTensor>) {
    for (const tensor of tensors) {
      if (!isFloatDtype(tensor.dtype) || elementCount(tensor.shape) === 0) continue;
      const key = keyOf(tensor.shape);
      const list = this.byShape.get(key);
      if (list) list.push(tensor);
      else this.byShape.set(key, [tensor]);
    }
  }

  /** Square matrices fit both ways. */
  candidates({ rows, cols }: Block): Candidate[] {
    const plain = (this.byShape.get(keyOf([rows, cols])) ?? []).map((tensor) => ({
      tensor,
      transposed: false,
    }));
    if (rows === 1 || cols === 1) return plain;
    const turned = (this.byShape.get(keyOf([cols, rows])) ?? []).map((tensor) => ({
      tensor,
      transposed: true,
    }));
    return [...plain, ...turned];
  }
}
