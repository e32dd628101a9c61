/**
 * The alignment score “best”: a short list of sums, each merged and scored on the select split; the best is kept.
 *
 * Which terms help depends on the model (method.md, trials), so they are tried rather than guessed. The terms of all
 * sums are measured in the same runs; a sum then costs its assignments, a merge and a scoring.
 */
import type { ScoreTerm } from './types.ts';

export interface TriedScore<V> {
  readonly terms: 'default' | readonly ScoreTerm[];
  /** As the scorer gave it: lower is better. */
  readonly value: number;
  readonly variant: V;
}

/**
 * The best of several scores, and its variant.
 * @param candidates tried in this order; among equals the first is kept
 * @param build makes the variant of a score, which this function owns until it gives it out
 * @param score lower is better; NaN is never better
 * @param release frees what is not kept, also where something fails
 */
export async function resolveBestScore<V>(
  candidates: readonly ('default' | readonly ScoreTerm[])[],
  build: (terms: 'default' | readonly ScoreTerm[]) => Promise<V>,
  score: (variant: V) => Promise<number>,
  release: (variant: V) => void,
): Promise<TriedScore<V>> {
  let best: TriedScore<V> | undefined;
  try {
    for (const terms of candidates) {
      const variant = await build(terms);
      let value: number;
      try {
        value = await score(variant);
      } catch (error) {
        release(variant);
        throw error;
      }
      if (best && !(value < best.value)) {
        release(variant);
        continue;
      }
      if (best) release(best.variant);
      best = { terms, value, variant };
    }
  } catch (error) {
    if (best) release(best.variant);
    throw error;
  }
  if (!best) throw new RangeError('There is no alignment score to try.');
  return best;
}
