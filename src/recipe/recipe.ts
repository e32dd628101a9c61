/** Reading and writing recipe files (schema.ts says what stands in them). */
import { checked, quoted } from './check.ts';
import { RecipeError } from './errors.ts';
import { type FileIdentity, RECIPE_FORMAT, RECIPE_VERSION, type Recipe, recipeSchema } from './schema.ts';

/** Longer than any recipe: 96 layers of 30,000 units take 8 MB. */
const MOST_CHARACTERS = 64 << 20;

/** @throws RecipeError with a sentence that names the offending field and its value */
export function parseRecipe(json: string): Recipe {
  if (json.length > MOST_CHARACTERS) {
    throw new RecipeError(
      '',
      `This is not a recipe: it has ${json.length} characters, a recipe at most ${MOST_CHARACTERS}.`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new RecipeError(
      '',
      `This is not a recipe: it is not JSON (it begins with ${quoted(json.slice(0, 20))}).`,
    );
  }
  return recipeFrom(value);
}

/** The same for JSON that was parsed. @throws as `parseRecipe` */
export function recipeFrom(value: unknown): Recipe {
  const { format, version, app } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  if (format === RECIPE_FORMAT && version !== RECIPE_VERSION && typeof version === 'number') {
    const writer = typeof app === 'string' ? `, written by Layerfold ${quoted(app)}` : '';
    const advice = version > RECIPE_VERSION ? ' Reload the page to get a newer Layerfold.' : '';
    throw new RecipeError(
      'version',
      `This recipe is of version ${quoted(version)}${writer}; this page reads version ${RECIPE_VERSION}.${advice}`,
    );
  }
  const recipe = checked(recipeSchema, value, 'recipe');
  const { sets, recovery } = recipe.plan;
  recovery?.forEach(({ set }, k) => {
    if (set < sets.length) return;
    throw new RecipeError(
      `plan.recovery[${k}].set`,
      `This recipe cannot be used: “plan.recovery[${k}].set” is ${set}, but there are ${sets.length} sets, counted from 0.`,
    );
  });
  return recipe;
}

/** As a file. */
export function writeRecipe(recipe: Recipe): string {
  return `${JSON.stringify(recipe, null, 2)}\n`;
}

/** Whether two models are the same: the same contents, whatever the files are called. */
function sameFiles(a: readonly FileIdentity[], b: readonly FileIdentity[]): boolean {
  const contents = (files: readonly FileIdentity[]) =>
    files
      .map((f) => f.sha256)
      .sort()
      .join();
  return contents(a) === contents(b);
}

/**
 * What to ask for where another model is open, as a sentence; null where it is the same.
 * @param open the files of the open model
 */
export function askForModel(wanted: readonly FileIdentity[], open: readonly FileIdentity[]): string | null {
  if (sameFiles(wanted, open)) return null;
  const have = new Set(open.map((f) => f.sha256));
  const missing = wanted.filter((f) => !have.has(f.sha256));
  const [first] = missing;
  if (!first) {
    const extra = open.filter((f) => !wanted.some((w) => w.sha256 === f.sha256)).map((f) => `“${f.name}”`);
    return `This is for a model without ${extra.join(', ') || 'some of these files'}. Open the model again, without ${extra.length > 1 ? 'those files' : 'that file'}.`;
  }
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
  const named = open.find((f) => f.name === first.name);
  const instead = named
    ? ` The “${named.name}” that is open has other contents (${named.bytes} bytes, SHA-256 ${named.sha256}).`
    : '';
  return `This is for the file “${first.name}”${more} (${first.bytes} bytes, SHA-256 ${first.sha256}).${instead} Open that file first.`;
}
