/**
 * The paper's method: permute each layer's hidden units to the reference's, then average (arXiv 2501.06126, §3).
 *
 * Rows of W_in (and W_gate) and entries of b_in follow the permutation, columns of W_out too; b_out has no hidden
 * axis and is only averaged.
 */
import { unitOrder, type WeightRole, weightShape } from '../../graph/weights.ts';
import type { MergeInput, MergeMethod } from '../method.ts';

export const permuteAndAverage: MergeMethod = {
  id: 'permute',
  label: 'Permute and average',
  needsAlignment: true,
  merge: averageOf,
};

/** Mean over the layers of each weight, hidden units gathered by the layers' permutations (null = as they are). */
export async function averageOf(input: MergeInput): Promise<Map<WeightRole, Float32Array>> {
  const { backend, layers, permutations } = input;
  const merged = new Map<WeightRole, Float32Array>();
  for (const [role, { weight, rows, cols }] of layers[0]) {
    const inputs = layers.map((layer) => {
      const { data } = layer.get(role)!;
      return backend.upload(data, rows, cols);
    });
    const { unitAxis, halves } = weightShape(weight);
    const order = permutations.map((p) => (p && unitAxis !== null ? unitOrder(p.indices, halves) : null));
    try {
      const out = await backend.permuteAverage(inputs, order, unitAxis ?? 1);
      merged.set(role, await backend.read(out));
      backend.release(out);
    } finally {
      backend.release(...inputs);
    }
  }
  return merged;
}
