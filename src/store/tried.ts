/** The evaluated merges: kept by plan, scored by metric, and as points of quality against bytes. */
import { samePlan } from './merge.ts';
import { choiceOf, sameMetric } from './metrics.ts';
import type { EvaluationResult, MergePlan, MergeResult, MetricChoice, TriedVariant } from './types.ts';

/** The score of a variant by one metric. */
export function scoreOf({ scores }: TriedVariant, metric: MetricChoice | null): EvaluationResult | undefined {
  return scores.find((score) => sameMetric(choiceOf(score), metric));
}

/** What brings a variant back: as carried out, unless its layers are drawn or chosen anew from what was asked. */
export function repeatable(asked: MergePlan, carriedOut: MergePlan): MergePlan {
  return asked.method === 'random' || asked.method === 'layer-drop'
    ? asked
    : { ...asked, score: carriedOut.score };
}

/** With one more score: of a variant that is there already, or of a new one. */
export function withScore(
  tried: readonly TriedVariant[],
  asked: MergePlan,
  { plan, saving, droppedLayers }: MergeResult,
  evaluation: EvaluationResult,
): TriedVariant[] {
  const again = repeatable(asked, plan);
  const known = tried.find((variant) => samePlan(variant.asked, again));
  if (!known) {
    const id = 1 + Math.max(0, ...tried.map((variant) => variant.id));
    const dropped = droppedLayers && { droppedLayers };
    return [...tried, { id, asked: again, plan, saving, scores: [evaluation], ...dropped }];
  }
  const others = known.scores.filter((score) => !sameMetric(choiceOf(score), choiceOf(evaluation)));
  const updated = { ...known, scores: [...others, evaluation] };
  return tried.map((variant) => (variant === known ? updated : variant));
}

export interface TriedPoint {
  readonly id: number;
  readonly bytes: number;
  readonly score: number;
}

/** The variants scored by this metric, with the original as number 0. */
export function triedPoints(tried: readonly TriedVariant[], metric: MetricChoice | null): TriedPoint[] {
  const points: TriedPoint[] = [];
  for (const variant of tried) {
    const score = scoreOf(variant, metric);
    if (!score) continue;
    if (points.length === 0) points.push({ id: 0, bytes: variant.saving.bytesBefore, score: score.original });
    points.push({ id: variant.id, bytes: variant.saving.bytesAfter, score: score.merged });
  }
  return points;
}
