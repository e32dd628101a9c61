/**
 * Models in which every value is rounded (onnxruntime.quantization.quantize_static): layers are found as without it.
 */
import { describe, expect, test } from 'vitest';
import { openOnnx } from '../onnx/reader.ts';
import {
  buildModel,
  constant,
  f32,
  input,
  type NodeSpec,
  node,
  output,
  type TensorSpec,
  tensor,
} from '../testing/onnx-builder.ts';
import { createRandom } from '../testing/random.ts';
import { findFfns } from './ffn.ts';
import { layerSpans } from './layers.ts';

const [d, f] = [4, 8];

interface Form {
  /** Gemm with an int32 bias; else MatMul, and an Add of an int8 bias. */
  readonly gemm: boolean;
  /** The activation; `dropped`: a zero point at the smallest code stands for Relu. */
  readonly activation: 'dropped' | 'relu' | 'gelu-erf';
  /** Scales of the hidden activations. */
  readonly hidden: 'one' | 'each';
}

/** Two layers x + proj(x), x + FFN(x), each value followed by a pair; two-dimensional data. */
function quantized({ gemm, activation, hidden }: Form) {
  const random = createRandom(3);
  const nodes: NodeSpec[] = [];
  const tensors: TensorSpec[] = [
    tensor('zero8', 'int8', [], [0]),
    tensor('least8', 'int8', [], [-128]),
    tensor('zero32', 'int32', [], [0]),
    f32('each', [f], random.normals(f).map(Math.abs)),
    tensor('zeros', 'int8', [f], new Int8Array(f)),
  ];
  let next = 0;
  const op = (type: string, inputs: string[], attributes = {}) => {
    const name = `v${next++}`;
    nodes.push(node(type, inputs, [name], attributes));
    return name;
  };
  const round = (x: string, zero = 'zero8', scale?: string) => {
    const by = scale ?? `scale${next}`;
    // Each value has a scale of its own, as calibration gives it.
    if (!scale) tensors.push(f32(by, [], [0.01 + random.uniform()]));
    return op('DequantizeLinear', [op('QuantizeLinear', [x, by, zero]), by, zero]);
  };
  const stored = (name: string, type: 'int8' | 'int32', dims: number[], zero: string) => {
    const count = dims.reduce((n, v) => n * v, 1);
    tensors.push(
      tensor(
        name,
        type,
        dims,
        Int32Array.from({ length: count }, () => random.integer(200) - 100),
      ),
      f32(`${name}_scale`, [], [0.01]),
    );
    return op('DequantizeLinear', [name, `${name}_scale`, zero]);
  };
  const linear = (x: string, at: string, rows: number, cols: number) => {
    const w = stored(`${at}.weight`, 'int8', [rows, cols], 'zero8');
    if (gemm) return op('Gemm', [x, w, stored(`${at}.bias`, 'int32', [cols], 'zero32')]);
    return op('Add', [round(op('MatMul', [x, w])), stored(`${at}.bias`, 'int8', [cols], 'zero8')]);
  };
  const scalar = (value: number) => {
    nodes.push(constant(`c${next}`, tensor('', 'float', [], [value])));
    return round(`c${next}`);
  };
  const activate = (z: string) => {
    if (activation === 'dropped') return round(z, 'least8');
    if (activation === 'relu') {
      const h = op('Relu', [round(z)]);
      return hidden === 'each' ? round(h, 'zeros', 'each') : round(h);
    }
    const x = round(z);
    const erf = round(op('Erf', [op('Div', [x, scalar(Math.SQRT2)])]));
    const half = round(op('Mul', [x, round(op('Add', [erf, scalar(1)]))]));
    return round(op('Mul', [half, scalar(0.5)]));
  };
  const sums: string[] = [];
  let x = round('x');
  const add = (y: string) => {
    sums.push(op('Add', [x, round(y)]));
    x = round(sums.at(-1)!);
  };
  for (const layer of [0, 1]) {
    add(linear(x, `layers.${layer}.attn.proj`, d, d));
    add(linear(activate(linear(x, `layers.${layer}.mlp.up`, d, f)), `layers.${layer}.mlp.down`, f, d));
  }
  nodes.push(node('Identity', [x], ['y']));
  const bytes = buildModel({
    opset: 19,
    inputs: [input('x', 'float', ['t', d])],
    outputs: [output('y', 'float', ['t', d])],
    initializers: tensors,
    nodes,
  });
  return { bytes, sums };
}

async function search(form: Form) {
  const { bytes, sums } = quantized(form);
  return { sums, ...(await findFfns(await openOnnx(new Blob([bytes])), { quantized: true })) };
}

describe('pairs of QuantizeLinear and DequantizeLinear on activations', () => {
  test.each<[string, Form]>([
    ['ReLU', { gemm: true, activation: 'dropped', hidden: 'one' }],
    ['ReLU', { gemm: false, activation: 'dropped', hidden: 'one' }],
    ['ReLU', { gemm: false, activation: 'relu', hidden: 'one' }],
    ['GELU (erf)', { gemm: true, activation: 'gelu-erf', hidden: 'one' }],
    ['GELU (erf)', { gemm: false, activation: 'gelu-erf', hidden: 'one' }],
  ])('%s, %j', async (label, form) => {
    const { groups, refusals, sums, ...rest } = await search(form);
    expect(refusals).toEqual([]);
    expect(groups.map((g) => [g.activation.label, g.ffns.length])).toEqual([[label, 2]]);
    const [{ ffns }] = groups;
    for (const ffn of ffns) {
      expect(ffn.weights.map((w) => w.role)).toEqual(['w_in', 'b_in', 'w_out', 'b_out']);
      const biases = ffn.weights.filter((w) => w.role.startsWith('b'));
      expect(biases.map((b) => b.packing?.values.source.tensor.dataType)).toEqual(
        form.gemm ? [6, 6] : [3, 3],
      );
      // The data's scale is that of the pair before the linear map.
      const scales = biases.map((b) => b.packing?.dataScale?.node.outputs[0]);
      expect(scales).toEqual(form.gemm ? [ffn.input, ffn.hidden] : [undefined, undefined]);
      expect(ffn.attentionOutput).toBeDefined();
    }
    // Layers begin and end at the sums of the residual stream, before they are rounded.
    expect(ffns.map((ffn) => ffn.residual?.output)).toEqual([sums[1], sums[3]]);
    expect(layerSpans(groups[0], { groups, refusals, ...rest })).toEqual([
      { input: 'x', output: sums[1] },
      { input: sums[1], output: sums[3] },
    ]);
  });

  test('several scales end the trace with a reason', async () => {
    const { groups, refusals } = await search({ gemm: false, activation: 'relu', hidden: 'each' });
    expect(groups).toEqual([]);
    expect(refusals).toHaveLength(2);
    expect(refusals[0]).toBe(
      'layers.0.mlp.up looks like an FFN but cannot be merged, because QuantizeLinear rounds its hidden units with several scales.',
    );
  });
});
