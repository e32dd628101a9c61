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
import type { Tunings } from './tune-checkpoint.ts';
import { type OpenSet, runTuning } from './tune-run.ts';
import type { EngineSummary, MetricChoice, RecoverRequest, RecoverResult, RecoveryStep } from './types.ts';
import { releaseVariant, type Variant } from './variant.ts';

export interface RecoverTools {
  readonly context: StageContext;
  readonly scorer: Scorer;
  readonly choice: MetricChoice;
  readonly engine: EngineSummary;
  readonly taps: CalibrationTaps;
  readonly tunings: Tunings;
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

function checkRequest(
  { rungs, minutes, steps, rank, seed, tune }: RecoverRequest,
  { tied, plan }: Variant,
): void {
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
  if (!(tune.distil >= 0 && tune.distil <= 1)) {
    throw new RangeError(`The share of distillation is a number from 0 to 1; it was ${tune.distil}.`);
  }
  if (!Number.isInteger(tune.batch) || tune.batch < 0) {
    throw new RangeError(
      `Tuning needs a whole number of items a batch, 0 for its own choice; it was ${tune.batch}.`,
    );
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

/** A step that is of one set. */
type OneSetStep = RecoveryStep & { readonly rung: Exclude<RecoveryStep['rung'], 'tune'> };

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
    const open = async (k: number) =>
      sets[k] ??
      openSet(
        context.opened,
        { stored: merged.tied[k], permutations: merged.permutations[k] },
        taps,
        recovery.algebra,
      );
    const { rung } = step;
    if (rung === 'tune') {
      for (const k of sets.keys()) sets[k] = await open(k);
      const tuned = await tuneAgain(context, merged, sets as OpenSet[], step, done);
      tuned.forEach((s, k) => {
        sets[k] = s;
      });
      done.push(step);
      await job.step('Tuned');
      continue;
    }
    const { set, state } = await open(step.set);
    const run = await repeat(
      context,
      merged,
      recovery,
      taps,
      { set, state },
      { ...step, rung },
      { sets, done },
    );
    sets[step.set] = { set, state: run.state };
    done.push({ ...step, options: run.options });
    await job.step(`Recovered layers ${formatSet(stored.layers)}`);
  }
  return { variant: await recoveredVariant(context, merged, sets, done), sets };
}

/** The steps of a tuning once more, up to the one that was the best. */
async function tuneAgain(
  context: StageContext,
  merged: Variant,
  sets: readonly OpenSet[],
  { options }: RecoveryStep,
  done: readonly RecoveryStep[],
): Promise<readonly OpenSet[]> {
  const { job } = context;
  const { until } = options;
  if (!(Number.isInteger(until) && Number(until) > 0)) {
    throw new RangeError(
      `A tuning needs the step that it ends at, a whole number from 1 up; it was ${until}.`,
    );
  }
  const now = await recoveredVariant(context, merged, sets, done);
  try {
    const run = await runTuning(context, now, sets, options, {
      select: async () => 0,
      isOver: () => job.signal?.aborted === true,
      onStep: async ({ step }) => {
        job.announce(`Tuning, step ${step} of ${until}`);
        await job.breathe();
      },
    });
    job.signal?.throwIfAborted();
    return run.sets;
  } finally {
    releaseVariant(now);
  }
}

async function repeat(
  context: StageContext,
  merged: Variant,
  recovery: BackendRecovery,
  taps: CalibrationTaps,
  { set, state }: NonNullable<RecoveredSet>,
  { rung, options, refreshed, set: position }: OneSetStep,
  { sets, done }: { readonly sets: readonly RecoveredSet[]; readonly done: readonly RecoveryStep[] },
): Promise<RungRun> {
  const { signal } = context.job;
  if (rung === 'R0c') {
    const isFirst = !done.some((s) => s.set === position || s.rung === 'tune');
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
