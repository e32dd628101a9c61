/**
 * Views: flat models of the same weights. The first is measured; the others are the same layers elsewhere (the other
 * branch of an If, a decoder's second file) and are edited along.
 */
import type { FlatModel } from '../flatten/types.ts';
import type { Ffn, FfnSearch } from '../graph/ffn.ts';

export interface View {
  readonly flat: FlatModel;
  readonly search: FfnSearch;
  /** This view's FFN of the same weights as one of the first view; undefined where it has none. */
  twinOf(ffn: Ffn): Ffn | undefined;
}

/** The view that is measured. */
export function firstView(flat: FlatModel, search: FfnSearch): View {
  return { flat, search, twinOf: (ffn) => ffn };
}
