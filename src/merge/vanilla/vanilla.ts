/**
 * Control: average without alignment. Shows what the permutation is worth (arXiv 2501.06126, “vanilla”).
 */
import type { MergeMethod } from '../method.ts';
import { averageOf } from '../permute/permute.ts';

export const vanilla: MergeMethod = {
  id: 'vanilla',
  label: 'Average without permutation (vanilla)',
  needsAlignment: false,
  merge: (input) => averageOf({ ...input, permutations: input.layers.map(() => null) }),
};
