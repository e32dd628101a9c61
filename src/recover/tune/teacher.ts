/**
 * The original's output distribution, kept compactly: the most probable classes of each row, and all others as one.
 *
 * Why: the original runs once, tuning reads its outputs many times, and 1,024 rows of 50,000 classes are 200 MB. The
 * divergence over the classes that are kept and one bucket is a lower bound of the whole one, and equal to it where
 * everything is kept.
 */
import { softmax } from '../../tensor/softmax.ts';

export interface CompactDistribution {
  readonly rows: number;
  /** Classes of a row in all. */
  readonly width: number;
  /** Classes kept of each row. */
  readonly kept: number;
  /** [rows × kept]; absent where all are kept, in order. */
  readonly classes?: Uint32Array;
  /** [rows × kept] */
  readonly probabilities: Float32Array;
  /** [rows]: the probability of the classes that are not kept. */
  readonly rest: Float32Array;
}

/**
 * @param logits [rows × width]
 * @param keep classes to keep of each row
 */
export function compactDistribution(logits: Float32Array, width: number, keep: number): CompactDistribution {
  const rows = logits.length / width;
  const kept = Math.min(keep, width);
  const all = kept === width;
  const classes = new Uint32Array(all ? 0 : rows * kept);
  const probabilities = new Float32Array(rows * kept);
  const rest = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = softmax(logits, r * width, width);
    if (all) {
      probabilities.set(row, r * width);
      continue;
    }
    const best = largest(row, kept);
    let others = 1;
    best.forEach((c, i) => {
      classes[r * kept + i] = c;
      probabilities[r * kept + i] = row[c];
      others -= row[c];
    });
    rest[r] = Math.max(0, others);
  }
  return { rows, width, kept, ...(!all && { classes }), probabilities, rest };
}

/** Probabilities [rows × width], 0 for classes that are not kept. */
export function expandDistribution({
  rows,
  width,
  kept,
  classes,
  probabilities,
}: CompactDistribution): Float32Array {
  if (!classes) return probabilities;
  const table = new Float32Array(rows * width);
  for (let r = 0, at = 0; r < rows; r++) {
    for (let i = 0; i < kept; i++, at++) table[r * width + classes[at]] = probabilities[at];
  }
  return table;
}

/** Places of the `count` largest, in no order: a heap whose root is the least of them. */
function largest(values: Float64Array, count: number): Uint32Array {
  const heap = new Uint32Array(count);
  const sink = (from: number, size: number) => {
    for (let at = from; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < size && values[heap[child]] < values[heap[least]]) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  };
  for (let i = 0; i < count; i++) heap[i] = i;
  for (let i = (count >> 1) - 1; i >= 0; i--) sink(i, count);
  for (let i = count; i < values.length; i++) {
    if (values[i] <= values[heap[0]]) continue;
    heap[0] = i;
    sink(0, count);
  }
  return heap;
}
