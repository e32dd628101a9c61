/**
 * The terms of an alignment score as matrices [n × n]: correlations of activations, streamed over the calibration
 * split, and cosines of weights, which need no run.
 *
 * Correlations of all pairs and terms asked for are accumulated in the same runs of the model, in passes where they do
 * not fit the memory set aside. Weights are taken a pair at a time, so that a large model's are never all in memory.
 */
import { readBatch } from '../data/dataset.ts';
import { DataError } from '../data/errors.ts';
import type { Ffn, FfnGroup } from '../graph/ffn.ts';
import { type WeightRole, weightShape } from '../graph/weights.ts';
import type { Matrix, Pair } from '../kernels/backend.ts';
import type { FfnWeights } from '../merge/method.ts';
import { type Correlation, createCorrelation } from '../similarity/correlation.ts';
import { pairBytes, planPasses } from '../similarity/memory.ts';
import { innerProducts, type UnitVectors, unitVectors } from '../similarity/weight-cosine.ts';
import type { StageContext } from './context.ts';
import { toMatrix } from './features.ts';
import { ACCUMULATOR_BUDGET } from './measure.ts';
import type { ActivationTerm, WeightTerm } from './score-terms.ts';
import { paddingOn } from './side.ts';

/** One matrix to measure: rows the units of pair[0], columns those of pair[1]. */
export interface PairTerm {
  readonly pair: Pair;
  readonly term: ActivationTerm;
}

/** Cuts what is to be measured into passes over the data that fit the memory set aside. */
export function planTerms<T extends PairTerm>(
  { backend }: Pick<StageContext, 'backend'>,
  group: FfnGroup,
  items: readonly T[],
): T[][] {
  return planPasses(items, pairBytes(backend, group.dFf), ACCUMULATOR_BUDGET);
}

/**
 * Correlates in one pass over the calibration split; one job step a batch.
 * @returns a matrix [n × n] an item, in their order, and the rows that they were measured on
 * @throws DataError without calibration data
 */
export async function correlateTerms(
  { live, dataset, backend, job }: StageContext,
  group: FfnGroup,
  items: readonly PairTerm[],
): Promise<{ matrices: Float32Array[]; samples: number }> {
  if (!dataset) throw new DataError('Correlations need calibration data. Drop some under “Calibrate” first.');
  const batches = dataset.batches('calibrate', dataset.itemsPerBatch);
  const terms = [...new Set(items.map((i) => i.term))].map((term) => {
    const pairs = items.filter((i) => i.term === term).map((i) => i.pair);
    return { term, layers: [...new Set(pairs.flat())], sums: createCorrelation(backend, pairs) };
  });
  const pairs = new Set(items.map((i) => i.pair.join())).size;
  const names = new Set(terms.flatMap(({ term, layers }) => layers.map((l) => tapOf(group.ffns[l], term))));
  try {
    await live.prepare([...names], job);
    for (let b = 0; b < batches; b++) {
      const batch = await readBatch(dataset, 'calibrate', b, dataset.itemsPerBatch);
      const padding = paddingOn(live.sideOf(group), batch.padding);
      const outputs = await live.run(batch.feeds, [...names]);
      const held: Matrix[] = [];
      try {
        for (const { term, layers, sums } of terms) {
          const features = new Map<number, Matrix>();
          for (const layer of layers) {
            const tap = outputs[tapOf(group.ffns[layer], term)];
            const matrix = await toMatrix(backend, tap, group.dFf, padding);
            held.push(matrix);
            features.set(layer, matrix);
          }
          await sums.add(features, job.signal);
        }
        // A GPU reads the runtime's buffers until its queue is done with them.
        await backend.sync();
      } finally {
        backend.release(...held);
        for (const output of Object.values(outputs)) output.release();
      }
      await job.step(
        `Correlating ${pairs} pair${pairs > 1 ? 's' : ''} of layers, batch ${b + 1} of ${batches}`,
      );
    }
    const seen = new Map(terms.map((t) => [t.term, 0]));
    const matrices: Float32Array[] = [];
    for (const { term } of items) {
      const index = seen.get(term)!;
      seen.set(term, index + 1);
      matrices.push(await finished(backend, terms.find((t) => t.term === term)!.sums, index));
    }
    return { matrices, samples: terms[0]?.sums.samples ?? 0 };
  } finally {
    for (const { sums } of terms) sums.dispose();
  }
}

async function finished(
  backend: StageContext['backend'],
  sums: Correlation,
  index: number,
): Promise<Float32Array> {
  const matrix = await sums.finish(index);
  try {
    return await backend.read(matrix);
  } finally {
    backend.release(matrix);
  }
}

/** The value that a term correlates. */
function tapOf(ffn: Ffn, term: ActivationTerm): string {
  return term === 'hidden' ? ffn.hidden : term === 'gate' ? ffn.gatePreActivation! : ffn.preActivation;
}

/** Reads the weights of layers as unit vectors; the last two layers are kept, since pairs share their reference. */
export class UnitWeights {
  private readonly context: Pick<StageContext, 'live' | 'backend' | 'job'>;
  private readonly group: FfnGroup;
  private readonly read = new Map<number, Promise<FfnWeights>>();

  constructor(context: Pick<StageContext, 'live' | 'backend' | 'job'>, group: FfnGroup) {
    this.context = context;
    this.group = group;
  }

  /** Cosines between the units of two layers [n × n], in [−1, 1]; 0 for a unit whose weights are all zero. */
  async cosines([reference, layer]: Pair, term: WeightTerm): Promise<Float32Array> {
    const a = await this.vectorsOf(reference, term);
    const b = await this.vectorsOf(layer, term);
    return innerProducts(this.context.backend, a, b, this.context.job.signal);
  }

  private async vectorsOf(layer: number, term: WeightTerm): Promise<UnitVectors> {
    let weights = this.read.get(layer);
    if (weights) this.read.delete(layer);
    else weights = this.context.live.weightsOf(this.group, layer);
    this.read.set(layer, weights);
    for (const oldest of this.read.keys()) if (this.read.size > 2) this.read.delete(oldest);
    return unitVectors(partsOf(await weights, term));
  }
}

/** The matrices whose rows or columns make a unit's vector. */
function partsOf(weights: FfnWeights, term: WeightTerm) {
  const roles: WeightRole[] = term === 'output-weights' ? ['w_out'] : ['w_in', 'w_gate'];
  return roles.flatMap((role) => {
    const found = weights.get(role);
    if (!found) return [];
    const { data, rows, cols, weight } = found;
    const { unitAxis, halves } = weightShape(weight);
    const axis = unitAxis ?? 1;
    return halves === 1 ? [{ data, rows, cols, unitAxis: axis }] : cutInTwo(data, rows, cols, axis);
  });
}

/** The two matrices of a packed gate-and-up projection, which stand side by side on the axis of the units. */
function cutInTwo(data: Float32Array, rows: number, cols: number, unitAxis: 0 | 1) {
  if (unitAxis === 0) {
    const middle = data.length / 2;
    return [data.subarray(0, middle), data.subarray(middle)].map((part) => ({
      data: part,
      rows: rows / 2,
      cols,
      unitAxis,
    }));
  }
  const half = cols / 2;
  return [0, half].map((from) => {
    const part = new Float32Array(rows * half);
    for (let r = 0; r < rows; r++) part.set(data.subarray(r * cols + from, r * cols + from + half), r * half);
    return { data: part, rows, cols: half, unitAxis };
  });
}
