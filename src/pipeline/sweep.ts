/**
 * The sweep: every window of the given widths, merged and scored on the select split (arXiv 2501.06126, selection).
 *
 * All pairs that the windows need are correlated in the same runs of the model; each window is then other weights in
 * the same sessions, run from the first layer that it changes. A cancelled sweep keeps what is done: entries are told
 * as they come and stay in the cache, so that the next sweep goes on where it stopped.
 */
import { damage, higherIsBetter, pairedStandardError } from '../evaluate/metric.ts';
import { rankCorrelation } from '../evaluate/rank-correlation.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import type { Pair } from '../kernels/backend.ts';
import { mergeMethods } from '../merge/method.ts';
import { formatSet, referencePosition } from '../merge/sets.ts';
import type { StageContext } from './context.ts';
import { groupOf } from './opened.ts';
import { alignPairs } from './pairs.ts';
import type { Scorer } from './scoring.ts';
import type {
  MergePlan,
  MetricChoice,
  Prediction,
  SimilarityMatrix,
  SweepEntry,
  SweepRequest,
  SweepResult,
} from './types.ts';
import { buildVariant, layersOf, releaseVariant, savingOf, type Variant } from './variant.ts';

/** Scored windows, by what they are; survives a cancelled sweep. */
export type SweepCache = Map<string, ScoredWindow>;

/** With the damage in the metric's loss: lower is better. */
export type ScoredWindow = SweepEntry & { readonly damage: number };

/** A window as a plan. */
export function windowPlan(request: Omit<SweepRequest, 'widths'>, first: number, last: number): MergePlan {
  const { groupId, method, reference, score } = request;
  const layers = Array.from({ length: last - first + 1 }, (_, k) => first + k);
  return { sets: [{ groupId, layers }], method, reference, score };
}

/** Identifies a variant's weights: its plan as carried out, what was left out, and the data behind it. */
export function variantKey({ plan, droppedLayers, builtOn, fittedOn }: Variant): string {
  const dropped = droppedLayers?.map((d) => `${d.groupId}:${d.layers.join('.')}`).sort() ?? null;
  return JSON.stringify([planKey(plan), dropped, builtOn, fittedOn ?? null]);
}

/** Identifies what a plan asks for. */
export function planKey(plan: MergePlan): string {
  const { recovery = [] } = plan;
  const named = plan.sets.map((s) => `${s.groupId}:${s.layers.join('.')}`);
  // Steps of recovery name sets by their position.
  const sets = recovery.length > 0 ? named : named.sort();
  return JSON.stringify([
    sets,
    plan.method,
    plan.reference,
    plan.score,
    plan.seed ?? null,
    recovery.length > 0 ? recovery : null,
  ]);
}

/**
 * @param matrices gives the similarities measured by the end of the sweep
 * @throws RangeError for widths that no window of the group has
 */
