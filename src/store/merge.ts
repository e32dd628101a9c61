/**
 * Merging, with its method and options.
 *
 * One rule keeps the variant unambiguous. `merge.result` says what a download holds. Picks or options that were changed
 * after a merge leave it as it is, and the page says that they differ (`mergeIsStale`). Clearing every pick
 * means the original: the result goes at once, and the worker's copy before it is used again (`variant.ts`).
 */
import type { SliceContext } from './context.ts';
import { scoreValue, usesReference, usesScore } from './describe.ts';
import { nothingRecovered } from './facts.ts';
import { formatSeconds } from './format.ts';
import { withMatrices } from './see.ts';
import { sameSets } from './sets.ts';
import type { MergePlan, MergeResult, StudioActions, StudioFacts } from './types.ts';

type MergeActions = Pick<StudioActions, 'setMethod' | 'setReference' | 'setScore' | 'setSeed' | 'runMerge'>;

/** The plan of the picks and the options as they stand. */
export function pickedPlan({ picks, merge }: StudioFacts): MergePlan {
  const { method, reference, score, seed } = merge;
  return { sets: picks.sets, method, reference, score, ...(method === 'random' && { seed }) };
}

/** Equal in all that the method uses, and in how they were recovered. */
export function samePlan(a: MergePlan, b: MergePlan): boolean {
  return sameMerge(a, b) && sameRecovery(a, b);
}

export function sameRecovery(a: MergePlan, b: MergePlan): boolean {
  return JSON.stringify(a.recovery ?? []) === JSON.stringify(b.recovery ?? []);
}

/** Equal before recovery. */
function sameMerge(a: MergePlan, b: MergePlan): boolean {
  const { method } = a;
  return (
    method === b.method &&
    sameSets(a.sets, b.sets) &&
    (!usesReference(method) || a.reference === b.reference) &&
    (!usesScore(method) || scoreValue(a.score) === scoreValue(b.score)) &&
    (method !== 'random' || a.seed === b.seed)
  );
}

/** True where the merge that a download holds is not the one that is now picked; its recovery is part of neither. */
export function mergeIsStale(state: StudioFacts): boolean {
  const { asked, result } = state.merge;
  return result !== null && asked !== null && !sameMerge(asked, pickedPlan(state));
}

/** What a finished merge changes. */
export function factsOfMerge(
  state: StudioFacts,
  asked: MergePlan,
  result: MergeResult,
): Partial<StudioFacts> {
  const { similarity, merge } = state;
  return {
    merge: { ...merge, result, asked },
    similarity: { ...similarity, byGroup: withMatrices(similarity.byGroup, result.aligned) },
    recover: nothingRecovered(state),
    evaluation: null,
  };
}

/** Picks, options and merge become those of a plan that was carried out. */
export function takeOver(
  { set, get, changeSets }: SliceContext,
  asked: MergePlan,
  result: MergeResult,
): void {
  changeSets(asked.sets);
  const { merge } = get();
  const { method, reference, score, seed = merge.seed } = asked;
  set({ merge: { ...merge, method, reference, score, seed } });
  set(factsOfMerge(get(), asked, result));
}

export function createMergeActions({ set, get, jobs, fail, variant }: SliceContext): MergeActions {
  const option = (part: Partial<StudioFacts['merge']>) => set({ merge: { ...get().merge, ...part } });
  return {
    setMethod: (method) => option({ method }),
    setReference: (reference) => option({ reference }),
    setScore: (score) => option({ score }),
    setSeed: (seed) => option({ seed }),

    async runMerge() {
      const plan = pickedPlan(get());
      if (plan.sets.length === 0)
        return fail('merge', 'Nothing is picked yet: pick a window of layers on the heatmap first.');
      if (plan.seed !== undefined && !(Number.isInteger(plan.seed) && plan.seed >= 0))
        return fail('merge', 'The random seed is a whole number, 0 or more.');
      const cancelled = get().merge.result ? 'The merge before it still holds.' : 'The model is unchanged.';
      await jobs.run({ step: 'merge', label: 'Merging', cancelled }, async (options) => {
        const result = await variant.put(plan, options);
        // Picks that were cleared while it ran: the worker holds a merge that nobody asks for any more.
        if (get().picks.sets.length > 0) set(factsOfMerge(get(), plan, result));
        return { kind: 'done', text: `Merged in ${formatSeconds(result.seconds)}.` };
      });
    },
  };
}
