/** A branch that a constant chooses is looked into, and merged where it stands. */

import * as ort from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { tieFfns } from '../merge/write-back.ts';
import { difference, run } from '../testing/model-runs.ts';
import { buildModel, f32, input, node, output, tensor } from '../testing/onnx-builder.ts';
import { createRandom } from '../testing/random.ts';
import { savedBytes } from '../testing/saved-bytes.ts';
import { openModel } from './opened.ts';

const random = createRandom(11);
const [D, F] = [4, 6];

/** Two residual FFNs in the branch that `yes` chooses, and nothing in the other. */
function branching(): Uint8Array<ArrayBuffer> {
  const weights = [0, 1].flatMap((i) => [
    f32(`up.${i}`, [D, F], [...random.normals(D * F)]),
    f32(`down.${i}`, [F, D], [...random.normals(F * D)]),
  ]);
  const ffn = (i: number, x: string, y: string) => [
    node('MatMul', [x, `up.${i}`], [`z.${i}`]),
    node('Relu', [`z.${i}`], [`h.${i}`]),
    node('MatMul', [`h.${i}`, `down.${i}`], [`o.${i}`]),
    node('Add', [x, `o.${i}`], [y]),
  ];
  const shape = ['n', D];
  return buildModel({
    opset: 17,
    inputs: [input('x', 'float', shape)],
    outputs: [output('y', 'float', shape)],
    initializers: [...weights, tensor('yes', 'bool', [], [1])],
    nodes: [
      node('If', ['yes'], ['y'], {
        then_branch: {
          kind: 'graph',
          name: 'then',
          nodes: [...ffn(0, 'x', 's'), ...ffn(1, 's', 't')],
          outputs: [output('t', 'float', shape)],
        },
        else_branch: {
          kind: 'graph',
          name: 'else',
          nodes: [node('Identity', ['x'], ['e'])],
          outputs: [output('e', 'float', shape)],
        },
      }),
    ],
  });
}

test('FFNs in a branch that a constant chooses are found, and tied in the branch', async () => {
  const bytes = branching();
  const opened = await openModel(new Blob([bytes]), 'if.onnx');
  expect(opened.search.refusals).toEqual([]);
  const [group] = opened.search.groups;
  expect(group.ffns).toHaveLength(2);
  const values = new Map(
    group.ffns[0].weights.map((w) => [w.role, random.normals(w.source.dims[0] * w.source.dims[1])] as const),
  );
  const { files, parametersSaved } = tieFfns(opened.views, [{ group, layers: [0, 1], values }]);
  expect(parametersSaved).toBe(2 * D * F);
  const merged = await savedBytes(opened, files);
  const feeds = { x: new ort.Tensor('float32', random.normals(3 * D), [3, D]) };
  const { y } = await run(merged, feeds);
  // By hand: x + relu(x·U)·V, twice with the same weights.
  const at = (role: 'w_in' | 'w_out') => values.get(role)!;
  let x = [...(feeds.x.data as Float32Array)];
  for (let layer = 0; layer < 2; layer++) {
    x = x.map((v, i) => {
      const [row, d] = [Math.floor(i / D), i % D];
      let sum = v;
      for (let u = 0; u < F; u++) {
        let z = 0;
        for (let k = 0; k < D; k++) z += x[row * D + k] * at('w_in')[k * F + u];
        sum += Math.max(0, z) * at('w_out')[u * D + d];
      }
      return sum;
    });
  }
  expect(difference({ y: Float32Array.from(x) }, { y })).toBeLessThan(1e-5);
  expect(difference(await run(bytes, feeds), { y })).toBeGreaterThan(1e-3);
});
