/**
 * The ladder of recovery over the current variant (method.md, Recovery ladder): rung after rung, set after set, each
 * kept only where the selection split improves by it.
 *
 * Rungs see the calibration split; keeping is decided on the select split; the report split is scored after each rung
 * for people to see, and nothing is chosen by it. What was kept is told at once (`keep`), so that a cancelled run
 * loses nothing; distillation that is cancelled or out of time ends with the best that it has seen.
 *
 * Known limits: rungs are tried once in the ladder's order, so a rung that only pays together with a later one is not
 * found; a metric that compares best by chance on few samples is still believed.
 */
import { DataError } from '../data/errors.ts';
import { formatSet } from '../merge/sets.ts';
import { type BackendRecovery, recoveryOn } from '../recover/on-backend.ts';
import type { StageContext } from './context.ts';
import type { CalibrationTaps } from './recover-data.ts';
import { isAbort, Ladder } from './recover-ladder.ts';
import { alignAnew, type RungRun, runRung } from './recover-rungs.ts';
import { openSet, type RecoveredSet, recoveredVariant } from './recover-set.ts';
import { RUNG_IDS } from './recover-types.ts';
import type { Scorer } from './scoring.ts';
import type { EngineSummary, MetricChoice, RecoverRequest, RecoverResult, RecoveryStep } from './types.ts';
import { releaseVariant, type Variant } from './variant.ts';

export interface RecoverTools {
  readonly context: StageContext;
  readonly scorer: Scorer;
  readonly choice: MetricChoice;
  readonly engine: EngineSummary;
  readonly taps: CalibrationTaps;
  /** Takes a variant over as the current one; the one before it is released. */
  keep(variant: Variant, sets: readonly RecoveredSet[]): void;
  /** Told at the end, also where it was cancelled. */
  ended(result: RecoverResult): void;
}

/**
 * Recovers a merge further.
 * @param variant the current one; @param sets where recovery of its sets is, null where it has not begun
 * @throws DataError where there is nothing to recover, RangeError for a request that cannot be carried out,
 *   AbortError where cancelled: what was kept until then stays
 */
export async function recoverVariant(
  tools: RecoverTools,
  variant: Variant,
  sets: readonly RecoveredSet[],
  request: RecoverRequest,
): Promise<RecoverResult> {
  checkRequest(request, variant);
  const ladder = await Ladder.open(tools, variant, sets, request);
  try {
    for (const rung of ladder.rungs) {
      if (ladder.isOver()) break;
      await ladder.climb(rung);
    }
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
  const result = ladder.finish();
  tools.ended(result);
  tools.context.job.signal?.throwIfAborted();
  return result;
}

function checkRequest({ rungs, minutes, steps, rank, seed }: RecoverRequest, { tied, plan }: Variant): void {
  if (tied.length === 0) {
    throw new DataError(
      plan.sets.length === 0
        ? 'Nothing is merged, so there is nothing to recover. Merge layers first.'
        : 'Layers or FFNs that were left out cannot be recovered. Merge by a method that ties weights instead.',
    );
  }
  if (rungs !== 'best' && rungs.length === 0) throw new RangeError('Choose at least one rung of the ladder.');
  for (const rung of rungs === 'best' ? [] : rungs) {
    if (!RUNG_IDS.includes(rung)) throw new RangeError(`There is no rung “${rung}”.`);
  }
  if (minutes === undefined ? rungs === 'best' : !(minutes > 0 && Number.isFinite(minutes))) {
    throw new RangeError(`The time for recovery must be a number of minutes above 0; it was ${minutes}.`);
  }
  for (const [name, value] of Object.entries({ steps, rank })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`Recovery needs a whole number of ${name} from 1 up; it was ${value}.`);
    }
  }
  if (!Number.isInteger(seed) || seed < 0) {
    throw new RangeError(`The random seed is a whole number from 0 up; it was ${seed}.`);
  }
}

/** What steps made of a merge. */
export interface Replayed {
  readonly variant: Variant;
  readonly sets: readonly RecoveredSet[];
}

/**
 * Carries out steps on a merge without asking whether they help: those of a plan that is brought back, or a proposal
 * that is to be tried with them. Options that a step does not name are chosen as the rung chooses them, and are in
 * the plan of the variant that comes back.
 * @throws RangeError where a step does not apply; AbortError
 */
export async function applySteps(
  context: StageContext,
  merged: Variant,
  steps: readonly RecoveryStep[],
  taps: CalibrationTaps,
): Promise<Replayed> {
  const recovery = recoveryOn(context.backend);
  const { job } = context;
  const sets: (RecoveredSet | null)[] = merged.tied.map(() => null);
  const done: RecoveryStep[] = [];
  await taps.prepare(merged.tied);
  job.expect(steps.length);
  for (const step of steps) {
    const stored = merged.tied[step.set];
    if (!stored) {
      throw new RangeError(`The recovery names set ${step.set} of a merge that has ${merged.tied.length}.`);
    }
    const permutations = merged.permutations[step.set];
    const { set, state } =
      sets[step.set] ?? (await openSet(context.opened, { stored, permutations }, taps, recovery.algebra));
    const run = await repeat(context, merged, recovery, taps, { set, state }, step, { sets, done });
    sets[step.set] = { set, state: run.state };
    done.push({ ...step, options: run.options });
    await job.step(`Recovered layers ${formatSet(stored.layers)}`);
  }
  return { variant: await recoveredVariant(context, merged, sets, done), sets };
}

async function repeat(
  context: StageContext,
  merged: Variant,
  recovery: BackendRecovery,
  taps: CalibrationTaps,
  { set, state }: NonNullable<RecoveredSet>,
  { rung, options, refreshed, set: position }: RecoveryStep,
  { sets, done }: { readonly sets: readonly RecoveredSet[]; readonly done: readonly RecoveryStep[] },
): Promise<RungRun> {
  const { signal } = context.job;
  if (rung === 'R0c') {
    const isFirst = !done.some((s) => s.set === position);
    return alignAnew({ ...context, job: context.job.quiet() }, merged.plan, set, state, isFirst);
  }
  const control = signal ? { signal } : {};
  if (!refreshed) return runRung(rung, recovery, set, state, taps.of(set.stored), options, control);
  const now = await recoveredVariant(context, merged, sets, done);
  try {
    const data = await taps.refreshed(set.stored, now.changes);
    return await runRung(rung, recovery, set, state, data, options, control);
  } finally {
    releaseVariant(now);
  }
}