export async function sweepWindows(
  context: StageContext,
  scorer: Scorer,
  request: SweepRequest,
  choice: MetricChoice,
  cache: SweepCache,
  matrices: () => readonly SimilarityMatrix[],
): Promise<Omit<SweepResult, 'entries'> & { readonly entries: readonly ScoredWindow[] }> {
  const { opened, live, job } = context;
  const group = groupOf(opened, request.groupId);
  const windows = windowsOf(group, request.widths);
  const keyOf = (w: Window) => `${JSON.stringify(choice)}|${planKey(windowPlan(request, w.first, w.last))}`;
  const original = await scorer.original('select', choice, job.part(0.05));
  const missing = windows.filter((w) => !cache.has(keyOf(w)));
  await alignAll({ ...context, job: job.part(missing.length > 0 ? 0.2 : 0) }, group, request, missing);
  const scoring = job.part(0.75);
  scoring.expect(windows.length);
  const entries: (SweepEntry & { damage: number })[] = [];
  for (const window of windows) {
    const { first, last } = window;
    const key = keyOf(window);
    const known = cache.get(key);
    let entry = known && { ...known, blockRuns: 0 };
    if (!entry) {
      const quiet = job.quiet();
      const plan = windowPlan(request, first, last);
      const before = live.blockRuns;
      const variant = await buildVariant({ ...context, job: quiet }, plan, scorer.evaluator(choice, quiet));
      try {
        const scored = await scorer.variant('select', choice, variantKey(variant), variant.changes, quiet);
        entry = {
          groupId: group.id,
          first,
          last,
          value: scored.value,
          original: original.value,
          standardError: pairedStandardError(original, scored),
          bytesAfter: savingOf(opened, variant).bytesAfter,
          blockRuns: live.blockRuns - before,
          damage: damage(original, scored),
        };
      } finally {
        releaseVariant(variant);
      }
      cache.set(key, entry);
    }
    entries.push(entry);
    const label = `Scored window ${formatSet(layersOf(opened, windowPlan(request, first, last).sets)[0].layers)}, ${entries.length} of ${windows.length}`;
    await scoring.step(label, { sweep: entry });
  }
  const sign = higherIsBetter(choice.metric) ? -1 : 1;
  return {
    request,
    metric: choice.metric,
    samples: original.samples,
    entries: [...entries].sort((a, b) => sign * (a.value - b.value)),
    predictions: predict(entries, matrices(), group.ffns.length),
    seconds: job.seconds,
    plainBlockRuns: scorer.plainBlockRuns('select', choice),
  };
}

interface Window {
  readonly first: number;
  readonly last: number;
}

function windowsOf(group: FfnGroup, widths: readonly number[]): Window[] {
  const layers = group.ffns.length;
  const windows: Window[] = [];
  for (const width of [...new Set(widths)].sort((a, b) => a - b)) {
    if (!Number.isInteger(width) || width < 2 || width > layers) {
      throw new RangeError(
        `Windows of ${width} layers are not possible here: this group has ${layers} layers, so widths go from 2 to ${layers}.`,
      );
    }
    for (let first = 0; first + width <= layers; first++) windows.push({ first, last: first + width - 1 });
  }
  return windows;
}

/** Correlates all pairs that the windows need, in the same runs of the model. */
async function alignAll(
  context: StageContext,
  group: FfnGroup,
  request: SweepRequest,
  windows: readonly Window[],
): Promise<void> {
  if (!mergeMethods[request.method].needsAlignment || request.score === 'best' || windows.length === 0)
    return;
  const pairs = new Map<string, Pair>();
  for (const { first, last } of windows) {
    const anchor = first + referencePosition(request.reference, last - first + 1);
    for (let l = first; l <= last; l++) if (l !== anchor) pairs.set(`${anchor}/${l}`, [anchor, l]);
  }
  await alignPairs(context, group, [...pairs.values()], request.score);
}

/** How well the mean similarity of a window's pairs of layers predicts the damage of merging it. */
function predict(
  entries: readonly { first: number; last: number; damage: number }[],
  matrices: readonly SimilarityMatrix[],
  size: number,
): Prediction[] {
  return matrices.map(({ kind, values }) => {
    const points = entries
      .map((e) => ({ similarity: windowMean(values, size, e.first, e.last), damage: e.damage }))
      .filter((p) => !Number.isNaN(p.similarity));
    const rho = rankCorrelation(
      points.map((p) => p.similarity),
      points.map((p) => p.damage),
    );
    return { measure: kind, rho, count: points.length };
  });
}

/** Mean over the measured pairs of a window; NaN where none is. */
function windowMean(values: Float64Array, size: number, first: number, last: number): number {
  let sum = 0;
  let count = 0;
  for (let i = first; i <= last; i++) {
    for (let j = i + 1; j <= last; j++) {
      const value = values[i * size + j];
      if (!Number.isNaN(value)) {
        sum += value;
        count++;
      }
    }
  }
  return count > 0 ? sum / count : Number.NaN;
}
