/**
 * The calibration split as tuning reads it: batches of one size, which rows of the output count, and the class that each
 * is to give where that is known.
 *
 * Why apart from scoring: scoring counts rows that have a target; distillation from the original can use every row that
 * is not padding, the last of a text too.
 */
import { type Batch, type Dataset, readBatch, type Targets } from '../data/dataset.ts';
import type { CalibrationChunks } from '../recover/tune/batches.ts';

/** Tokens of a batch whose size was not chosen, and items where they are not text. */
const TOKENS = 1024;
const ITEMS = 8;

/** Items of a batch. @param asked 0 = chosen here */
export function itemsOf({ contextLength }: Dataset, asked: number): number {
  if (asked > 0) return asked;
  return contextLength === undefined ? ITEMS : Math.max(1, Math.round(TOKENS / contextLength));
}

export function tuningChunks(dataset: Dataset, items: number): CalibrationChunks {
  return {
    count: dataset.batches('calibrate', items),
    read: async (index) => {
      const batch = await readBatch(dataset, 'calibrate', index, items);
      const { feeds, targets } = batch;
      const counted = countedOf(batch);
      const labels = labelsOf(targets);
      return { feeds, ...(counted && { counted }), ...(labels && { labels }) };
    },
  };
}

/** 1 for rows (or items, that stand for all of their rows) that are not padding; undefined = all are real. */
function countedOf({ targets, padding }: Batch): Uint8Array | undefined {
  const { real } = targets;
  // Targets of tokens say themselves which rows are real; the encoder's padding may be of other rows.
  if (targets.kind === 'token') return real;
  const mask = padding?.encoder;
  if (!mask) return real ?? padding?.items;
  if (!real) return mask;
  const rowsEach = mask.length / real.length;
  return mask.map((v, i) => v & real[Math.floor(i / rowsEach)]);
}

/** The class of each row, −1 for none; undefined where the data knows none. */
export function labelsOf(targets: Targets): Int32Array | undefined {
  const { real } = targets;
  if (targets.kind === 'none') return undefined;
  if (targets.kind === 'class') return withoutUnreal(targets.labels, real);
  const { ids, length } = targets;
  if (targets.kind === 'token') return withoutUnreal(ids, real);
  const next = ids.map((_, row) => {
    const position = (row % length) + 1;
    const from = targets.from?.[Math.floor(row / length)] ?? 1;
    return position < length && position >= from ? ids[row + 1] : -1;
  });
  return withoutUnreal(next, real);
}

function withoutUnreal(labels: Int32Array, real: Uint8Array | undefined): Int32Array {
  if (!real) return labels;
  const rowsEach = labels.length / real.length;
  return labels.map((c, row) => (real[Math.floor(row / rowsEach)] ? c : -1));
}
