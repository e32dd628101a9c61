/** Files without some FFNs run, in half precision too. */
import * as ort from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { composeOnnx } from '../onnx/writer.ts';
import { openModel } from '../pipeline/opened.ts';
import { toHalf } from '../tensor/half.ts';
import { buildModel, input, node, output, tensor } from '../testing/onnx-builder.ts';
import { dropFfns } from './drop.ts';

const D = 4;
const F = 8;

test('the last FFN of a float16 model, whose residual Add gives the output', async () => {
  const sines = (n: number, k: number) => Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + k) / 2);
  const half = (name: string, dims: readonly number[], k: number) =>
    tensor(name, 'float16', dims, sines(D * F, k).map(toHalf));
  const layer = (l: number, x: string) => [
    node('MatMul', [x, `u${l}`], [`z${l}`]),
    node('Relu', [`z${l}`], [`h${l}`]),
    node('MatMul', [`h${l}`, `v${l}`], [`o${l}`]),
    node('Add', [x, `o${l}`], [`x${l}`]),
  ];
  const spec = (layers: number) => ({
    opset: 17,
    inputs: [input('x', 'float16', [3, D])],
    outputs: [output(`x${layers - 1}`, 'float16', [3, D])],
    nodes: [...layer(0, 'x'), ...layer(1, 'x0')].slice(0, 4 * layers),
    initializers: [0, 1].flatMap((l) => [half(`u${l}`, [D, F], l), half(`v${l}`, [F, D], l + 5)]),
  });
  const run = async (bytes: Uint8Array) => {
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    const x = new ort.Tensor('float16', Uint16Array.from(sines(3 * D, 9), toHalf), [3, D]);
    const made = await session.run({ x });
    return Array.from(made[session.outputNames[0]].data as unknown as Uint16Array, Number);
  };
  const opened = await openModel(new Blob([buildModel(spec(2))]), 'model.onnx');
  const [group] = opened.search.groups;
  const files = dropFfns(opened.views, [{ group, layers: [1] }]);
  const blob = composeOnnx(opened.files[0].model, files.get(opened.files[0])!).toBlob();
  const got = await run(new Uint8Array(await blob.arrayBuffer()));
  expect(got).toEqual(await run(buildModel(spec(1))));
});
