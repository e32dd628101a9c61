/**
 * What a step of tuning sees: micro-batches in a seeded order that any step can be found in again, and the original's
 * outputs on them as targets, computed once and kept compactly.
 */
import type { OriginalBatch, TrainingModel } from '../../differentiate/training-model.ts';
import type { LossTarget, TrainingBatch } from '../../runtime/differentiable.ts';
import type { HostTensor } from '../../runtime/session.ts';
import { createSeeded, shuffled } from '../../tensor/seeded.ts';
import { type CompactDistribution, compactDistribution, expandDistribution } from './teacher.ts';

/** Micro-batches of one shape, numbered. */
export interface TuningBatches {
  readonly count: number;
  /** The same each time that it is asked for. */
  batch(index: number): Promise<TrainingBatch>;
}

/** Calibration data of one shape. */
export interface CalibrationChunks {
  readonly count: number;
  read(index: number): Promise<{
    readonly feeds: Readonly<Record<string, HostTensor>>;
    /** 1 for rows of the output that count, 0 for padding: [N], or an entry for as many rows each; absent = all do. */
    readonly counted?: ArrayLike<number>;
    /** [N]: the class that each row is to give, −1 for none. Needed for the task's own loss. */
    readonly labels?: Int32Array;
  }>;
}

export interface TargetOptions {
  /** Share of the divergence from the original in the loss, the rest is the task's own: 1 needs no labels. */
  readonly distil: number;
  /** `distribution` for logits; `features` for outputs that are compared as they are. */
  readonly output: 'distribution' | 'features';
  /** Classes of the original's distribution that are kept of each row. */
  readonly keep: number;
  /** Memory for what the original gave; beyond it, the original runs again. */
  readonly cacheBytes: number;
}

export const DEFAULT_TARGETS: TargetOptions = {
  distil: 1,
  output: 'distribution',
  keep: 256,
  cacheBytes: 512 * 2 ** 20,
};

/** What is kept of a micro-batch. */
interface Kept {
  readonly fed: OriginalBatch['fed'];
  readonly teacher: CompactDistribution | Float32Array;
  readonly weights: Float32Array;
  readonly labels?: Int32Array;
  readonly labelled?: Float32Array;
}

/** Micro-batches with the original's outputs as targets. */
export class DistilledBatches implements TuningBatches {
  private readonly training: Pick<TrainingModel, 'originalOn' | 'plain'>;
  private readonly chunks: CalibrationChunks;
  private readonly options: TargetOptions;
  private readonly kept = new Map<number, Kept>();
  private bytes = 0;

  /** @throws RangeError where there are no chunks, or the share is not between 0 and 1 */
  constructor(
    training: Pick<TrainingModel, 'originalOn' | 'plain'>,
    chunks: CalibrationChunks,
    options: Partial<TargetOptions> = {},
  ) {
    this.training = training;
    this.chunks = chunks;
    this.options = { ...DEFAULT_TARGETS, ...options };
    const { distil } = this.options;
    if (!(distil >= 0 && distil <= 1)) {
      throw new RangeError(`The share of distillation is a number from 0 to 1; it was ${distil}.`);
    }
    if (chunks.count < 1)
      throw new RangeError('The calibration split holds nothing to tune on: drop more data.');
  }

  get count(): number {
    return this.chunks.count;
  }

  async batch(index: number): Promise<TrainingBatch> {
    const kept = this.kept.get(index) ?? (await this.make(index));
    return { fed: kept.fed, target: this.targetOf(kept) };
  }

  private async make(index: number): Promise<Kept> {
    const { feeds, counted, labels } = await this.chunks.read(index);
    const { fed, output } = await this.training.originalOn(feeds);
    const width = this.training.plain.output.dims.at(-1) ?? 1;
    const rows = output.length / width;
    const teacher =
      this.options.output === 'features' ? output : compactDistribution(output, width, this.options.keep);
    const labelled =
      labels &&
      shares(
        Uint8Array.from(labels, (c) => (c >= 0 ? 1 : 0)),
        rows,
      );
    const kept: Kept = {
      fed,
      teacher,
      weights: shares(counted, rows),
      ...(labels && labelled && { labels: labels.map((c) => Math.max(0, c)), labelled }),
    };
    const size = bytesOf(kept);
    if (this.bytes + size <= this.options.cacheBytes) {
      this.bytes += size;
      this.kept.set(index, kept);
    }
    return kept;
  }

  private targetOf({ teacher, weights, labels, labelled }: Kept): LossTarget {
    const { distil } = this.options;
    const scaled = (w: Float32Array, share: number) => (share === 1 ? w : w.map((v) => v * share));
    const own = 1 - distil;
    if (own > 0 && (!labels || !labelled)) {
      throw new RangeError(
        'This data has no labels, so the loss can only be the distance from the original.',
      );
    }
    const label = own > 0 && { label: { weights: scaled(labelled!, own), classes: labels! } };
    if (distil === 0) return { ...label };
    if (teacher instanceof Float32Array) {
      return {
        ...label,
        features: { weights: scaled(weights, distil / power(teacher, weights)), values: teacher },
      };
    }
    return {
      ...label,
      distribution: {
        weights: scaled(weights, distil),
        probabilities: expandDistribution(teacher),
        rest: teacher.rest,
      },
    };
  }
}

/** 1 / count for rows that count. @throws RangeError where the entries do not fit the rows */
function shares(counted: ArrayLike<number> | undefined, rows: number): Float32Array {
  if (!counted) return new Float32Array(rows).fill(1 / rows);
  const rowsEach = rows / counted.length;
  if (!Number.isInteger(rowsEach)) {
    throw new RangeError(
      `The output has ${rows} rows, but the data says of ${counted.length} whether they count; it cannot be tuned on.`,
    );
  }
  let count = 0;
  for (let i = 0; i < counted.length; i++) count += counted[i] * rowsEach;
  return Float32Array.from({ length: rows }, (_, i) =>
    count > 0 ? counted[Math.floor(i / rowsEach)] / count : 0,
  );
}

/** Mean square of a row's features: errors are told relative to it. */
function power(values: Float32Array, weights: Float32Array): number {
  const width = values.length / weights.length;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += weights[Math.floor(i / width)] * values[i] ** 2;
  return sum > 0 ? sum : 1;
}

function bytesOf({ fed, teacher, weights }: Kept): number {
  let bytes = 2 * weights.byteLength;
  for (const { data } of Object.values(fed)) bytes += data.byteLength;
  if (teacher instanceof Float32Array) return bytes + teacher.byteLength;
  const { classes, probabilities, rest } = teacher;
  return bytes + (classes?.byteLength ?? 0) + probabilities.byteLength + rest.byteLength;
}

/**
 * The micro-batch at a place of the endless sequence: all in a seeded order, each epoch in one of its own.
 * Any place can be asked for, so a tuning that goes on needs no state of a generator.
 */
export function batchAt(place: number, count: number, seed: number): number {
  const epoch = Math.floor(place / count);
  const seeded = createSeeded((Math.imul(seed, 0x9e3779b1) ^ Math.imul(epoch + 1, 0x85ebca6b)) >>> 0);
  return shuffled(count, seeded)[place - epoch * count];
}
