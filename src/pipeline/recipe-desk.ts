/**
 * Recipes as the studio gives and takes them: what the open model and its data are, the recipe of the current variant,
 * a variant by a recipe, and scored windows that outlive a reload.
 */
import type { Dataset } from '../data/dataset.ts';
import { RecipeError } from '../recipe/errors.ts';
import { linkOf } from '../recipe/link.ts';
import { parseRecipe, writeRecipe } from '../recipe/recipe.ts';
import type { DataIdentity, FileIdentity, Recipe } from '../recipe/schema.ts';
import type { StageContext } from './context.ts';
import type { DataFiles } from './data-stage.ts';
import { identify } from './identity.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';
import { dataIdentity, mergeByRecipe, permutationsOf, recipeOf } from './recipe.ts';
import type { Replayed } from './recover.ts';
import type { Recoveries } from './recoveries.ts';
import type { SweepCache } from './sweep.ts';
import { exportSweeps, importSweeps, type SweepSeed, sweepIdentity } from './sweep-seed.ts';
import type { EngineSummary, EvaluationResult } from './types.ts';
import { type Evaluate, savingOf, type Variant } from './variant.ts';

/** The version of Layerfold that recipes and scores are of. */
export const APP_VERSION = '0.1.0';

/** What is open, by contents. */
export interface Identity {
  readonly files: readonly FileIdentity[];
  readonly data: DataIdentity | null;
}

/** A recipe as a file's text, and as a link that holds settings and hashes only. */
export interface RecipeTexts {
  readonly json: string;
  /** From the `#` on; null for a plan too long for a link. */
  readonly link: string | null;
}

export async function identityOf(
  opened: OpenedModel,
  dataset: Dataset | null,
  files: DataFiles,
  job: Job,
): Promise<Identity> {
  const names = [files.texts, files.images, files.labels, files.audios, files.archives]
    .flat()
    .map((f) => f.name);
  return { files: await identify(opened, job), data: dataset && dataIdentity(dataset, names) };
}

/** @param evaluations of the variant, for people to read */
export function recipeTexts(
  opened: OpenedModel,
  variant: Variant,
  identity: Identity,
  evaluations: readonly EvaluationResult[],
): RecipeTexts {
  const recipe = recipeOf(opened, variant, {
    app: APP_VERSION,
    ...identity,
    permutations: permutationsOf(variant),
    saving: savingOf(opened, variant),
    evaluations,
    notes: [],
  });
  return { json: writeRecipe(recipe), link: linkOrNone(recipe) };
}

/** A recipe file has no such limit, so one that is too long for a link can still be saved. */
function linkOrNone(recipe: Recipe): string | null {
  try {
    return linkOf(recipe);
  } catch (error) {
    if (error instanceof RecipeError) return null;
    throw error;
  }
}

/**
 * The variant that a recipe describes; its recovery is fitted anew.
 * @param recipe a file's text, or a recipe that a link gave
 * @throws RecipeError with a sentence; otherwise as a merge and its recovery
 */
export async function carryOutRecipe(
  context: StageContext,
  recipe: string | Recipe,
  recoveries: Recoveries,
  evaluate: Evaluate | undefined,
): Promise<Replayed> {
  const parsed = typeof recipe === 'string' ? parseRecipe(recipe) : recipe;
  const files = await identify(context.opened, context.job.part(0.2));
  const merged = await mergeByRecipe(context, parsed, files, evaluate);
  return recoveries.finish(context, merged);
}

/** Scored windows, as they may be kept outside; null where nothing was scored. */
export function seedOf(sweeps: SweepCache, identity: Identity, engine: EngineSummary): SweepSeed | null {
  if (!identity.data || sweeps.size === 0) return null;
  return exportSweeps(sweeps, sweepIdentity(APP_VERSION, identity.files, identity.data.key, engine));
}

/** @returns windows taken over; 0 where they are of something else */
export function takeSeed(
  sweeps: SweepCache,
  seed: SweepSeed,
  identity: Identity,
  engine: EngineSummary,
): number {
  if (!identity.data) return 0;
  return importSweeps(sweeps, seed, sweepIdentity(APP_VERSION, identity.files, identity.data.key, engine));
}
