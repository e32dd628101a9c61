/**
 * Correlation and assignment of asked pairs of layers, cached.
 *
 * Why: a pair's n² statistics are accumulated only when somebody asks for it (a picked window, or a pair in the
 * page), all missing pairs of a request in the same runs of the model, and assignments solved side by side.
 *
 * For gated FFNs the score is the mean of the correlations of both projections' pre-activations: the paper's up
 * projection alone loses more (method.md, trials).
 */
import type { Permutation } from '../align/permutation.ts';
import { DataError } from '../data/errors.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import type { Backend, Matrix, Pair } from '../kernels/backend.ts';
import { type Correlation, createCorrelation } from '../similarity/correlation.ts';
import { pairBytes, planPasses } from '../similarity/memory.ts';
import type { StageContext } from './context.ts';
import { toMatrix } from './features.ts';
import { ACCUMULATOR_BUDGET } from './measure.ts';
import type { SimilarityMatrix } from './types.ts';

/** Solves one assignment; the composition root decides where (worker threads in the page). */
export type AssignmentSolver = (
  score: Float32Array,
  size: number,
  signal?: AbortSignal,
) => Promise<{ readonly permutation: Permutation; readonly objective: number }>;

export interface AlignedPair {
  readonly permutation: Permutation;
  readonly objective: number;
  readonly diagonalMean: number;
  readonly samples: number;
}

/** Correlation matrices kept for reading back, most recent last. */
const KEPT_CORRELATION_BYTES = 256 << 20;

export class PairStore {
  private readonly pairs = new Map<string, AlignedPair>();
  private readonly correlations = new Map<string, Float32Array>();

  get(groupId: string, reference: number, layer: number): AlignedPair | undefined {
    return this.pairs.get(`${groupId}/${reference}/${layer}`);
  }

  /** The correlation matrix of a pair, where it is still kept. */
  correlation(groupId: string, reference: number, layer: number): Float32Array | undefined {
    return this.correlations.get(`${groupId}/${reference}/${layer}`);
  }

  set(groupId: string, reference: number, layer: number, pair: AlignedPair, correlation: Float32Array): void {
    const key = `${groupId}/${reference}/${layer}`;
    this.pairs.set(key, pair);
    this.correlations.delete(key);
    this.correlations.set(key, correlation);
    let bytes = 0;
    for (const kept of this.correlations.values()) bytes += kept.byteLength;
    for (const [oldest, kept] of this.correlations) {
      if (bytes <= KEPT_CORRELATION_BYTES || oldest === key) break;
      bytes -= kept.byteLength;
      this.correlations.delete(oldest);
    }
  }

  clear(): void {
    this.pairs.clear();
    this.correlations.clear();
  }

  /** Mean aligned correlation of the measured pairs of a group; NaN elsewhere, 1 on the diagonal. */
  matrix(group: FfnGroup): SimilarityMatrix {
    const size = group.ffns.length;
    const values = new Float64Array(size * size).fill(Number.NaN);
    let samples = 0;
    for (let i = 0; i < size; i++) {
      values[i * size + i] = 1;
      for (let j = 0; j < size; j++) {
        const pair = this.get(group.id, i, j);
        if (!pair) continue;
        const mean = pair.objective / group.dFf;
        values[i * size + j] = mean;
        values[j * size + i] = mean;
        samples = pair.samples;
      }
    }
    return { kind: 'aligned', groupId: group.id, size, values, samples };
  }
}

/**
 * Makes sure that every pair (reference, layer) is in the store with its assignment, and its correlation where asked.
 * @param keep also measures again pairs whose correlation matrix is no longer kept
 */
export async function alignPairs(
  { live, dataset, backend, solve, pairs: store, job }: StageContext,
  group: FfnGroup,
  wanted: readonly Pair[],
  keep = false,
): Promise<void> {
  const missing = wanted.filter(
    ([r, j]) => r !== j && (!store.get(group.id, r, j) || (keep && !store.correlation(group.id, r, j))),
  );
  if (missing.length === 0) return;
  if (!dataset) throw new DataError('Correlations need calibration data. Drop some under “Calibrate” first.');
  const features = group.gated ? 2 : 1;
  const passes = planPasses(missing, pairBytes(backend, group.dFf) * features, ACCUMULATOR_BUDGET);
  const batches = dataset.batches('calibrate', dataset.itemsPerBatch);
  job.expect(passes.length * batches + missing.length);
  for (const pairs of passes) {
    const layers = [...new Set(pairs.flat())];
    const tapNames = (layer: number) => {
      const ffn = group.ffns[layer];
      return ffn.gatePreActivation === undefined
        ? [ffn.preActivation]
        : [ffn.preActivation, ffn.gatePreActivation];
    };
    const accumulators: Correlation[] = Array.from({ length: features }, () =>
      createCorrelation(backend, pairs),
    );
    try {
      for (let b = 0; b < batches; b++) {
        const batch = dataset.batch('calibrate', b, dataset.itemsPerBatch);
        const outputs = await live.run(batch.feeds, layers.flatMap(tapNames));
        const held: Matrix[] = [];
        try {
          for (let f = 0; f < features; f++) {
            const matrices = new Map<number, Matrix>();
            for (const layer of layers) {
              const matrix = await toMatrix(backend, outputs[tapNames(layer)[f]], group.dFf);
              held.push(matrix);
              matrices.set(layer, matrix);
            }
            await accumulators[f].add(matrices, job.signal);
          }
          await backend.sync();
        } finally {
          backend.release(...held);
          for (const output of Object.values(outputs)) output.release();
        }
        await job.step(
          `Correlating ${pairs.length} pair${pairs.length > 1 ? 's' : ''} of layers, batch ${b + 1} of ${batches}`,
        );
      }
      const samples = accumulators[0].samples;
      await Promise.all(
        pairs.map(async ([r, j], k) => {
          const score = await meanCorrelation(backend, accumulators, k);
          let diagonal = 0;
          for (let u = 0; u < group.dFf; u++) diagonal += score[u * group.dFf + u];
          const { permutation, objective } = await solve(score, group.dFf, job.signal);
          store.set(
            group.id,
            r,
            j,
            { permutation, objective, diagonalMean: diagonal / group.dFf, samples },
            score,
          );
          await job.step(`Aligned layer ${j} to layer ${r}`);
        }),
      );
    } finally {
      for (const accumulator of accumulators) accumulator.dispose();
    }
  }
}

async function meanCorrelation(
  backend: Backend,
  accumulators: readonly Correlation[],
  pair: number,
): Promise<Float32Array> {
  let sum: Float32Array | undefined;
  for (const accumulator of accumulators) {
    const matrix = await accumulator.finish(pair);
    const values = await backend.read(matrix);
    backend.release(matrix);
    if (!sum) sum = values;
    else for (let i = 0; i < sum.length; i++) sum[i] += values[i];
  }
  if (accumulators.length > 1) for (let i = 0; i < sum!.length; i++) sum![i] /= accumulators.length;
  return sum!;
}
