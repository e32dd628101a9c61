/**
 * A run of recovery that fits nothing: rungs that help by fixed shares, one that does not, a falling loss that stops
 * early. It obeys its signal and keeps what it had, as the worker does. For the fake API only.
 */
import type {
  EngineSummary,
  GroupSummary,
  LayerSet,
  MergePlan,
  Metric,
  PausedTuning,
  RecoverRequest,
  RecoverResult,
  RecoveryStep,
  RungId,
  RungOutcome,
  Saving,
  SplitScores,
} from '../pipeline/types.ts';
import type { CallOptions } from '../worker/api.ts';
import { damageOf, scored } from './fake-scores.ts';

interface FakeFacts {
  readonly groups: readonly GroupSummary[];
  readonly layers: number;
  readonly metric: Metric;
  /** Milliseconds a rung takes; R6 takes four times as long. */
  readonly delay: number;
  readonly engine: EngineSummary;
  readonly savingOf: (sets: readonly LayerSet[], own: number) => Saving;
}

const LADDER: readonly RungId[] = ['R0c', 'R0b', 'R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'refresh'];

/** Report is a little worse than select, as what was not chosen on is. */
const REPORT_FACTOR = 1.03;

function bytesOfStep({ rung, options }: RecoveryStep, set: LayerSet, group: GroupSummary): number {
  const own: Partial<Record<RungId, number>> = {
    R0b: group.dModel,
    R2: 2 * group.dFf,
    R3: group.dModel,
    R4: group.dFf,
    R5: 2 * Number(options.rank) * (group.dFf + group.dModel),
  };
  return 4 * set.layers.length * (own[rung] ?? 0);
}

/** Of all own vectors and matrices; fitted again, they take the place of those before. */
export function ownBytes({ sets, recovery = [] }: MergePlan, groups: readonly GroupSummary[]): number {
  const counted = new Map<string, number>();
  for (const step of recovery) {
    const set = sets[step.set];
    const group = groups.find(({ id }) => id === set.groupId);
    if (group) counted.set(`${step.rung} ${step.set}`, bytesOfStep(step, set, group));
  }
  return [...counted.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** The tuning that a run paused, where it was of this plan. */
export function pausedIn(plan: MergePlan, last: RecoverResult | null): PausedTuning | null {
  return last?.paused && JSON.stringify(last.plan.sets) === JSON.stringify(plan.sets) ? last.paused : null;
}

/** @param keep is told the state after each rung: what a cancelled run leaves. */
export function createFakeRecovery(
  begun: MergePlan,
  request: RecoverRequest,
  facts: FakeFacts,
  keep: (result: RecoverResult) => void,
): (options: CallOptions) => Promise<RecoverResult> {
  const { groups, layers, metric, delay, engine, savingOf } = facts;
  const rungs = request.rungs === 'best' ? LADDER : request.rungs;
  const outcomes: RungOutcome[] = [];
  const scores = (plan: MergePlan): SplitScores => {
    const damage = damageOf(plan, layers);
    return {
      select: scored(metric, damage).value,
      report: scored(metric, damage * REPORT_FACTOR).value,
    };
  };
  const { original } = scored(metric, 0);
  let plan = begun;
  let paused: PausedTuning | undefined;

  const resultOf = (stopped: RecoverResult['stopped']): RecoverResult => ({
    request,
    plan,
    metric,
    outcomes: [...outcomes],
    original: { select: original, report: original },
    start: scores(begun),
    end: scores(plan),
    saving: savingOf(plan.sets, ownBytes(plan, groups)),
    stopped,
    notes: [],
    ...(paused && { paused }),
    seconds: 1.4 * outcomes.length + 0.7,
    engine,
  });
  const withRung = (rung: RungId): MergePlan => {
    const before = plan.recovery ?? [];
    const refitted = rung === 'refresh' ? [...new Set(before.map((step) => step.rung))] : [rung];
    const steps = refitted.flatMap((fitted) =>
      plan.sets.map(
        (_, set): RecoveryStep => ({
          rung: fitted as RecoveryStep['rung'],
          set,
          refreshed: rung === 'refresh' || before.some((step) => step.rung === fitted),
          options: fitted === 'R5' ? { rank: request.rank } : {},
        }),
      ),
    );
    return { ...plan, recovery: [...before, ...steps] };
  };
  const outcomeOf = (rung: RungId): RungOutcome => {
    const next = withRung(rung);
    const [before, after] = [scores(plan), scores(next)];
    const damages = [damageOf(plan, layers), damageOf(next, layers)];
    const kept = damages[1] < damages[0];
    const notes = kept ? [] : ['The select split got worse with it.'];
    const sets = plan.sets.map((set) => ({ set, kept, score: after.select, notes }));
    const bytes = ownBytes(next, groups) - ownBytes(plan, groups);
    const error = Math.max(0.0008, 0.12 * Math.abs(after.select - before.select));
    if (kept) plan = next;
    return {
      rung,
      kept,
      sets,
      before: before.select,
      score: kept ? after.select : before.select,
      standardError: error,
      report: scores(plan).report,
      addedBytes: kept ? bytes : 0,
      seconds: rung === 'R6' ? 38.2 : rung === 'R0b' ? 0.2 : 1.4,
    };
  };

  return async ({ signal, onProgress }) => {
    const pause = async (milliseconds: number) => {
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      signal?.throwIfAborted();
    };
    keep(resultOf('cancelled'));
    for (const [index, rung] of rungs.entries()) {
      const fraction = index / rungs.length;
      onProgress?.({
        fraction,
        label: `Trying ${rung}`,
        secondsLeft: ((rungs.length - index) * delay) / 1000,
      });
      if (rung === 'R6') {
        for (const set of plan.sets) {
          // Stops early where there is time for it: the loss turns at two thirds.
          const { steps } = request;
          const every = Math.max(1, Math.round(steps / 40));
          for (let step = 0; step <= 0.8 * steps; step += every) {
            const turn = Math.max(0, step / steps - 0.66);
            const ripple = 0.0015 * Math.sin(step / 7);
            const heldOut = 0.118 + 0.19 * Math.exp((-7 * step) / steps) + 0.3 * turn ** 1.4 + ripple;
            const label = `Distilling layers ${set.layers.join(', ')}, step ${step} of ${steps}`;
            onProgress?.({ fraction, label, partial: { loss: { rung, set, step, steps, heldOut } } });
            await pause(delay / 10);
          }
        }
      } else if (rung === 'tune') {
        const { steps } = request.tune;
        const every = Math.max(1, Math.round(steps / 6));
        const first = scores(plan).select;
        for (let step = 1; step <= steps; step++) {
          const gone = 1 - Math.exp((-4 * step) / steps);
          const loss = 0.21 - 0.12 * gone + 0.012 * Math.sin(step * 2.1);
          const left = { perSecond: 812, secondsLeft: ((steps - step) * delay) / 1000 };
          const look = step % every === 0 || step === steps;
          const select = look && first + (original - first) * 0.2 * gone;
          const tune = { step, steps, loss, ...left, ...(select !== false && { select }) };
          paused = { step, steps };
          keep(resultOf('cancelled'));
          onProgress?.({ fraction, label: `Tuning, step ${step} of ${steps}`, partial: { tune } });
          await pause(delay / 10);
        }
        paused = undefined;
      } else await pause(delay);
      const outcome = outcomeOf(rung);
      outcomes.push(outcome);
      keep(resultOf('cancelled'));
      onProgress?.({
        fraction: (index + 1) / rungs.length,
        label: `Tried ${rung}`,
        partial: { rung: outcome },
      });
    }
    const result = resultOf('enough');
    keep(result);
    return result;
  };
}
