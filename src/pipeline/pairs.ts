/**
 * Alignment of asked pairs of layers under interchangeable scores, cached.
 *
 * Why: a pair's n² statistics are accumulated only when somebody asks for it (a picked window, or a pair in the
 * page), all missing pairs and terms of a request in the same runs of the model, and assignments solved side by side.
 * Kept are the terms' matrices, so that another sum of the same terms costs an assignment and no run.
 */
import type { Permutation } from '../align/permutation.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import type { Pair } from '../kernels/backend.ts';
import type { StageContext } from './context.ts';
import {
  type ActivationTerm,
  checkData,
  defaultTerms,
  isActivationTerm,
  type ScoreKey,
  type SingleScore,
  scoreKey,
  termsOf,
} from './score-terms.ts';
import { correlateTerms, planTerms, UnitWeights } from './term-matrices.ts';
import type { AlignmentResult, ScoreTerm, SimilarityMatrix } from './types.ts';

/** Solves one assignment; the composition root decides where (worker threads in the page). */
export type AssignmentSolver = (
  score: Float32Array,
  size: number,
  signal?: AbortSignal,
) => Promise<{ readonly permutation: Permutation; readonly objective: number }>;

export interface AlignedPair {
  /** What the score was the mean of. */
  readonly terms: readonly ScoreTerm[];
  readonly permutation: Permutation;
  /** Σ_u C[u, permutation[u]] of the mean of the terms. */
  readonly objective: number;
  readonly diagonalMean: number;
  /** Calibration rows; 0 for a score of weights alone. */
  readonly samples: number;
}

/** Terms' matrices kept for reading back and for other sums, most recent last. */
const KEPT_MATRIX_BYTES = 256 << 20;
/** Pairs whose matrices are in CPU memory, to be summed and solved, at a time. */
const PAIRS_AT_ONCE = 8;

export class PairStore {
  private readonly pairs = new Map<string, AlignedPair>();
  private readonly matrices = new Map<string, { readonly data: Float32Array; readonly samples: number }>();

  /** The alignment of a pair under a score (`scoreKey`). */
  get(
    groupId: string,
    reference: number,
    layer: number,
    score: ScoreKey = 'default',
  ): AlignedPair | undefined {
    return this.pairs.get(`${groupId}/${reference}/${layer}/${score}`);
  }

  set(groupId: string, reference: number, layer: number, score: ScoreKey, pair: AlignedPair): void {
    this.pairs.set(`${groupId}/${reference}/${layer}/${score}`, pair);
  }

  /** The score matrix of an aligned pair [n × n], where its terms are still kept. Not to be written into. */
  correlation(
    groupId: string,
    reference: number,
    layer: number,
    score: ScoreKey = 'default',
  ): Float32Array | undefined {
    const terms = this.get(groupId, reference, layer, score)?.terms.map((t) =>
      this.term(groupId, reference, layer, t),
    );
    if (!terms?.every((t) => t !== undefined)) return undefined;
    return meanOf(terms.map((t) => t.data));
  }

  /** One term's matrix of a pair [n × n], where it is still kept. */
  term(
    groupId: string,
    reference: number,
    layer: number,
    term: ScoreTerm,
  ): { readonly data: Float32Array; readonly samples: number } | undefined {
    return this.matrices.get(`${groupId}/${reference}/${layer}/${term}`);
  }

  setTerm(
    groupId: string,
    reference: number,
    layer: number,
    term: ScoreTerm,
    data: Float32Array,
    samples: number,
  ): void {
    const key = `${groupId}/${reference}/${layer}/${term}`;
    this.matrices.delete(key);
    this.matrices.set(key, { data, samples });
    let bytes = 0;
    for (const kept of this.matrices.values()) bytes += kept.data.byteLength;
    for (const [oldest, kept] of this.matrices) {
      if (bytes <= KEPT_MATRIX_BYTES || oldest === key) break;
      // The terms of one pair are summed together: none of them goes before the others were read.
      if (oldest.startsWith(`${groupId}/${reference}/${layer}/`)) continue;
      bytes -= kept.data.byteLength;
      this.matrices.delete(oldest);
    }
  }

