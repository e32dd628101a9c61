/**
 * Several small groups instead of one window: the interval programme, and its best proposals scored whole.
 *
 * Why: k layers tied save k − 1 copies, so four pairs save what one window of five does, and lose less (method.md,
 * R0a and trials). Windows of up to `MEASURED` layers are merged and scored on the select split, wider ones are
 * estimated from those; a dynamic programme finds the sets of disjoint windows with the smallest total, and the ten
 * best of them are merged as a whole and scored, because damages do not simply add up.
 */
import { damage, higherIsBetter } from '../evaluate/metric.ts';
import { bestPartitions, extrapolateCosts } from '../merge/interval-plan.ts';
import type { StageContext } from './context.ts';
import { groupOf, type OpenedModel } from './opened.ts';
import { applySteps } from './recover.ts';
import type { CalibrationTaps } from './recover-data.ts';
import { type Recoveries, tapsOf } from './recoveries.ts';
import type { Scorer } from './scoring.ts';
import { type SweepCache, sweepWindows, variantKey, windowPlan } from './sweep.ts';
import type {
  LayerSet,
  MergePlan,
  MetricChoice,
  PlanCandidate,
  PlanRequest,
  PlanResult,
  RecoveryStep,
} from './types.ts';
import { buildVariant, layersOf, releaseVariant, savingOf, type Variant } from './variant.ts';

/** Widest window that is measured rather than estimated. */
const MEASURED = 4;
/** Proposals that are scored whole (the evaluation issue's number). */
const SCORED = 10;

/**
 * @throws RangeError where the group cannot give up that many FFNs, or a size is out of reach
 */
export async function planGroups(
  context: StageContext,
  scorer: Scorer,
  request: PlanRequest,
  choice: MetricChoice,
  cache: SweepCache,
  recoveries: Recoveries,
): Promise<PlanResult> {
  const { opened, job } = context;
  const group = groupOf(opened, request.groupId);
  const layers = group.ffns.length;
  const removed = removedFor(opened, request, layers);
  const { groupId, method, reference, score } = request;
  const widest = Math.min(MEASURED, removed + 1, layers);
  const widths = Array.from({ length: widest - 1 }, (_, k) => k + 2);
  const sweepJob = job.part(request.recover ? 0.5 : 0.8);
  const sweep = await sweepWindows(
    { ...context, job: sweepJob },
    scorer,
    { groupId, widths, method, reference, score },
    choice,
    cache,
    () => [],
  );
  const measured = new Map(sweep.entries.map((e) => [`${e.first}-${e.last}`, e.damage]));
  const { cost, rule } = extrapolateCosts(measured, layers, widths);
  const proposals = bestPartitions(layers, removed, cost, SCORED);
  const scoring = job.part(request.recover ? 0.5 : 0.2);
  scoring.expect(proposals.length);
  const candidates: PlanCandidate[] = [];
  const proposed = proposals.map(({ windows, cost: estimate }) => ({
    sets: windows.flatMap(({ first, last }) => windowPlan(request, first, last).sets),
    estimate,
  }));
  const taps = request.recover ? tapsOf(context) : undefined;
  const used = new Set(proposed.flatMap(({ sets }) => sets.flatMap((s) => s.layers)));
  await taps?.prepare([{ group, layers: [...used].sort((a, b) => a - b) }]);
  for (const { sets, estimate } of proposed) {
    const plan: MergePlan = { sets, method, reference, score };
    const whole = await scoreWhole(context, scorer, plan, choice, taps && { taps, recoveries });
    candidates.push({ sets, estimate, ...whole });
    await scoring.step(`Scored proposal ${candidates.length} of ${proposals.length}`);
  }
  const sign = higherIsBetter(choice.metric) ? -1 : 1;
  return {
    removed,
    metric: choice.metric,
    original: sweep.entries[0].original,
    candidates: candidates.sort((a, b) => sign * (finalValue(a) - finalValue(b))),
    rule,
    seconds: job.seconds,
  };
}

/** With recovery, where it was asked for. */
function finalValue({ value, recovered }: PlanCandidate): number {
  return recovered?.value ?? value;
}

/** @param refit to refit the down-projections too, and put what that gives on the shelf */
async function scoreWhole(
  context: StageContext,
  scorer: Scorer,
  plan: MergePlan,
  choice: MetricChoice,
  refit?: { readonly taps: CalibrationTaps; readonly recoveries: Recoveries },
): Promise<Pick<PlanCandidate, 'value' | 'bytesAfter' | 'recovered'>> {
  const quiet = context.job.quiet();
  const within = { ...context, job: quiet };
  const evaluate = scorer.evaluator(choice, quiet);
  const score = async (variant: Variant) => {
    const scored = await scorer.variant('select', choice, variantKey(variant), variant.changes, quiet);
    return { scored, value: scored.value, bytesAfter: savingOf(context.opened, variant).bytesAfter };
  };
  const variant = await buildVariant(within, plan, evaluate);
  try {
    const { scored, value, bytesAfter } = await score(variant);
    if (!refit) return { value, bytesAfter };
    const steps = variant.tied.map(
      (_, set): RecoveryStep => ({ rung: 'R3', set, refreshed: false, options: {} }),
    );
    const made = await applySteps(within, variant, steps, refit.taps);
    try {
      const better = await score(made.variant);
      const original = await scorer.original('select', choice, quiet);
      // As in the ladder: what does not help is not kept.
      const helps = damage(original, better.scored) < damage(original, scored);
      if (helps) refit.recoveries.keep(made);
      return {
        value,
        bytesAfter,
        recovered: helps
          ? { plan: made.variant.plan, value: better.value, bytesAfter: better.bytesAfter }
          : { plan: variant.plan, value, bytesAfter },
      };
    } finally {
      releaseVariant(made.variant);
    }
  } finally {
    releaseVariant(variant);
  }
}

/** FFNs to remove: as asked, or as many as bring the file to the size. */
function removedFor(opened: OpenedModel, { target, groupId }: PlanRequest, layers: number): number {
  const most = layers - 1;
  if ('removed' in target) {
    if (!Number.isInteger(target.removed) || target.removed < 1 || target.removed > most) {
      throw new RangeError(
        `${target.removed} FFNs cannot be removed: this group has ${layers}, so 1 to ${most} can be.`,
      );
    }
    return target.removed;
  }
  if (!(target.size > 0 && target.size < 1)) {
    throw new RangeError(
      `A size of ${Math.round(target.size * 100)} % of the original is not smaller. Ask for 1 to 99 % smaller.`,
    );
  }
  for (let removed = 1; removed <= most; removed++) {
    const sets: LayerSet[] = [{ groupId, layers: Array.from({ length: removed + 1 }, (_, k) => k) }];
    const { bytesAfter, bytesBefore } = savingOf(opened, { tied: layersOf(opened, sets) });
    if (bytesAfter <= target.size * bytesBefore) return removed;
  }
  const all: LayerSet[] = [{ groupId, layers: Array.from({ length: layers }, (_, k) => k) }];
  const { bytesAfter, bytesBefore } = savingOf(opened, { tied: layersOf(opened, all) });
  const reach = Math.floor(100 * (1 - bytesAfter / bytesBefore));
  throw new RangeError(
    `This file cannot become ${Math.round(100 * (1 - target.size))} % smaller by merging FFNs: with all ${layers} of the group in one it is ${reach} % smaller. Ask for at most that.`,
  );
}
