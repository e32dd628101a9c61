/**
 * Hides tokens for a masked language model: 15 % of a chunk's own tokens, at least one, drawn with a seed.
 *
 * Source: BERT (Devlin et al., arXiv 1810.04805, section 3.1) for the share; every chosen token is replaced by the mask
 * token, as at scoring time there is nothing to be taught by keeping or swapping some. Special tokens stay.
 */
import type { Seeded } from '../tensor/seeded.ts';

export const MASKED_SHARE = 0.15;

export interface Hidden {
  /** Token ids with the mask in them. */
  readonly ids: Int32Array;
  /** What was there; −1 where nothing was hidden. */
  readonly truth: Int32Array;
}

/** @param body [from, to): the tokens that may be hidden */
export function hideTokens(
  ids: Int32Array,
  body: readonly [from: number, to: number],
  mask: number,
  random: Seeded,
): Hidden {
  const [from, to] = body;
  const count = Math.max(1, Math.round((to - from) * MASKED_SHARE));
  const places = Array.from({ length: to - from }, (_, k) => from + k);
  const out = ids.slice();
  const truth = new Int32Array(ids.length).fill(-1);
  for (let k = 0; k < count && k < places.length; k++) {
    const other = k + random.integer(places.length - k);
    [places[k], places[other]] = [places[other], places[k]];
    truth[places[k]] = ids[places[k]];
    out[places[k]] = mask;
  }
  return { ids: out, truth };
}
