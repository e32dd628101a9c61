/** A recipe to change and to break. */
import { Permutation } from '../align/permutation.ts';
import { storePermutation } from '../recipe/permutations.ts';
import type { Recipe } from '../recipe/schema.ts';

export function sampleRecipe(change: Partial<Recipe> = {}): Recipe {
  const permutation = Permutation.from([2, 0, 1, 3]);
  return {
    format: 'layerfold-recipe',
    version: 1,
    app: '0.1.0',
    model: {
      name: 'model.onnx',
      files: [
        { name: 'model.onnx', bytes: 1234, sha256: 'a'.repeat(64) },
        { name: 'model.onnx_data', bytes: 99, sha256: 'b'.repeat(64) },
      ],
    },
    data: { key: 'c'.repeat(64), kind: 'text', contextLength: 128, files: ['calibrate.txt'] },
    plan: {
      sets: [{ groupId: 'g', layers: [4, 5, 6] }],
      method: 'permute',
      reference: 'first',
      score: ['preactivation', 'output-weights'],
      recovery: [{ rung: 'R3', set: 0, refreshed: false, options: { lambda: 0.01, own: ['b_out'] } }],
    },
    permutations: [5, 6].map((layer) => storePermutation({ groupId: 'g', reference: 4, layer, permutation })),
    results: {
      bytesBefore: 1333,
      bytesAfter: 900,
      parametersSaved: 40,
      evaluations: [
        {
          metric: 'perplexity',
          split: 'report',
          original: 4.854,
          merged: 5.633,
          standardError: 0.02,
          samples: 1000,
        },
      ],
      notes: [],
    },
    ...change,
  };
}
