/**
 * What a run of recovery comes to: how much of the loss is back, the curves of its training, what can be undone.
 * Pure functions of the facts.
 */
import { damageOf, sameMetric } from './metrics.ts';
import type {
  BeforeRun,
  LossCurve,
  LossPoint,
  MergePlan,
  Metric,
  MetricChoice,
  PausedRun,
  RecoverRun,
  RungId,
  SplitScores,
  StudioFacts,
  TuneCurve,
  TunePoint,
} from './types.ts';

/** In the order in which they are tried; a record, so that none is forgotten. */
const RUNG_ORDER: Readonly<Record<RungId, number>> = {
  R0c: 0,
  R0b: 1,
  R1: 2,
  R2: 3,
  R3: 4,
  R4: 5,
  R5: 6,
  R6: 7,
  refresh: 8,
  tune: 9,
};

export const RUNGS = (Object.keys(RUNG_ORDER) as RungId[]).sort((a, b) => RUNG_ORDER[a] - RUNG_ORDER[b]);

export function inLadderOrder(rungs: readonly RungId[]): RungId[] {
  return RUNGS.filter((rung) => rungs.includes(rung));
}

/** Whether a run kept a rung, also where it was tried more than once (R5 is, around R3); null where it was not tried. */
export function wasKept(run: RecoverRun | null, id: RungId): boolean | null {
  const outcomes = run?.outcomes.filter(({ rung }) => rung === id) ?? [];
  return outcomes.length > 0 ? outcomes.some(({ kept }) => kept) : null;
}

/** Share of what merging lost on a split that is back; null where it lost nothing. Below 0 = more is lost. */
export function cameBack(
  metric: Metric,
  original: SplitScores,
  merged: SplitScores,
  now: SplitScores,
  split: keyof SplitScores,
): number | null {
  const damage = (scores: SplitScores) =>
    damageOf(metric, { value: scores[split], original: original[split] });
  const lost = damage(merged);
  return lost > 0 ? (lost - damage(now)) / lost : null;
}

/** The scores that the rows of a run begin from: of the merge without recovery, where they are known. */
export function mergedScores(
  before: RecoverRun | null,
  asked: MergePlan,
  metric: MetricChoice,
  start: SplitScores,
): SplitScores | null {
  if (!asked.recovery?.length) return start;
  return before && sameMetric(before.metric, metric) ? before.merged : null;
}

/** With one more point: of the last curve, or of a new one where the set changes or the steps begin again. */
export function withLoss(curves: readonly LossCurve[], point: LossPoint): LossCurve[] {
  const { rung, set, steps, step, heldOut } = point;
  const last = curves.at(-1);
  const goesOn =
    last !== undefined &&
    !last.ended &&
    last.rung === rung &&
    last.set.groupId === set.groupId &&
    last.set.layers.join() === set.layers.join() &&
    step > (last.points.at(-1)?.step ?? -1);
  if (goesOn) return [...curves.slice(0, -1), { ...last, points: [...last.points, { step, heldOut }] }];
  return [...endCurves(curves), { rung, set, steps, points: [{ step, heldOut }], ended: false }];
}

/** With one more step; steps that begin again, or go on from before, are a new curve. */
export function withTunePoint(curve: TuneCurve | null, point: TunePoint): TuneCurve {
  const goesOn = curve !== null && !curve.ended && point.step > (curve.points.at(-1)?.step ?? 0);
  return { steps: point.steps, points: [...(goesOn ? curve.points : []), point], ended: false };
}

/** What a tuning of a plan is of: the plan without the tuning that it ends with. */
export function tuningOf({ recovery = [], ...plan }: MergePlan): string {
  const before = recovery.at(-1)?.rung === 'tune' ? recovery.slice(0, -1) : recovery;
  return JSON.stringify([plan.sets, plan.method, plan.reference, plan.score, plan.seed ?? null, before]);
}

/** The tuning that can go on from what is shown. */
export function pausedHere({ recover: { paused }, merge: { result } }: StudioFacts): PausedRun | null {
  return paused && result && paused.of === tuningOf(result.plan) ? paused : null;
}

export function endCurves(curves: readonly LossCurve[]): LossCurve[] {
  return curves.map((curve) => (curve.ended ? curve : { ...curve, ended: true }));
}

/** What undo brings back: the variant before the last run, else the merge without its recovery; null = nothing to undo. */
export function undoTarget({ recover, merge }: StudioFacts): BeforeRun | null {
  const last = recover.history.at(-1);
  if (last) return last;
  if (!merge.asked?.recovery?.length || !merge.result) return null;
  const { recovery: _, ...asked } = merge.asked;
  return { asked, run: null };
}
