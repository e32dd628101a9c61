/** Files that hold a decoder again are compared with it before they are merged alike. */
import { describe, expect, test, vi } from 'vitest';
import { openModels } from '../pipeline/opened.ts';
import {
  buildModel,
  f32,
  input,
  type NodeSpec,
  node,
  output,
  type TensorSpec,
} from '../testing/onnx-builder.ts';
import { firstMismatch } from './same-weights.ts';

const D = 4;
const F = 8;

/** FFNs one after the other: the size of each, by layer; `seed` makes the values. */
function decoder(name: string, sizes: readonly number[], seed = 0): File {
  const values = (n: number, k: number) =>
    Float32Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + k + seed));
  const nodes: NodeSpec[] = [];
  const initializers: TensorSpec[] = [];
  sizes.forEach((f, l) => {
    const x = l === 0 ? 'x' : `x${l - 1}`;
    initializers.push(f32(`u${l}`, [D, f], values(D * f, l)), f32(`v${l}`, [f, D], values(D * f, l + 50)));
    nodes.push(
      node('MatMul', [x, `u${l}`], [`z${l}`]),
      node('Relu', [`z${l}`], [`h${l}`]),
      node('MatMul', [`h${l}`, `v${l}`], [`o${l}`]),
      node('Add', [x, `o${l}`], [`x${l}`]),
    );
  });
  return new File(
    [
      buildModel({
        inputs: [input('x', 'float', ['n', D])],
        outputs: [output(`x${sizes.length - 1}`, 'float', ['n', D])],
        nodes,
        initializers,
      }),
    ],
    name,
  );
}

async function opened(first: readonly number[], second: readonly number[], seed = 0) {
  const files = [decoder('decoder_model.onnx', first), decoder('decoder_with_past_model.onnx', second, seed)];
  return openModels(files, files);
}

describe('the decoder in a second file', () => {
  test('is the same', async () => {
    const { views, search } = await opened([F, F, F], [F, F, F]);
    expect(await firstMismatch(views, search.groups[0].ffns)).toBeUndefined();
  });

  test('has other values', async () => {
    const { views, search } = await opened([F, F], [F, F], 1);
    const [ffn] = search.groups[0].ffns;
    expect(await firstMismatch(views, [ffn])).toMatchObject({ ffn, view: views[1], isMissing: false });
  });

  test('lacks a layer, which would stay unmerged', async () => {
    const { views, search } = await opened([F, F, F], [F, F]);
    const [ffn] = search.groups[0].ffns;
    expect(await firstMismatch(views, [ffn])).toMatchObject({ ffn, view: views[1], isMissing: true });
  });

  test('is read once, however many merges are tried', async () => {
    const { views, search } = await opened([F, F, F], [F, F, F]);
    const reads = vi.spyOn(Blob.prototype, 'arrayBuffer');
    await firstMismatch(views, search.groups[0].ffns);
    const first = reads.mock.calls.length;
    expect(first).toBeGreaterThan(0);
    await firstMismatch(views, search.groups[0].ffns.slice(1));
    expect(reads.mock.calls.length).toBe(first);
    reads.mockRestore();
  });
});
