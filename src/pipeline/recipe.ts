/**
 * Recipes of variants: writing one, and merging by one.
 *
 * Why: a recipe carries the permutations, so that the same model gives the same file again, byte for byte, without
 * calibration data. The given permutations take the place of measured ones (`PairStore`); everything after that is
 * the way that any merge goes.
 *
 * Known limits: recovery is fitted on calibration data; its steps stand in the plan and are carried out, like those of
 * any plan, by whoever carries out plans. A recipe without permutations (from a link) is a plan like any other.
 */
import type { Dataset } from '../data/dataset.ts';
import { digestOf } from '../data/digest.ts';
import { DataError } from '../data/errors.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import { dropLayers, type GroupLayers, layerMoves } from '../merge/drop.ts';
import { firstMismatch } from '../merge/same-weights.ts';
import { referencePosition } from '../merge/sets.ts';
import { carried } from '../recipe/check.ts';
import { RecipeError } from '../recipe/errors.ts';
import { type LayerPermutation, readPermutation, storePermutation } from '../recipe/permutations.ts';
import { askForModel } from '../recipe/recipe.ts';
import {
  type DataIdentity,
  type FileIdentity,
  NAME_LENGTH,
  RECIPE_FORMAT,
  RECIPE_VERSION,
  type Recipe,
  type RecipeResults,
} from '../recipe/schema.ts';
import type { StageContext } from './context.ts';
import type { OpenedModel } from './opened.ts';
import { PairStore } from './pairs.ts';
import { type SingleScore, scoreKey, termsOf } from './score-terms.ts';
import type { EvaluationResult, MergePlan, Metric, RecoveryStep, Saving } from './types.ts';
import { buildVariant, type Evaluate, isAligned, layersOf, type Variant } from './variant.ts';

/** The recipe's plan is the pipeline's, field for field: a type error here means that one of them was changed alone. */
type Same<A, B> = [A, B] extends [B, A] ? true : never;
true satisfies Same<Recipe['plan']['method'], MergePlan['method']>;
true satisfies Same<keyof Recipe['plan'], keyof MergePlan>;
true satisfies Same<NonNullable<Recipe['plan']['recovery']>[number]['rung'], RecoveryStep['rung']>;
true satisfies Same<RecipeResults['evaluations'][number]['metric'], Metric>;

/** [reference, layer] of every aligned layer of a plan's sets. */
function alignedLayers(opened: OpenedModel, plan: MergePlan) {
  return layersOf(opened, plan.sets).flatMap(({ group, layers }) => {
    const reference = layers[referencePosition(plan.reference, layers.length)];
    return layers.filter((l) => l !== reference).map((layer) => ({ group, reference, layer }));
  });
}

/** The permutations that a merge took, of every layer but the reference of each set. */
export function permutationsOf({ plan, tied, permutations }: Variant): LayerPermutation[] {
  if (!isAligned(plan)) return [];
  return tied.flatMap(({ group, layers }, k) => {
    const reference = layers[referencePosition(plan.reference, layers.length)];
    return layers.flatMap((layer, i) => {
      const permutation = permutations[k][i];
      return permutation && layer !== reference ? [{ groupId: group.id, reference, layer, permutation }] : [];
    });
  });
}

/** What a dataset is, by contents. @param names of the files that it was made from */
export function dataIdentity(dataset: Dataset, names: readonly string[]): DataIdentity {
  const { key, kind, contextLength } = dataset;
  return {
    key,
    kind,
    ...(contextLength !== undefined && { contextLength }),
    files: names.slice(0, 1000).map((name) => carried(name, NAME_LENGTH)),
  };
}

export interface RecipeParts {
  /** Version of Layerfold. */
  readonly app: string;
  /** Of the open model (`identify`). */
  readonly files: readonly FileIdentity[];
  /** What aligned and scored the variant, where data did. */
  readonly data: DataIdentity | null;
  readonly permutations: readonly LayerPermutation[];
  readonly saving: Saving;
  readonly evaluations: readonly EvaluationResult[];
  /** Sentences. */
  readonly notes: readonly string[];
}

