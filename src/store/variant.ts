/**
 * The worker's one current variant, kept in line with what the page shows.
 *
 * Baselines, and a search for a size, put other merges into the worker, and a merge that is cancelled may still finish
 * there unseen. So the page notes what the worker holds, forgets it while a merge runs, and before the variant is used
 * (scored, shown, saved) carries the shown plan out again where the two differ: from the worker's cache, in moments.
 */
import type { Recipe } from '../recipe/schema.ts';
import type { Tools, VariantKeeper } from './context.ts';
import { isAbort } from './jobs.ts';
import { sameMetric } from './metrics.ts';
import type { MergePlan, StudioFacts } from './types.ts';

export function createVariantKeeper({ api, set, get }: Tools): VariantKeeper {
  const holds = (held: StudioFacts['merge']['held']) => set({ merge: { ...get().merge, held } });
  /** Plans that came from a recipe. */
  const recipes = new WeakMap<MergePlan, string | Recipe>();
  const keeper: VariantKeeper = {
    async put(plan, options) {
      const recipe = recipes.get(plan);
      if (recipe !== undefined) return keeper.putRecipe(recipe, options, plan);
      holds('unknown');
      const result = await api.merge(plan, options);
      holds(plan.sets.length > 0 ? plan : null);
      return result;
    },
    async putRecipe(recipe, options, asked) {
      holds('unknown');
      try {
        const result = await api.mergeRecipe(recipe, options);
        const plan = asked ?? result.plan;
        recipes.set(plan, recipe);
        holds(plan);
        return result;
      } catch (error) {
        // The next time by the plan: its recipe may be what is wrong.
        if (asked && !isAbort(error)) recipes.delete(asked);
        throw error;
      }
    },
    remember: (asked, recipe) => void recipes.set(asked, recipe),
    async settle(options) {
      const { held, asked, method, reference, score } = get().merge;
      if (held !== asked) await keeper.put(asked ?? { sets: [], method, reference, score }, options);
    },
    async settleMetric(options) {
      const { chosen, held } = get().metric;
      if (!chosen || sameMetric(chosen, held)) return;
      await api.setMetric(chosen, options);
      set({ metric: { ...get().metric, held: chosen } });
    },
  };
  return keeper;
}
