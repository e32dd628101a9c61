/**
 * Recipes on the page: saving one, a link to share, carrying one out, and a recipe that asks for a model.
 *
 * A recipe of a link or a file is a stranger's: it is checked before a word of it is shown, it is shown as text, and
 * nothing happens by itself; what it can do is to fill in a plan. Checking it takes the schema, which is loaded when
 * the first recipe comes. A recipe that waits for its model is kept here; the page's facts only tell of it.
 */
import type { Recipe } from '../recipe/schema.ts';
import { knownScores, recallScore } from './compare.ts';
import type { SliceContext } from './context.ts';
import { describePlan, withLayers } from './describe.ts';
import { saveBlob } from './download.ts';
import { recipeName } from './formats.ts';
import { isAbort, sentenceOf } from './jobs.ts';
import { takeOver } from './merge.ts';
import type { AskingRecipe, MergePlan, Step, StudioActions } from './types.ts';

type RecipeActions = Pick<
  StudioActions,
  'saveRecipe' | 'shareRecipe' | 'loadRecipe' | 'takeLink' | 'applyRecipe' | 'forgetRecipe'
>;

/** Enough of a file to tell a recipe from any other JSON. */
const HEAD_BYTES = 4096;

/** Characters that are shown of a plan that is not trusted. */
const MOST_WORDS = 300;

const TOO_LONG = 'This recipe is too long for a link. Save it as a file and share that.';

/** Whether a dropped file says that it is a recipe. */
export async function isRecipeFile(file: File): Promise<boolean> {
  if (!/\.json$/i.test(file.name)) return false;
  return /"format"\s*:\s*"layerfold-recipe"/.test(await file.slice(0, HEAD_BYTES).text());
}

function askingOf({ model, plan }: Recipe, from: AskingRecipe['from']): AskingRecipe {
  const files = model.files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }));
  const what = withLayers(describePlan(plan as MergePlan));
  return { from, files, what: what.length > MOST_WORDS ? `${what.slice(0, MOST_WORDS)}…` : what };
}

export function createRecipeActions(context: SliceContext): RecipeActions {
  const { api, files, set, get, jobs, fail, variant } = context;
  let waiting: string | Recipe | null = null;

  const ask = (recipe: string | Recipe | null, asking: AskingRecipe | null) => {
    waiting = recipe;
    set({ recipe: { ...get().recipe, asking } });
  };

  const carryOut = async (recipe: string | Recipe, step: Step): Promise<boolean> => {
    let done = false;
    const cancelled = get().merge.result ? 'The merge before it still holds.' : 'The model is unchanged.';
    await jobs.run({ step, label: 'Merging by the recipe', cancelled }, async (options) => {
      const { plan: asked, ...rest } = await variant.putRecipe(recipe, options);
      const result = { ...rest, plan: asked };
      takeOver(context, asked, result);
      recallScore(context);
      done = true;
      const text = `Merged by the recipe: ${describePlan(asked, result.droppedLayers, get().model?.groups)}.`;
      return { kind: 'done', text };
    });
    return done;
  };

  return {
    async saveRecipe() {
      const { model, merge } = get();
      const { result } = merge;
      if (!model || !result) return fail('download', NO_RECIPE);
      const name = recipeName(model, result.plan);
      const cancelled = 'Nothing was saved.';
      await jobs.run({ step: 'download', label: 'Writing the recipe', cancelled }, async (options) => {
        const place = await files.choosePlace(name);
        await variant.settle(options);
        const { json } = await api.recipe(knownScores(get()), options);
        return saveBlob(files, place, new Blob([json], { type: 'application/json' }), name, options);
      });
    },

    async shareRecipe() {
      const { result } = get().merge;
      if (!result) return fail('download', NO_RECIPE);
      const cancelled = 'No link was made.';
      await jobs.run({ step: 'download', label: 'Making the link', cancelled }, async (options) => {
        await variant.settle(options);
        const { link } = await api.recipe([], options);
        if (link === null) throw new Error(TOO_LONG);
        const text = files.pageAddress() + link;
        set({ recipe: { ...get().recipe, link: { of: result, text } } });
        const copied = await files.copyText(text);
        return { kind: 'done', text: copied ? 'The link is copied.' : 'The link is ready to be copied.' };
      });
    },

    async loadRecipe(file) {
      const text = await file.text().catch(() => null);
      if (text === null) return fail('download', `“${file.name}” cannot be read: choose it again.`);
      if (get().model) {
        await carryOut(text, 'download');
        return;
      }
      try {
        const { parseRecipe } = await import('../recipe/recipe.ts');
        ask(text, askingOf(parseRecipe(text), 'file'));
      } catch (error) {
        fail('open', sentenceOf(error));
      }
    },

    async takeLink(hash) {
      if (!/^#?recipe=/.test(hash)) return;
      try {
        const { recipeOfLink } = await import('../recipe/link.ts');
        const recipe = recipeOfLink(hash);
        if (recipe) ask(recipe, askingOf(recipe, 'link'));
      } catch (error) {
        if (!isAbort(error)) fail('open', sentenceOf(error));
      }
    },

    async applyRecipe() {
      if (waiting !== null && (await carryOut(waiting, 'open'))) ask(null, null);
    },

    forgetRecipe: () => ask(null, null),
  };
}

const NO_RECIPE = 'Nothing is merged, so there is no recipe yet: merge layers first.';