/** The recipe of a variant. */
export function recipeOf(
  opened: Pick<OpenedModel, 'fileName'>,
  { plan, droppedLayers }: Pick<Variant, 'plan' | 'droppedLayers'>,
  { app, files, data, permutations, saving, evaluations, notes }: RecipeParts,
): Recipe {
  const { bytesBefore, bytesAfter, parametersSaved } = saving;
  const results: RecipeResults = {
    bytesBefore,
    bytesAfter,
    parametersSaved,
    evaluations: evaluations.map(({ metric, stride, split, original, merged, standardError, samples }) => ({
      metric,
      ...(stride !== undefined && { stride }),
      split,
      original: finiteOrNull(original),
      merged: finiteOrNull(merged),
      standardError: finiteOrNull(standardError),
      samples,
    })),
    notes: [...notes],
  };
  return {
    format: RECIPE_FORMAT,
    version: RECIPE_VERSION,
    app,
    model: { name: carried(opened.fileName, 1000), files: [...files] },
    data,
    plan: structuredClone(plan) as Recipe['plan'],
    ...(droppedLayers && { droppedLayers: structuredClone(droppedLayers) as Recipe['droppedLayers'] }),
    ...(isAligned(plan) && { permutations: permutations.map(storePermutation) }),
    results,
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/**
 * Merges by a recipe. With its permutations it needs no data; from a link, it is the plan carried out anew.
 * @param files of the open model
 * @param evaluate only for `layer-drop` from a recipe that does not say which layers
 * @throws RecipeError with a sentence for another model, layers that it does not have, or permutations that do not fit;
 *   otherwise as `buildVariant`
 */
export async function mergeByRecipe(
  context: StageContext,
  recipe: Recipe,
  files: readonly FileIdentity[],
  evaluate?: Evaluate,
): Promise<Variant> {
  const { opened } = context;
  const wrongModel = askForModel(recipe.model.files, files);
  if (wrongModel) throw new RecipeError('model.files', wrongModel);
  const { plan } = recipe;
  checkPlan(opened, plan);
  if (plan.method === 'layer-drop' && recipe.droppedLayers) {
    return withoutGivenLayers(context, plan, recipe.droppedLayers);
  }
  if (!isAligned(plan) || !recipe.permutations) return buildVariant(context, plan, evaluate);
  const given = givenPermutations(opened, recipe, plan);
  const pairs = new PairStore();
  for (const { groupId, reference, layer, permutation } of given) {
    const group = opened.search.groups.find((g) => g.id === groupId)!;
    const terms = termsOf(plan.score as SingleScore, group);
    // What it was aligned by was not measured here: only the permutation is ever read.
    const pair = { terms, permutation, objective: Number.NaN, diagonalMean: Number.NaN, samples: 0 };
    pairs.set(groupId, reference, layer, scoreKey(terms, group), pair);
  }
  // `random` would draw its windows anew; the recipe's are those that were drawn.
  const method = plan.method === 'random' ? 'permute' : plan.method;
  const variant = await buildVariant({ ...context, pairs }, { ...plan, method }, evaluate);
  // Scores are cached by what a variant was built on: here the permutations, not the data that is open.
  const builtOn = `permutations ${await digestOf(
    given.map(({ permutation }) => permutation.indices),
    given.map(({ groupId, reference, layer, permutation }) => [groupId, reference, layer, permutation.size]),
  )}`;
  return { ...variant, plan, builtOn };
}

/** @throws RecipeError for groups and layers that the model does not have, sets that share a layer, or a wrong score */
function checkPlan(opened: OpenedModel, plan: MergePlan): void {
  inField('plan.sets', () => layersOf(opened, plan.sets));
  if (!isAligned(plan) || plan.score === 'best') return;
  const { score } = plan;
  inField('plan.score', () => {
    for (const { group } of layersOf(opened, plan.sets)) termsOf(score, group);
  });
}

function inField<T>(field: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RecipeError(field, `This recipe cannot be used: “${field}”: ${error.message}`);
  }
}

/** The recipe's permutations, each read and checked: one for every layer that is aligned, and no other. */
function givenPermutations(opened: OpenedModel, recipe: Recipe, plan: MergePlan): LayerPermutation[] {
  const refuse = (field: string, why: string) =>
    new RecipeError(field, `This recipe cannot be used: “${field}” ${why}.`);
  if (plan.score === 'best') {
    throw refuse('plan.score', 'is “best”, but permutations are of one score: it must say which');
  }
  const wanted = new Map<string, FfnGroup>(
    alignedLayers(opened, plan).map(({ group, reference, layer }) => [
      `${group.id}/${reference}/${layer}`,
      group,
    ]),
  );
  const given = (recipe.permutations ?? []).map((stored, at) => {
    const { groupId, reference, layer, units } = stored;
    const key = `${groupId}/${reference}/${layer}`;
    const group = wanted.get(key);
    const field = `permutations[${at}]`;
    if (!group)
      throw refuse(
        field,
        `aligns layer ${layer} to layer ${reference}, which no set of the plan does, or twice`,
      );
    wanted.delete(key);
    if (units !== group.dFf) {
      throw refuse(
        `${field}.units`,
        `is ${units}, but the FFNs of this model have ${group.dFf} hidden units`,
      );
    }
    return readPermutation(stored, at);
  });
  const [missing] = wanted.keys();
  if (missing !== undefined) {
    const [layer, reference] = missing.split('/').reverse();
    throw refuse('permutations', `has none that aligns layer ${layer} to layer ${reference}`);
  }
  return given;
}

/** Whole layers left out as a recipe says, without choosing them anew. */
async function withoutGivenLayers(
  { opened, job }: StageContext,
  plan: MergePlan,
  given: NonNullable<Recipe['droppedLayers']>,
): Promise<Variant> {
  const dropped = given
    .filter(({ layers }) => layers.length > 0)
    .map(({ groupId, layers }, at): GroupLayers => {
      const field = `droppedLayers[${at}]`;
      const group = opened.search.groups.find((g) => g.id === groupId);
      const last = layers.at(-1)!;
      if (!group || last >= group.ffns.length) {
        const why = group
          ? `names layer ${last}, but the group has the layers 0–${group.ffns.length - 1}`
          : `names the group “${groupId}”, which this model does not have`;
        throw new RecipeError(field, `This recipe cannot be used: “${field}” ${why}.`);
      }
      return { group, layers };
    });
  await job.check();
  const ffns = dropped.flatMap(({ group, layers }) => layers.map((l) => group.ffns[l]));
  const wrong = await firstMismatch(opened.views, ffns);
  if (wrong) {
    throw new DataError(
      `${wrong.ffn.label} is not the same in all files that are open, so it cannot be left out of them alike. Drop files that were exported together.`,
    );
  }
  const { files, replaced } = inField('droppedLayers', () => ({
    files: dropLayers(opened.views, dropped),
    replaced: layerMoves(opened.search, dropped),
  }));
  const droppedLayers = dropped.map(({ group, layers }) => ({ groupId: group.id, layers }));
  return { plan, tied: [], permutations: [], files, changes: { replaced }, builtOn: '', droppedLayers };
}
