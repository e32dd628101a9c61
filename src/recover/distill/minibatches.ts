/**
 * Seeded random minibatches of calibration rows.
 *
 * Rows of the fitted part fill a pool of bounded memory; minibatches are drawn from it without replacement, and all
 * layers of a minibatch are of the same rows. Where the whole data fits, it is read once and shuffled anew each
 * epoch; else the pool is refilled from where reading stopped, and from the start after the end.
 */
import { createSeeded, type Seeded, shuffled } from '../../tensor/seeded.ts';
import { type CalibrationBatch, type CalibrationData, cut, parts } from '../calibration.ts';
import type { Dense } from '../linear-algebra.ts';

export interface MinibatchOptions {
  /** Rows of a minibatch; all rows where there are fewer. */
  readonly rows: number;
  readonly holdOut: number;
  readonly seed: number;
  /** Rows held in memory. */
  readonly poolRows: number;
  readonly signal?: AbortSignal;
}

export class Minibatches {
  private readonly data: CalibrationData;
  private readonly options: MinibatchOptions;
  private readonly seeded: Seeded;
  private reader: AsyncGenerator<CalibrationBatch> | null = null;
  private pending: CalibrationBatch | null = null;
  private pool: CalibrationBatch[] = [];
  private order: Uint32Array = new Uint32Array(0);
  private next_ = 0;
  private whole = false;

  constructor(data: CalibrationData, options: MinibatchOptions) {
    this.data = data;
    this.options = options;
    this.seeded = createSeeded(options.seed);
  }

  /** @throws RangeError where there are no rows to fit on */
  async next(): Promise<CalibrationBatch> {
    const left = this.order.length - this.next_;
    if (left === 0 || left < this.options.rows) await this.restock();
    const chosen = this.order.subarray(this.next_, this.next_ + this.options.rows);
    this.next_ += chosen.length;
    return gather(this.pool, chosen);
  }

  private async restock(): Promise<void> {
    if (!this.whole) await this.fill();
    const rows = this.pool.reduce((sum, b) => sum + b.x[0].rows, 0);
    if (rows === 0) throw new RangeError('There is no calibration data to distil on.');
    this.order = shuffled(rows, this.seeded);
    this.next_ = 0;
  }

  private async fill(): Promise<void> {
    const { poolRows } = this.options;
    const fromStart = this.reader === null && this.pending === null;
    this.pool = [];
    let held = 0;
    let restarts = 0;
    while (held < poolRows) {
      const batch = this.pending ?? (await this.read());
      this.pending = null;
      if (!batch) {
        if (fromStart && restarts === 0) {
          this.whole = true;
          return;
        }
        if (restarts++ > 0) return;
        continue;
      }
      const { rows } = batch.x[0];
      const taken = Math.min(rows, poolRows - held);
      this.pool.push(cut(batch, 0, taken)!);
      held += taken;
      this.pending = cut(batch, taken, rows - taken);
    }
  }

  /** The next batch of fitted rows; null at the end, after which reading starts anew. */
  private async read(): Promise<CalibrationBatch | null> {
    this.reader ??= fitted(this.data, this.options);
    const { value, done } = await this.reader.next();
    if (!done) return value;
    this.reader = null;
    return null;
  }
}

async function* fitted(
  data: CalibrationData,
  { holdOut, signal }: MinibatchOptions,
): AsyncGenerator<CalibrationBatch> {
  for await (const { part, batch } of parts(data, holdOut, signal)) if (part === 'fit') yield batch;
}

/** Rows of several batches, counted through, as one. */
export function gather(batches: readonly CalibrationBatch[], rows: Uint32Array): CalibrationBatch {
  const starts: number[] = [];
  let count = 0;
  for (const { x } of batches) {
    starts.push(count);
    count += x[0].rows;
  }
  const places = Array.from(rows, (row) => {
    let b = starts.length - 1;
    while (starts[b] > row) b--;
    return [b, row - starts[b]] as const;
  });
  const collect = (pick: (batch: CalibrationBatch) => Dense): Dense => {
    const { cols } = pick(batches[0]);
    const data = new Float32Array(rows.length * cols);
    places.forEach(([b, row], at) => {
      data.set(pick(batches[b]).data.subarray(row * cols, (row + 1) * cols), at * cols);
    });
    return { rows: rows.length, cols, data };
  };
  const [{ x, y }] = batches;
  return {
    x: x.map((_, i) => collect((b) => b.x[i])),
    y: y.map((_, i) => collect((b) => b.y[i])),
  };
}

/** Up to `most` rows of the held-out part; null where nothing is held out. */
export async function heldOutRows(
  data: CalibrationData,
  holdOut: number,
  most: number,
  signal?: AbortSignal,
): Promise<CalibrationBatch | null> {
  const batches: CalibrationBatch[] = [];
  let held = 0;
  for await (const { part, batch } of parts(data, holdOut, signal)) {
    if (part !== 'held-out') continue;
    const taken = Math.min(batch.x[0].rows, most - held);
    batches.push(cut(batch, 0, taken)!);
    held += taken;
    if (held >= most) break;
  }
  if (held === 0) return null;
  return gather(
    batches,
    Uint32Array.from({ length: held }, (_, i) => i),
  );
}
