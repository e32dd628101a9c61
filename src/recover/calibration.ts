/**
 * Calibration data of a tied set of k layers, batch by batch, and its division into a part to fit on and a part held
 * out.
 *
 * Xᵢ [T × d] are the inputs of sublayer i (of the merged model where refreshed), Yᵢ [T × d] the original's outputs
 * after the bias and before the residual. Batches can be read again, so closed forms need no more memory than a batch.
 * The last rows of each batch are held out: contiguous rows, so that with text most held-out tokens are of other
 * sequences than those fitted.
 */
import type { Dense } from './linear-algebra.ts';

export interface CalibrationBatch {
  /** One a layer, execution order; all have the same rows. */
  readonly x: readonly Dense[];
  readonly y: readonly Dense[];
  /** Inputs of the original, where `x` are those of the merged model; absent where they are the same. */
  readonly originalX?: readonly Dense[];
}

export interface CalibrationData {
  /** From the start, the same each time. */
  batches(): AsyncIterable<CalibrationBatch>;
}

/** Which rows of the calibration data. */
export type Part = 'fit' | 'held-out';

/** Rows of each batch that are held out where nothing else is said. */
export const DEFAULT_HOLD_OUT = 0.2;

/** Batches in memory as calibration data. */
export function inMemory(batches: readonly CalibrationBatch[]): CalibrationData {
  return {
    async *batches() {
      yield* batches;
    },
  };
}

/** One layer's rows of calibration data. */
export function ofLayer(data: CalibrationData, layer: number): CalibrationData {
  return {
    async *batches() {
      for await (const { x, y, originalX } of data.batches()) {
        yield { x: [x[layer]], y: [y[layer]], ...(originalX && { originalX: [originalX[layer]] }) };
      }
    },
  };
}

/**
 * The two parts of a batch; a part of no rows is null.
 * @throws RangeError where the layers of a batch do not have the same rows, or `holdOut` is not in [0, 1)
 */
export function divide(batch: CalibrationBatch, holdOut: number): Record<Part, CalibrationBatch | null> {
  if (!(holdOut >= 0 && holdOut < 1)) {
    throw new RangeError(`The held-out share must be from 0 up to, but not, 1; it was ${holdOut}.`);
  }
  const { rows } = batch.x[0];
  for (const m of [...batch.x, ...batch.y, ...(batch.originalX ?? [])]) {
    if (m.rows !== rows) {
      throw new RangeError(`The layers of a batch have ${rows} and ${m.rows} rows, and must have the same.`);
    }
  }
  const held = Math.round(rows * holdOut);
  return { fit: cut(batch, 0, rows - held), 'held-out': cut(batch, rows - held, held) };
}

/** Rows first … first+count−1 of every matrix, without a copy. */
export function cut(batch: CalibrationBatch, first: number, count: number): CalibrationBatch | null {
  if (count <= 0) return null;
  const rows = (m: Dense): Dense => ({
    rows: count,
    cols: m.cols,
    data: m.data.subarray(first * m.cols, (first + count) * m.cols),
  });
  return {
    x: batch.x.map(rows),
    y: batch.y.map(rows),
    ...(batch.originalX && { originalX: batch.originalX.map(rows) }),
  };
}

/** Batches of both parts, in order. */
export async function* parts(
  data: CalibrationData,
  holdOut: number,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly part: Part; readonly batch: CalibrationBatch }> {
  for await (const whole of data.batches()) {
    signal?.throwIfAborted();
    const divided = divide(whole, holdOut);
    for (const part of ['fit', 'held-out'] as const) {
      const batch = divided[part];
      if (batch) yield { part, batch };
    }
  }
}
