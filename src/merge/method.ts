/**
 * The contract of a merge method, and its registry.
 *
 * A method is a folder with one module that gives a label, says whether it needs permutations, and a pure function
 * from the weights of k FFNs to one FFN. Adding a method is adding a folder, a line here and its words for the page
 * (src/CONTRIBUTING.md goes through it).
 */

import type { Permutation } from '../align/permutation.ts';
import type { FfnWeight, WeightRole } from '../graph/ffn.ts';
import type { Backend } from '../kernels/backend.ts';
import { copyAnchor } from './copy/copy.ts';
import { permuteAndAverage } from './permute/permute.ts';
import { vanilla } from './vanilla/vanilla.ts';

/** A weight in CPU memory, in the shape that its node sees; a vector is [1 × n]. */
export interface WeightMatrix {
  readonly weight: FfnWeight;
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;
}

/** Weights of one FFN by role. */
export type FfnWeights = ReadonlyMap<WeightRole, WeightMatrix>;

export interface MergeInput {
  readonly backend: Backend;
  /** One entry a layer of the window, in execution order. */
  readonly layers: readonly FfnWeights[];
  /** Position of the reference layer among `layers`. */
  readonly reference: number;
  /** For each layer the permutation that aligns its units to the reference's; null is the identity. */
  readonly permutations: readonly (Permutation | null)[];
}

export interface MergeMethod {
  /** Its key in the registry. */
  readonly id: string;
  /** For people. */
  readonly label: string;
  readonly needsAlignment: boolean;
  /** Values of the merged FFN by role, in the shape that the nodes see. */
  merge(input: MergeInput): Promise<Map<WeightRole, Float32Array>>;
}

export const mergeMethods = {
  permute: permuteAndAverage,
  vanilla,
  copy: copyAnchor,
} as const satisfies Record<string, MergeMethod>;
