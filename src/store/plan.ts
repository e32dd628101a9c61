/** The interval programme's proposals: for a number of FFNs, or for a size; and taking one of them. */
import type { JobOptions, SliceContext } from './context.ts';
import { listSets } from './describe.ts';
import { plansFileName, plansJson } from './export.ts';
import { formatBytes, formatPercent } from './format.ts';
import { pickedPlan, takeOver } from './merge.ts';
import { windowMethod, windowSettings } from './sweep.ts';
import type { PlanCandidate, PlanRequest, PlanRun, StudioActions } from './types.ts';

type PlanActions = Pick<StudioActions, 'proposePlans' | 'findBestOfSize' | 'applyPlan' | 'savePlans'>;

/** Of the file that a proposal gives, with what its recovery adds. */
export function bytesOf({ recovered, bytesAfter }: PlanCandidate): number {
  return recovered?.bytesAfter ?? bytesAfter;
}

export function createPlanActions(context: SliceContext): PlanActions {
  const { api, files, set, get, jobs, fail, variant } = context;
  const shownGroup = () => {
    const { model, view } = get();
    return model?.groups.find(({ id }) => id === view.groupId);
  };

  const ask = async (
    target: PlanRequest['target'],
    refit: boolean,
    options: JobOptions,
  ): Promise<PlanRun> => {
    await variant.settleMetric(options);
    const groupId = shownGroup()?.id ?? '';
    const request: PlanRequest = {
      groupId,
      target,
      ...windowSettings(get()),
      ...(refit && { recover: true }),
    };
    const result = await api.plan(request, options);
    const metric = get().metric.chosen ?? { metric: result.metric };
    const run: PlanRun = { request, metric, result, sized: null };
    set({ plan: run });
    return run;
  };

  return {
    async proposePlans(removed, refit = false) {
      const group = shownGroup();
      if (!group) return;
      const most = group.layers - 1;
      if (!(Number.isInteger(removed) && removed >= 1 && removed <= most))
        return fail('plan', `FFNs to remove are a whole number from 1 to ${most}.`);
      const cancelled = get().plan ? 'The proposals before it are kept.' : 'Nothing was proposed.';
      await jobs.run({ step: 'plan', label: 'Proposing groups', cancelled }, async (options) => {
        const { result } = await ask({ removed }, refit, options);
        const { length } = result.candidates;
        return { kind: 'done', text: `Scored ${length} ${length === 1 ? 'proposal' : 'proposals'} whole.` };
      });
    },

    async findBestOfSize(percent, refit = false) {
      const group = shownGroup();
      const { model } = get();
      if (!group || !model) return;
      if (!(percent > 0 && percent < 100))
        return fail('plan', 'Percent smaller is a number above 0 and below 100.');
      const limit = model.bytes * (1 - percent / 100);
      const cancelled = 'Your picks and your merge are as they were.';
      await jobs.run(
        { step: 'plan', label: 'Looking for the best of that size', cancelled },
        async (options) => {
          const run = await ask({ size: 1 - percent / 100 }, refit, options);
          const candidate = run.result.candidates.find((proposal) => bytesOf(proposal) <= limit);
          if (!candidate) {
            const most = formatPercent(((group.layers - 1) * group.bytesPerFfn) / model.bytes);
            throw new Error(
              `No merge of this group makes the file ${percent} % smaller: with one FFN for all of its layers it is about ${most} smaller. Ask for less.`,
            );
          }
          const method = windowMethod(get().merge.method);
          const picked = pickedPlan({ ...get(), merge: { ...get().merge, method } });
          const plan = candidate.recovered?.plan ?? { ...picked, sets: candidate.sets };
          const result = await variant.put(plan, options);
          const evaluation = await api.evaluate('select', options);
          takeOver(context, plan, result);
          set({ plan: { ...run, sized: { percent, candidate, evaluation } } });
          const text = `Picked and merged ${listSets(candidate.sets)}: ${formatBytes(result.saving.bytesAfter)}.`;
          return { kind: 'done', text };
        },
      );
    },

    async applyPlan(candidate) {
      const { plan, merge } = get();
      if (!plan) return;
      const { recovered } = candidate;
      if (recovered) {
        const cancelled = 'Your picks and your merge are as they were.';
        await jobs.run({ step: 'plan', label: 'Merging the proposal', cancelled }, async (options) => {
          const result = await variant.put(recovered.plan, options);
          takeOver(context, recovered.plan, result);
          const how = recovered.plan.recovery?.length
            ? 'merged and refitted'
            : 'merged; refitting did not help';
          return { kind: 'done', text: `Picked ${listSets(candidate.sets)}, ${how}.` };
        });
        return;
      }
      // As they were when it was scored: the proposal's number is what the merge will give.
      const { method, reference, score } = plan.request;
      set({ merge: { ...merge, method, reference, score } });
      context.changeSets(candidate.sets);
    },

    savePlans() {
      const { plan } = get();
      if (!plan) return;
      const blob = new Blob([plansJson(plan.result.candidates)], { type: 'application/json' });
      files.saveAsLink(blob, plansFileName(plan.request.groupId));
    },
  };
}
