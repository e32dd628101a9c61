/**
 * Tuning of a merge from end to end: the graph made, the original's outputs taken, the loop run, the sets given back.
 *
 * Why apart from `tune.ts`: the loop knows parameters and a port; this knows models and tied sets.
 *
 * Known limits: chunks of one shape, the most frequent one, are tuned on; the others are left out and counted.
 */
import { withOwnBiases, withParameters } from '../../differentiate/parameters.ts';
import { TrainingModel, type TrainingSource } from '../../differentiate/training-model.ts';
import type { TiedFfn } from '../../merge/write-back.ts';
import type { DifferentiableFactory, Parameters } from '../../runtime/differentiable.ts';
import type { SessionFactory } from '../../runtime/session.ts';
import { type CalibrationChunks, DistilledBatches, type TargetOptions } from './batches.ts';
import { type TuneControl, type TuneOptions, type TuneResult, tune } from './tune.ts';

export interface TuneSetsInput {
  readonly source: Omit<TrainingSource, 'example'>;
  readonly chunks: CalibrationChunks;
  /** Whether each layer gets its own copy of the biases that the sets tie. */
  readonly ownBiases: boolean;
  readonly targets?: Partial<TargetOptions>;
  readonly options?: Partial<TuneOptions>;
  readonly control: Omit<TuneControl, 'select'> & {
    /** Loss of a merge on the selection split: lower is better. */
    select(sets: readonly TiedFfn[], step: number): Promise<number>;
  };
}

export interface TunedSets {
  /** The best on the selection split. */
  readonly sets: readonly TiedFfn[];
  readonly result: TuneResult;
  /** Chunks that were left out, being of another shape. */
  readonly leftOut: number;
}

/**
 * @throws RangeError in a sentence where the model cannot be differentiated, data or options do not fit;
 *   RuntimeFailure, OnnxError
 */
export async function tuneSets(
  { source, chunks, ownBiases, targets, options = {}, control }: TuneSetsInput,
  sessions: SessionFactory,
  differentiables: DifferentiableFactory,
): Promise<TunedSets> {
  const { example, fitting } = await ofOneShape(chunks);
  const sets = ownBiases ? withOwnBiases(source.sets) : source.sets;
  const training = await TrainingModel.open({ ...source, sets, example }, sessions, differentiables);
  try {
    const chosen = { count: fitting.length, read: (i: number) => chunks.read(fitting[i]) };
    const batches = new DistilledBatches(training, chosen, targets);
    const start: Parameters = new Map(training.start.map((p) => [p.name, p.start]));
    const result = await tune(training.differentiable, batches, start, options, {
      ...control,
      select: (parameters, step) => control.select(withParameters(sets, parameters), step),
    });
    return {
      sets: withParameters(sets, result.parameters),
      result,
      leftOut: chunks.count - fitting.length,
    };
  } finally {
    await training.release();
  }
}

/** The chunks of the most frequent shape, and feeds of one of them. */
async function ofOneShape(chunks: CalibrationChunks) {
  type Feeds = Awaited<ReturnType<CalibrationChunks['read']>>['feeds'];
  const byShape = new Map<string, { example: Feeds; fitting: number[] }>();
  for (let i = 0; i < chunks.count; i++) {
    const { feeds } = await chunks.read(i);
    const shape = Object.entries(feeds)
      .map(([name, { dims }]) => `${name} ${dims.join('×')}`)
      .sort()
      .join();
    const known = byShape.get(shape) ?? { example: feeds, fitting: [] };
    known.fitting.push(i);
    byShape.set(shape, known);
  }
  const [most] = [...byShape.values()].sort((a, b) => b.fitting.length - a.fitting.length);
  if (!most) throw new RangeError('The calibration split holds nothing to tune on: drop more data.');
  return most;
}
