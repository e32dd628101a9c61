/**
 * One rung on one set: from the state that a set is in to the state that it gives, with the options that do it again.
 *
 * R0c is apart: it changes the permutations, so it comes before all else and needs the scores of all pairs of the set.
 */
import type { Permutation } from '../align/permutation.ts';
import type { Pair } from '../kernels/backend.ts';
import { referencePosition } from '../merge/sets.ts';
import type { CalibrationData } from '../recover/calibration.ts';
import type { Recovered, RecoveryInput } from '../recover/method.ts';
import type { BackendRecovery } from '../recover/on-backend.ts';
import { runningMean } from '../recover/running-mean/running-mean.ts';
import { averageLayers, type LayerFfn } from '../recover/tied-ffn.ts';
import { layerOf } from '../recover/weights.ts';
import type { StageContext } from './context.ts';
import { alignPairs } from './pairs.ts';
import type { RecoverableSet, SetState } from './recover-set.ts';
import { scoreKey, termsOf } from './score-terms.ts';
import type { MergePlan, RecoveryStep } from './types.ts';

export type FittedRung = Exclude<RecoveryStep['rung'], 'R0c' | 'tune'>;

export interface RungRun {
  readonly state: SetState;
  readonly options: RecoveryStep['options'];
  /** The rung's own objective; absent for R0c. */
  readonly before?: number;
  readonly after?: number;
  readonly notes: readonly string[];
}

export interface RungControl {
  readonly signal?: AbortSignal;
  /** Whether to come to an end with the best so far. */
  readonly isOver?: () => boolean;
  readonly onStep?: RecoveryInput['onStep'];
}

/**
 * @throws RangeError where the rung does not apply, in a sentence; AbortError
 */
export async function runRung(
  rung: FittedRung,
  { methods, algebra }: BackendRecovery,
  set: RecoverableSet,
  state: SetState,
  data: CalibrationData,
  options: RecoveryStep['options'],
  control: RungControl = {},
): Promise<RungRun> {
  const { ffn } = state;
  const input = {
    ffn,
    originals: originalsOf(set, state),
    data,
    algebra,
    storable: set.storable,
    ...control,
  };
  // Options of one rung came from that rung or from its defaults.
  const method = methods[rung] as {
    recover(input: RecoveryInput, options: object): Promise<Recovered>;
  };
  const { ffn: better, before, after, notes, chosen } = await method.recover(input, options);
  return { state: { ...state, ffn: better }, options: chosen ?? options, before, after, notes };
}

/**
 * R0c: the set aligned anew to its running mean, averaged again.
 * @throws RangeError where the merge was not by permutation, or the set was recovered already
 */
export async function alignAnew(
  context: StageContext,
  plan: MergePlan,
  set: RecoverableSet,
  state: SetState,
  isFirst: boolean,
): Promise<RungRun> {
  const { group, layers } = set.stored;
  if (plan.method !== 'permute' && plan.method !== 'random') {
    throw new RangeError('Aligning to the running mean needs a merge by permutation.');
  }
  if (!isFirst) {
    throw new RangeError(
      'Aligning to the running mean averages the original weights anew, so it comes before every other rung; undo the recovery to try it.',
    );
  }
  const score = plan.score === 'best' ? 'default' : plan.score;
  const pairs = layers.flatMap((a, i) => layers.slice(i + 1).map((b): Pair => [a, b]));
  await alignPairs(context, group, pairs, score, true);
  const key = scoreKey(termsOf(score, group), group);
  const scores = new Map<string, Float32Array>();
  for (const [a, b] of pairs) scores.set(`${a}/${b}`, context.pairs.correlation(group.id, a, b, key)!);
  const { permutations, passes } = await runningMean.align({
    size: group.dFf,
    permutations: state.permutations,
    reference: referencePosition(plan.reference, layers.length),
    pairScore: async (i, j) => scores.get(`${layers[i]}/${layers[j]}`)!,
    solve: context.solve,
    ...(context.job.signal && { signal: context.job.signal }),
  });
  return {
    state: realigned(set, state, permutations),
    options: { passes },
    notes: [],
  };
}

/** The original layers, aligned. */
function originalsOf({ templates, gateHalf }: RecoverableSet, { permutations }: SetState): LayerFfn[] {
  return templates.map((t, i) => layerOf(t, permutations[i], gateHalf));
}

/** The average under other permutations. */
function realigned(
  set: RecoverableSet,
  { ffn }: SetState,
  permutations: readonly (Permutation | null)[],
): SetState {
  const aligned = { permutations, ffn };
  return { permutations, ffn: averageLayers(ffn.activation, originalsOf(set, aligned)) };
}
