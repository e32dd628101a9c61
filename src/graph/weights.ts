/**
 * The constant operands of an FFN, and each as a matrix with its hidden units in the rows or the columns.
 *
 * Why: exporters keep a weight as [d, n], [n, d], [n, d, 1, 1] (a convolution) or, gate and up packed in one, as
 * [d, 2n]; merging, aligning and comparing units know matrices only.
 */
import type { Operand } from './linear.ts';

export type WeightRole = 'w_in' | 'b_in' | 'w_gate' | 'b_gate' | 'w_out' | 'b_out' | `unit_${number}`;

/** One constant operand of an FFN. */
export interface FfnWeight extends Operand {
  readonly role: WeightRole;
  /** Axis of the hidden units in the shape that the node sees (`source.dims`); null for b_out, which has none. */
  readonly hiddenAxis: number | null;
  /** 2 where that axis holds n units of one half and the same n of the other (packed gate and up). */
  readonly halves?: 2;
}

/** The shape of a weight as a matrix, row-major in the order of `source.dims`; a vector is [1 × n]. */
export interface WeightShape {
  readonly rows: number;
  readonly cols: number;
  /** 0 where the rows are hidden units, 1 where the columns are; null where there are none. */
  readonly unitAxis: 0 | 1 | null;
  /** How many times the hidden units stand side by side on that axis. */
  readonly halves: 1 | 2;
}

const MATRICES: ReadonlySet<WeightRole> = new Set<WeightRole>(['w_in', 'w_gate', 'w_out']);

export function weightShape(weight: FfnWeight): WeightShape {
  const { role, source, hiddenAxis } = weight;
  const halves = weight.halves ?? 1;
  if (!MATRICES.has(role)) {
    const cols = source.dims.reduce((n, d) => n * d, 1);
    return { rows: 1, cols, unitAxis: hiddenAxis === null ? null : 1, halves };
  }
  const [rows, cols] = source.dims;
  return { rows, cols, unitAxis: hiddenAxis === 0 ? 0 : 1, halves };
}

/** The order in which a weight's axis is gathered when the n hidden units on it are gathered by `order`. */
export function unitOrder(order: Uint32Array, halves: 1 | 2): Uint32Array {
  if (halves === 1) return order;
  const n = order.length;
  return Uint32Array.from({ length: 2 * n }, (_, i) => (i < n ? order[i] : n + order[i - n]));
}
