/**
 * What the closed forms share: moments of a tied set's features and targets, on the part that is fitted and the part
 * that is held out, and the normalisers vᵢ = mean‖Ȳᵢ‖² that give every layer the same say.
 */
import {
  type CalibrationBatch,
  type CalibrationData,
  DEFAULT_HOLD_OUT,
  type Part,
  parts,
} from './calibration.ts';
import type { Dense, LinearAlgebra } from './linear-algebra.ts';
import { type CentredMoments, columnSums, combine, MomentSums } from './moments.ts';
import { outputOf, type TiedFfn } from './tied-ffn.ts';

export interface Collected {
  readonly fit: CentredMoments;
  /** Null where nothing is held out. */
  readonly heldOut: CentredMoments | null;
  /** Both together. */
  readonly all: CentredMoments;
}

export interface CollectOptions {
  readonly holdOut?: number;
  readonly signal?: AbortSignal;
}

/**
 * Moments of features A [T × p] and targets B [T × q] of each layer, in one reading of the data.
 * @param weights one a layer
 * @throws RangeError where the data has no rows
 */
export async function collectMoments(
  algebra: LinearAlgebra,
  data: CalibrationData,
  weights: readonly number[],
  features: (batch: CalibrationBatch, layer: number) => Promise<{ readonly a: Dense; readonly b: Dense }>,
  { holdOut = DEFAULT_HOLD_OUT, signal }: CollectOptions = {},
): Promise<Collected> {
  const sums: Partial<Record<Part, MomentSums>> = {};
  try {
    for await (const { part, batch } of parts(data, holdOut, signal)) {
      for (let layer = 0; layer < weights.length; layer++) {
        const { a, b } = await features(batch, layer);
        sums[part] ??= new MomentSums(algebra, a.cols, b.cols, weights);
        await sums[part].add(layer, a, b);
      }
    }
    if (!sums.fit) throw new RangeError('There is no calibration data to recover on.');
    const fit = await sums.fit.finish();
    const heldOut = (await sums['held-out']?.finish()) ?? null;
    return { fit, heldOut, all: heldOut ? combine(fit, heldOut) : fit };
  } finally {
    sums.fit?.release();
    sums['held-out']?.release();
  }
}

/**
 * vᵢ = mean‖Yᵢ − mean Yᵢ‖² of each layer, over all rows.
 * @throws RangeError where the data has no rows
 */
export async function outputPowers(data: CalibrationData, signal?: AbortSignal): Promise<number[]> {
  const columns: ColumnMoments[] = [];
  for await (const { batch } of parts(data, 0, signal)) {
    batch.y.forEach((y, i) => {
      columns[i] ??= new ColumnMoments(y.cols);
      columns[i].add(y);
    });
  }
  if (columns.length === 0) throw new RangeError('There is no calibration data to recover on.');
  // A sublayer that gives a constant has no power to divide by, and its bias alone is exact.
  return columns.map((c) => c.variances().reduce((s, v) => s + v, 0) || 1);
}

/**
 * Σᵢ mean‖Ŷᵢ − Yᵢ‖² / vᵢ over the rows of each part: what recovery brings down. NaN for a part without rows, and for the
 * other where one alone is asked for.
 */
export async function outputError(
  algebra: LinearAlgebra,
  ffn: TiedFfn,
  data: CalibrationData,
  powers: readonly number[],
  { holdOut = DEFAULT_HOLD_OUT, signal, only }: CollectOptions & { readonly only?: Part } = {},
): Promise<Record<Part, number>> {
  const sums = { fit: 0, 'held-out': 0 };
  const rows = { fit: 0, 'held-out': 0 };
  for await (const { part, batch } of parts(data, holdOut, signal)) {
    if (only && part !== only) continue;
    for (let i = 0; i < powers.length; i++) {
      const given = await outputOf(ffn, i, algebra, batch.x[i]);
      sums[part] += squaredDistance(given, batch.y[i]) / powers[i];
    }
    rows[part] += batch.x[0].rows;
  }
  return { fit: sums.fit / rows.fit, 'held-out': sums['held-out'] / rows['held-out'] };
}

function squaredDistance(a: Dense, b: Dense): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i] - b.data[i]) ** 2;
  return sum;
}

/** Streaming means and variances of columns, shifted by the first batch's means. */
export class ColumnMoments {
  private readonly cols: number;
  private shift: Float64Array | null = null;
  private readonly sum: Float64Array;
  private readonly squares: Float64Array;
  private rows = 0;

  constructor(cols: number) {
    this.cols = cols;
    this.sum = new Float64Array(cols);
    this.squares = new Float64Array(cols);
  }

  add(m: Dense): void {
    if (m.rows === 0) return;
    this.shift ??= columnSums(m).map((s) => s / m.rows);
    const { cols, shift, sum, squares } = this;
    for (let r = 0, i = 0; r < m.rows; r++) {
      for (let c = 0; c < cols; c++, i++) {
        const v = m.data[i] - shift[c];
        sum[c] += v;
        squares[c] += v * v;
      }
    }
    this.rows += m.rows;
  }

  means(): Float64Array {
    return this.sum.map((s, c) => s / this.rows + (this.shift?.[c] ?? 0));
  }

  /** Of the population. */
  variances(): Float64Array {
    return this.squares.map((s, c) => Math.max(0, s / this.rows - (this.sum[c] / this.rows) ** 2));
  }
}