  clear(): void {
    this.pairs.clear();
    this.matrices.clear();
  }

  /** Mean aligned score of the pairs of a group that were aligned under it; NaN elsewhere, 1 on the diagonal. */
  matrix(group: FfnGroup, terms: readonly ScoreTerm[] = defaultTerms(group)): SimilarityMatrix {
    const size = group.ffns.length;
    const key = scoreKey(terms, group);
    const values = new Float64Array(size * size).fill(Number.NaN);
    let samples = 0;
    for (let i = 0; i < size; i++) {
      values[i * size + i] = 1;
      for (let j = 0; j < size; j++) {
        const pair = this.get(group.id, i, j, key);
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

/** One pair as the page shows it. @throws RangeError for layers that do not make a pair */
export async function alignmentOf(
  context: StageContext,
  group: FfnGroup,
  reference: number,
  layer: number,
): Promise<AlignmentResult> {
  checkPair(group, reference, layer);
  await alignPairs(context, group, [[reference, layer]], 'default', true);
  const { pairs } = context;
  const { permutation, objective, diagonalMean } = pairs.get(group.id, reference, layer)!;
  return {
    groupId: group.id,
    reference,
    layer,
    size: group.dFf,
    correlation: pairs.correlation(group.id, reference, layer)!,
    permutation: permutation.indices,
    objective,
    alignedMean: objective / group.dFf,
    diagonalMean,
    matrix: pairs.matrix(group),
  };
}

/** One pair that is to be aligned: the scores that are missing. */
interface Task {
  readonly pair: Pair;
  readonly scores: readonly (readonly ScoreTerm[])[];
  readonly terms: readonly ScoreTerm[];
  readonly matrices: Map<ScoreTerm, Float32Array>;
  samples: number;
}

/**
 * Makes sure that every pair (reference, layer) is in the store with its assignment under a score.
 * @param keep also measures again pairs whose score matrix is no longer kept
 * @throws RangeError for a score that this group cannot have; otherwise as `alignScores`
 */
export function alignPairs(
  context: StageContext,
  group: FfnGroup,
  wanted: readonly Pair[],
  score: SingleScore = 'default',
  keep = false,
): Promise<void> {
  return alignScores(context, group, wanted, [score], keep);
}

/**
 * The same under several scores, whose terms are measured together.
 * @throws DataError where a term needs calibration data and there is none, AbortError where cancelled: what was
 *   aligned until then stays
 */
export async function alignScores(
  context: StageContext,
  group: FfnGroup,
  wanted: readonly Pair[],
  choices: readonly SingleScore[],
  keep = false,
): Promise<void> {
  const scores = choices.map((choice) => termsOf(choice, group));
  const { pairs: store, dataset, job } = context;
  const tasks = tasksOf(store, group, wanted, keep, scores);
  if (tasks.length === 0) return;
  for (const { terms } of tasks) checkData(terms, dataset !== null);
  const passes = planTerms(
    context,
    group,
    tasks.flatMap((task) => missingTerms(task).map((term) => ({ task, pair: task.pair, term }))),
  );
  const batches = dataset?.batches('calibrate', dataset.itemsPerBatch) ?? 0;
  job.expect(passes.length * batches + tasks.reduce((n, t) => n + t.scores.length, 0));
  const weights = new UnitWeights(context, group);
  const waiting = new Set(tasks);
  const finishReady = async () => {
    const ready = [...waiting].filter((t) => missingTerms(t).length === 0);
    for (const task of ready) waiting.delete(task);
    for (let k = 0; k < ready.length; k += PAIRS_AT_ONCE) {
      await finish(context, group, ready.slice(k, k + PAIRS_AT_ONCE), weights);
    }
  };
  await finishReady();
  for (const items of passes) {
    const { matrices, samples } = await correlateTerms(context, group, items);
    items.forEach(({ task, term }, k) => {
      task.matrices.set(term, matrices[k]);
      task.samples = samples;
      store.setTerm(group.id, ...task.pair, term, matrices[k], samples);
    });
    await finishReady();
  }
}

/** Terms that are to be correlated before a pair can be aligned. */
function missingTerms({ terms, matrices }: Task): ActivationTerm[] {
  return terms.filter(isActivationTerm).filter((term) => !matrices.has(term));
}

/** Adds the terms of weights, sums and solves; the pairs' matrices are then given up here. */
async function finish(
  { pairs: store, solve, job }: StageContext,
  group: FfnGroup,
  tasks: readonly Task[],
  weights: UnitWeights,
): Promise<void> {
  const size = group.dFf;
  for (const { pair, terms, matrices } of tasks) {
    for (const term of terms) {
      if (isActivationTerm(term) || matrices.has(term)) continue;
      const cosines = await weights.cosines(pair, term);
      matrices.set(term, cosines);
      store.setTerm(group.id, ...pair, term, cosines, 0);
      await job.check();
    }
  }
  await Promise.all(
    tasks.flatMap(({ pair, scores, matrices, samples }) =>
      scores.map(async (terms) => {
        const score = meanOf(terms.map((term) => matrices.get(term)!));
        let diagonal = 0;
        for (let u = 0; u < size; u++) diagonal += score[u * size + u];
        const { permutation, objective } = await solve(score, size, job.signal);
        store.set(group.id, ...pair, scoreKey(terms, group), {
          terms,
          permutation,
          objective,
          diagonalMean: diagonal / size,
          samples: terms.some(isActivationTerm) ? samples : 0,
        });
        await job.step(`Aligned layer ${pair[1]} to layer ${pair[0]}`);
      }),
    ),
  );
  for (const { matrices } of tasks) matrices.clear();
}

function tasksOf(
  store: PairStore,
  group: FfnGroup,
  wanted: readonly Pair[],
  keep: boolean,
  scores: readonly (readonly ScoreTerm[])[],
): Task[] {
  const tasks = new Map<string, Task>();
  for (const [r, j] of wanted) {
    if (r === j || tasks.has(`${r}/${j}`)) continue;
    const missing = scores.filter((terms) => {
      const key = scoreKey(terms, group);
      return !store.get(group.id, r, j, key) || (keep && !store.correlation(group.id, r, j, key));
    });
    if (missing.length === 0) continue;
    const terms = [...new Set(missing.flat())];
    const task: Task = { pair: [r, j], scores: missing, terms, matrices: new Map(), samples: 0 };
    for (const term of terms) {
      const kept = store.term(group.id, r, j, term);
      if (!kept) continue;
      task.matrices.set(term, kept.data);
      task.samples = Math.max(task.samples, kept.samples);
    }
    tasks.set(`${r}/${j}`, task);
  }
  return [...tasks.values()];
}

/** The mean of matrices of one size; the matrix itself where there is one. */
export function meanOf(matrices: readonly Float32Array[]): Float32Array {
  if (matrices.length === 1) return matrices[0];
  const out = new Float32Array(matrices[0].length);
  for (const matrix of matrices) for (let k = 0; k < out.length; k++) out[k] += matrix[k];
  for (let k = 0; k < out.length; k++) out[k] /= matrices.length;
  return out;
}

/** @throws RangeError for layers that a group does not have, or that are one */
export function checkPair({ ffns }: FfnGroup, reference: number, layer: number): void {
  for (const l of [reference, layer]) {
    if (!Number.isInteger(l) || l < 0 || l >= ffns.length) {
      throw new RangeError(`Layer ${l} does not exist: this group has the layers 0–${ffns.length - 1}.`);
    }
  }
  if (reference === layer)
    throw new RangeError(`Layer ${layer} need not be aligned to itself. Choose two different layers.`);
}
