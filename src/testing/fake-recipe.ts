/**
 * Recipes, identities and scored windows for the fake API: the real format and the real link, of models whose hash is
 * made of their name and size. Nothing is permuted. For the fake API only.
 */

import type { DataSummary, MergePlan, ModelSummary, SweepEntry } from '../pipeline/types.ts';
import { linkOf } from '../recipe/link.ts';
import { askForModel, parseRecipe, writeRecipe } from '../recipe/recipe.ts';
import type { FileIdentity, Recipe } from '../recipe/schema.ts';
import type { Identity, RecipeTexts, SweepSeed } from '../worker/api.ts';

const APP = '0.1.0';
const DATA_KEY = 'd'.repeat(64);

/** 64 hexadecimal digits that depend on the text. */
function fakeHash(text: string): string {
  let hash = 7;
  for (const letter of text) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  return hash.toString(16).padStart(8, '0').repeat(8);
}

export function fakeIdentity(model: ModelSummary | null, data: DataSummary | null): Identity {
  if (!model) throw new Error('No model is open.');
  const { fileName: name, bytes } = model;
  const files: FileIdentity[] = [{ name, bytes, sha256: fakeHash(`${name} ${bytes}`) }];
  return { files, data: data && { key: DATA_KEY, kind: data.kind, files: ['calibrate.txt'] } };
}

export function fakeRecipe(plan: MergePlan | null, identity: Identity): RecipeTexts {
  if (!plan) throw new Error('Nothing is merged, so there is no recipe yet. Merge layers first.');
  const recipe = {
    format: 'layerfold-recipe',
    version: 1,
    app: APP,
    model: { name: identity.files[0].name, files: identity.files },
    data: identity.data,
    plan,
    permutations: [],
  } as unknown as Recipe;
  return { json: writeRecipe(recipe), link: linkOf(recipe) };
}

/** The plan of a recipe for the open model. @throws as the worker does */
export function planOfRecipe(recipe: string | Recipe, { files }: Identity): MergePlan {
  const parsed = typeof recipe === 'string' ? parseRecipe(recipe) : recipe;
  const other = askForModel(parsed.model.files, files);
  if (other) throw new Error(other);
  return parsed.plan as MergePlan;
}

export function fakeSeed(
  entries: ReadonlyMap<string, SweepEntry>,
  { files, data }: Identity,
): SweepSeed | null {
  if (!data || entries.size === 0) return null;
  return {
    identity: { app: APP, model: files.map(({ sha256 }) => sha256), data: data.key, inference: 'wasm' },
    entries: [...entries].map(([key, entry]) => [key, { ...entry, damage: 0 }] as const),
  };
}
