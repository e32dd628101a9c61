/**
 * Share links: `#recipe=` and a recipe without permutations and results, deflated, in base64url.
 *
 * Why the fragment: it is never sent to a server. A link is a stranger's: it is checked as a file is, it is
 * bounded before and after it is unpacked, and all that it can do is to fill in a plan.
 */
import { deflateSync, Inflate, strFromU8, strToU8 } from 'fflate';
import { RecipeError } from './errors.ts';
import { fromBase64, toBase64 } from './permutations.ts';
import { recipeFrom } from './recipe.ts';
import type { Recipe } from './schema.ts';

const KEY = 'recipe=';
/** Longer links are cut by some programs that pass them on. */
export const MOST_LINK_CHARACTERS = 8000;
/** Unpacked. */
const MOST_JSON_BYTES = 1 << 17;

/**
 * The fragment of a link: `#recipe=…`.
 * @throws RecipeError for a plan too long for a link
 */
export function linkOf(recipe: Recipe): string {
  const { permutations: _, results: __, ...settings } = recipe;
  const packed = toBase64(deflateSync(strToU8(JSON.stringify(settings)), { level: 9 }));
  const link = `#${KEY}${packed.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`;
  if (link.length > MOST_LINK_CHARACTERS) {
    throw new RecipeError(
      '',
      `This recipe is too long for a link: ${link.length} characters, and ${MOST_LINK_CHARACTERS} are the most. Share the recipe as a file.`,
    );
  }
  return link;
}

/**
 * The recipe that a fragment holds; null where it holds none.
 * @param hash as in `location.hash`, with or without `#`
 * @throws RecipeError with a sentence for a link that cannot be used
 */
export function recipeOfLink(hash: string): Recipe | null {
  const fragment = hash.replace(/^#/, '');
  if (!fragment.startsWith(KEY)) return null;
  const packed = fragment.slice(KEY.length);
  if (hash.length > MOST_LINK_CHARACTERS) {
    throw new RecipeError(
      '',
      `The recipe in this link is too long: ${hash.length} characters, and ${MOST_LINK_CHARACTERS} are the most. Ask for the recipe as a file.`,
    );
  }
  let value: unknown;
  try {
    if (!/^[\w-]+$/.test(packed)) throw new TypeError('not base64url');
    value = JSON.parse(strFromU8(inflated(fromBase64(packed.replaceAll('-', '+').replaceAll('_', '/'))!)));
  } catch (error) {
    if (error instanceof RecipeError) throw error;
    throw new RecipeError(
      '',
      'The recipe in this link is damaged: a part of the link may be missing. Copy the whole link, or ask for the recipe as a file.',
    );
  }
  const recipe = recipeFrom(value);
  if (recipe.permutations || recipe.results) {
    const field = recipe.permutations ? 'permutations' : 'results';
    throw new RecipeError(field, `The recipe in this link cannot be used: a link holds no “${field}”.`);
  }
  return recipe;
}

/** @throws RecipeError as soon as more comes out than a recipe can be, an Error for bytes that are not deflated or end early */
function inflated(packed: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [];
  let [size, ended] = [0, false];
  const stream = new Inflate((chunk, final) => {
    size += chunk.length;
    if (size > MOST_JSON_BYTES)
      throw new RecipeError(
        '',
        'The recipe in this link is too large when unpacked. Ask for the recipe as a file.',
      );
    chunks.push(chunk);
    ended = final;
  });
  // Little by little, so that a small link cannot unpack into much memory.
  for (let at = 0; at < packed.length; at += 256) {
    stream.push(packed.subarray(at, at + 256), at + 256 >= packed.length);
  }
  if (!ended) throw new RangeError('ended early');
  const out = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
