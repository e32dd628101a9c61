/** Scoring on the report split: the metric, the current variant, the baselines beside it, and going back to one. */
import type { JobOptions, SliceContext } from './context.ts';
import { describePlan } from './describe.ts';
import { formatSeconds } from './format.ts';
import { samePlan, takeOver } from './merge.ts';
import { choiceOf, metricPhrase, sameMetric } from './metrics.ts';
import { ffnsRemoved } from './sets.ts';
import { repeatable, scoreOf, withScore } from './tried.ts';
import type {
  EvaluationResult,
  JobUpdate,
  LayerSet,
  MergePlan,
  MetricChoice,
  StudioActions,
  StudioFacts,
  TriedVariant,
} from './types.ts';

type CompareActions = Pick<
  StudioActions,
  'setMetric' | 'setStride' | 'evaluate' | 'runBaselines' | 'useAgain'
>;

const RANDOM_SEEDS = [1, 2, 3] as const;

/** The other ways to remove as many FFNs as these sets do. */
export function baselinePlans(
  sets: readonly LayerSet[],
  { reference, score }: StudioFacts['merge'],
): MergePlan[] {
  const common = { sets, reference, score };
  return [
    { ...common, method: 'vanilla' },
    { ...common, method: 'copy' },
    ...RANDOM_SEEDS.map((seed) => ({ ...common, method: 'random' as const, seed })),
    { ...common, method: 'ffn-drop' },
    { ...common, method: 'layer-drop' },
  ];
}

/** The merge that is shown, where it was scored before. */
function triedNow({ tried, merge }: StudioFacts): TriedVariant | undefined {
  const { asked, result } = merge;
  if (!asked || !result) return undefined;
  const again = repeatable(asked, result.plan);
  return tried.find((known) => samePlan(known.asked, again));
}

/** All scores of the merge that is shown. */
export function knownScores(state: StudioFacts): readonly EvaluationResult[] {
  return triedNow(state)?.scores ?? [];
}

/** The score of the merge that is shown, where it was scored by this metric before. */
function knownEvaluation(state: StudioFacts, metric: MetricChoice) {
  const variant = triedNow(state);
  return variant ? (scoreOf(variant, metric) ?? null) : null;
}

/** Shows the score of the merge that has become the one that is shown, where it is known. */
export function recallScore({ set, get }: Pick<SliceContext, 'set' | 'get'>): void {
  const { chosen } = get().metric;
  set({ evaluation: chosen && knownEvaluation(get(), chosen) });
}

export function createCompareActions(context: SliceContext): CompareActions {
  const { api, set, get, jobs, fail, variant } = context;

  const choose = (chosen: MetricChoice) => {
    const { metric } = get();
    if (sameMetric(metric.chosen, chosen)) return;
    set({ metric: { ...metric, chosen }, evaluation: knownEvaluation(get(), chosen) });
  };
  const strideIsSound = (): boolean => {
    const { chosen } = get().metric;
    const context = get().data?.contextLength ?? Number.POSITIVE_INFINITY;
    const stride = chosen?.stride;
    if (stride === undefined || (Number.isInteger(stride) && stride >= 1 && stride < context)) return true;
    fail('compare', `The stride is a whole number of tokens, from 1 to ${context - 1}.`);
    return false;
  };
  /** Merges and scores one baseline; a part of the job's bar is its own. */
  const runBaseline = async (
    plan: MergePlan,
    name: string,
    options: JobOptions,
    from: number,
    to: number,
  ) => {
    const part = (share: number, width: number) => ({
      signal: options.signal,
      onProgress: ({ fraction, label }: JobUpdate) =>
        options.onProgress({
          fraction: from + (to - from) * (share + width * fraction),
          label: `${name}: ${label}`,
        }),
    });
    const result = await variant.put(plan, part(0, 0.5));
    const evaluation = await api.evaluate('report', part(0.5, 0.5));
    set({ tried: withScore(get().tried, plan, result, evaluation) });
  };

  return {
    async setMetric(choice) {
      choose(choice);
      if (get().job || !strideIsSound()) return;
      const cancelled = 'The worker is told the metric before the next score.';
      await jobs.run({ step: 'compare', label: 'Choosing the metric', cancelled }, async (options) => {
        await variant.settleMetric(options);
        return { kind: 'done', text: `Scores are now by ${metricPhrase(choice)}.` };
      });
    },

    setStride(stride) {
      const { chosen } = get().metric;
      if (chosen) choose({ ...chosen, stride });
    },

    async evaluate() {
      if (!strideIsSound()) return;
      const cancelled = 'Nothing was scored; the merge is kept.';
      const label = 'Scoring on the report split';
      await jobs.run({ step: 'compare', label, cancelled }, async (options) => {
        await variant.settle(options);
        await variant.settleMetric(options);
        const { result, asked } = get().merge;
        const evaluation = await api.evaluate('report', options);
        const now = get();
        if (now.merge.result !== result)
          return { kind: 'done', text: 'Scored, but the picks were cleared meanwhile: evaluate again.' };
        const shown = sameMetric(choiceOf(evaluation), now.metric.chosen) ? { evaluation } : {};
        const tried = result && asked ? withScore(now.tried, asked, result, evaluation) : now.tried;
        set({ ...shown, tried });
        return { kind: 'done', text: `Scored in ${formatSeconds(evaluation.seconds)}.` };
      });
    },

    async runBaselines() {
      const { picks, merge } = get();
      if (picks.sets.length === 0)
        return fail('compare', 'Baselines remove as many FFNs as your picks do: pick a window first.');
      if (!strideIsSound()) return;
      const plans = baselinePlans(picks.sets, merge);
      let done = 0;
      const cancelled = () =>
        `${done} of ${plans.length} baselines are scored and kept, and your own merge is as it was.`;
      await jobs.run({ step: 'compare', label: 'Running baselines', cancelled }, async (options) => {
        await variant.settleMetric(options);
        const steps = plans.length + 1;
        for (const plan of plans) {
          const name = `Baseline ${done + 1} of ${plans.length}`;
          await runBaseline(plan, name, options, done / steps, (done + 1) / steps);
          done++;
        }
        await variant.settle(options);
        const removed = ffnsRemoved(picks.sets);
        const text = `Scored ${plans.length} baselines with ${removed} ${removed === 1 ? 'FFN' : 'FFNs'} removed; your own merge is back.`;
        return { kind: 'done', text };
      });
    },

    async useAgain(id) {
      const chosen = get().tried.find((tried) => tried.id === id);
      if (!chosen) return;
      const cancelled = 'The merge before it still holds.';
      await jobs.run(
        { step: 'compare', label: `Merging variant ${id} again`, cancelled },
        async (options) => {
          const { asked } = chosen;
          const result = await variant.put(asked, options);
          takeOver(context, asked, result);
          set({ evaluation: scoreOf(chosen, get().metric.chosen) ?? null });
          return {
            kind: 'done',
            text: `Variant ${id} is merged again: ${describePlan(result.plan, result.droppedLayers, get().model?.groups)}.`,
          };
        },
      );
    },
  };
}
