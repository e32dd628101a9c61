/**
 * Quantized weights and biases in a graph: which tensors they are, in which scheme, and which have none.
 * What a packing says is decoded and compared with the value that onnxruntime gives.
 */
import { describe, expect, test } from 'vitest';
import { openOnnx } from '../onnx/reader.ts';
import { tensorBytes } from '../onnx/tensors.ts';
import type { OnnxModel } from '../onnx/types.ts';
import { dequantize, quantize } from '../quantize/quantize.ts';
import { labelOf, shapeOf } from '../quantize/scheme.ts';
import { transpose } from '../tensor/matrix.ts';
import {
  buildModel,
  f32,
  input,
  type NodeSpec,
  node,
  output,
  type TensorSpec,
  tensor,
} from '../testing/onnx-builder.ts';
import { run } from '../testing/quantized.ts';
import { createRandom } from '../testing/random.ts';
import { readConstants } from './constants.ts';
import { findFfns } from './ffn.ts';
import { indexGraph } from './index-graph.ts';
import { linearMapOf, type Operand } from './linear.ts';

const random = createRandom(17);
const codes = (count: number) => Int8Array.from({ length: count }, () => random.integer(256) - 128);
const positive = (count: number) =>
  Float32Array.from({ length: count }, () => 0.01 + 0.02 * random.uniform());
const q = (rows: number, cols: number) => tensor('q', 'int8', [rows, cols], codes(rows * cols));
const HALF_0_01 = 0x211f;

async function valuesOf(model: OnnxModel, { packing, source }: Operand): Promise<Float32Array> {
  const { scheme, values, scales, zeroPoints } = packing!;
  const bytes = (o: Operand) => tensorBytes(model, o.source.tensor);
  const decoded = dequantize(scheme, {
    values: await bytes(values),
    scales: await bytes(scales),
    ...(zeroPoints && { zeroPoints: await bytes(zeroPoints) }),
  });
  const [rows, cols] = shapeOf(scheme);
  return source.transposed ? transpose(decoded, rows, cols) : decoded;
}

/** x [3, 4] times the weight `w` [4, 6], made by the given nodes. */
async function weightMap(nodes: NodeSpec[], initializers: TensorSpec[], opset = 21) {
  const spec = { opset, irVersion: 10, domains: { 'com.microsoft': 1 }, initializers };
  const bytes = buildModel({
    ...spec,
    inputs: [input('x', 'float', [3, 4])],
    outputs: [output('y', 'float', [3, 6])],
    nodes: [...nodes, node('MatMul', ['x', 'w'], ['y'])],
  });
  const model = await openOnnx(new Blob([bytes]));
  const index = indexGraph(model.graph);
  const map = linearMapOf(model.graph.nodes.at(-1)!, index, await readConstants(model, index));
  const value = () =>
    run(
      buildModel({
        ...spec,
        outputs: [output('y', 'float', [4, 6])],
        nodes: [...nodes, node('Identity', ['w'], ['y'])],
      }),
      {},
      'disabled',
    );
  return { model, map, value };
}

const dq = (inputs: string[], out: string, attributes = {}, domain = '') =>
  node('DequantizeLinear', inputs, [out], attributes, { domain });

const FORMS: readonly [string, NodeSpec[], TensorSpec[], string, boolean][] = [
  ['per tensor', [dq(['q', 's'], 'w')], [q(4, 6), f32('s', [], [0.02])], 'int8, one scale a tensor', false],
  [
    'per column, with zero points',
    [dq(['q', 's', 'z'], 'w', { axis: 1 })],
    [q(4, 6), f32('s', [6], positive(6)), tensor('z', 'int8', [6], codes(6))],
    'int8, one scale a channel',
    false,
  ],
  [
    'then turned',
    [dq(['q', 's'], 'd', { axis: -2 }), node('Transpose', ['d'], ['w'], { perm: [1, 0] })],
    [q(6, 4), f32('s', [6], positive(6))],
    'int8, one scale a channel',
    true,
  ],
  [
    'turned before',
    [node('Transpose', ['q'], ['t']), dq(['t', 's'], 'w', { axis: 1 })],
    [q(6, 4), f32('s', [6], positive(6))],
    'int8, one scale a channel',
    true,
  ],
  [
    'turned twice, behind Identity',
    [
      node('Transpose', ['q'], ['t']),
      node('Identity', ['t'], ['i']),
      dq(['i', 's'], 'd', { axis: 0 }),
      node('Transpose', ['d'], ['e']),
      node('Identity', ['e'], ['w']),
    ],
    [q(4, 6), f32('s', [6], positive(6))],
    'int8, one scale a channel',
    false,
  ],
  [
    'half-precision scales and a Cast',
    [dq(['q', 's'], 'd'), node('Cast', ['d'], ['w'], { to: 1 })],
    [q(4, 6), tensor('s', 'float16', [], [HALF_0_01])],
    'int8, one scale a tensor',
    false,
  ],
  [
    'a Cast of the scales',
    [node('Cast', ['s'], ['t'], { to: 1 }), dq(['q', 't'], 'w')],
    [q(4, 6), tensor('s', 'float16', [], [HALF_0_01])],
    'int8, one scale a tensor',
    false,
  ],
  [
    'blocks of 4-bit codes, codes and scales turned alike',
    [node('Transpose', ['p'], ['q']), node('Transpose', ['s'], ['t']), dq(['q', 't'], 'w', { axis: 0, block_size: 2 })],
    [tensor('p', 'int8', [6, 4], codes(24)), f32('s', [6, 2], positive(12))],
    'int8 in blocks of 2',
    true,
  ],
  [
    'onnxruntime’s own operator, of 16 bits',
    [dq(['q', 's'], 'w', {}, 'com.microsoft')],
    [tensor('q', 'int16', [4, 6], codes(24)), f32('s', [1], [0.002])],
    'int16, one scale a tensor',
    false,
  ],
]; // biome-ignore format: a table

describe('a weight behind DequantizeLinear', () => {
  test.each(FORMS)('%s', async (_, nodes, initializers, label, turned) => {
    const { model, map, value } = await weightMap(nodes, initializers);
    const { weight } = map!;
    expect(weight.unsupported).toBeUndefined();
    expect(labelOf(weight.packing!.scheme)).toBe(label);
    expect([map!.inSize, map!.outSize, weight.source.transposed]).toEqual([4, 6, turned]);
    expect(weight.source.dataType).toBe(1);
    expect(await valuesOf(model, weight)).toEqual(new Float32Array(await value()));
  });

  test.each<[string, NodeSpec[], TensorSpec[], string]>([
    [
      'computed scales',
      [node('Abs', ['s'], ['t']), dq(['q', 't'], 'w')],
      [q(4, 6), f32('s', [], [-0.02])],
      'its scales are not constants',
    ],
    [
      'codes and scales turned differently',
      [node('Transpose', ['p'], ['q']), dq(['q', 's'], 'w', { axis: 0, block_size: 2 })],
      [tensor('p', 'int8', [6, 4], codes(24)), f32('s', [2, 6], positive(12))],
      'its codes and its scales are transposed differently',
    ],
    [
      'quantized by the graph',
      [node('QuantizeLinear', ['f', 's'], ['q']), dq(['q', 's'], 'w')],
      [f32('f', [4, 6], random.normals(24)), f32('s', [], [0.02])],
      'it is the graph that quantizes its weights (QuantizeLinear)',
    ],
    [
      'scales of another shape',
      [dq(['q', 's'], 'w', { axis: 0 })],
      [q(4, 6), f32('s', [6], positive(6))],
      'its scales have the shape 6, not 4',
    ],
  ])('%s have a reason', async (_, nodes, initializers, reason) => {
    const { map } = await weightMap(nodes, initializers);
    expect(map!.weight.packing).toBeUndefined();
    expect(map!.weight.unsupported).toBe(reason);
  });
});

describe('MatMulNBits', () => {
  const [k, n] = [40, 6];
  async function open(inputs: string[], more: TensorSpec[], attributes = {}) {
    const bytes = buildModel({
      domains: { 'com.microsoft': 1 },
      inputs: [input('x', 'float', [3, k])],
      outputs: [output('y', 'float', [3, n])],
      initializers: [
        tensor('b', 'uint8', [n, 3, 8], codes(n * 24)),
        f32('s', [n * 3], positive(n * 3)),
        ...more,
      ],
      nodes: [
        node(
          'MatMulNBits',
          ['x', 'b', 's', ...inputs],
          ['y'],
          { K: k, N: n, bits: 4, block_size: 16, ...attributes },
          {
            domain: 'com.microsoft',
          },
        ),
      ],
    });
    const model = await openOnnx(new Blob([bytes]));
    const index = indexGraph(model.graph);
    return linearMapOf(model.graph.nodes[0], index, await readConstants(model, index))!;
  }

  test('is a matrix [N, K] with a bias of its own', async () => {
    const map = await open(['', '', 'c'], [f32('c', [n], positive(n))]);
    expect(map.weight.source).toMatchObject({ dims: [n, k], transposed: false, dataType: 1 });
    expect([map.inAxis, map.inSize, map.outSize, map.bias?.input]).toEqual([1, k, n, 5]);
    expect(map.weight.packing?.scheme).toEqual({
      kind: 'blocks', bits: 4, blockSize: 16, inSize: k, outSize: n, scaleType: 1, symmetric: true,
    }); // biome-ignore format: short
  });

  test.each<[string, string[], TensorSpec[], object, string]>([
    [
      'permuted inputs',
      ['', 'g'],
      [tensor('g', 'int32', [k], new Int32Array(k))],
      {},
      'its inputs are permuted (g_idx)',
    ],
    ['zero points of floats', ['z'], [f32('z', [n * 3], positive(n * 3))], {}, 'its zero points are float'],
    ['computed zero points', ['x'], [], {}, 'its zero points are not constants'],
    ['5 bits', [], [], { bits: 5 }, 'its weights have 5 bits, where 2, 4 and 8 are known'],
    ['other blocks', [], [], { block_size: 32 }, 'its codes have the shape 6×3×8 (4 bits in blocks of 32)'],
  ])('%s have a reason', async (_, inputs, more, attributes, reason) => {
    const { weight } = await open(inputs, more, attributes);
    expect([weight.packing, weight.unsupported]).toEqual([undefined, reason]);
  });
});

describe('a model that is quantized', () => {
  const [d, f] = [4, 8];
  /** Two layers of x + FFN(x) out of the given linear maps. */
  async function model(
    linear: (x: string, name: string, rows: number, cols: number) => NodeSpec[],
    initializers: (name: string, rows: number, cols: number) => TensorSpec[],
    opset = 21,
  ) {
    const nodes: NodeSpec[] = [];
    const tensors: TensorSpec[] = [];
    let x = 'x';
    for (const layer of [0, 1]) {
      for (const [name, rows, cols] of [
        ['up', d, f],
        ['down', f, d],
      ] as const) {
        const at = `layers.${layer}.mlp.${name}`;
        nodes.push(...linear(name === 'up' ? x : `layers.${layer}.mlp.up.act`, at, rows, cols));
        tensors.push(...initializers(at, rows, cols));
        if (name === 'up') nodes.push(node('Relu', [`${at}.out`], [`${at}.act`]));
      }
      nodes.push(node('Add', [x, `layers.${layer}.mlp.down.out`], [`layers.${layer}.out`]));
      x = `layers.${layer}.out`;
    }
    nodes.push(node('Identity', [x], ['y']));
    const bytes = buildModel({
      opset,
      domains: { 'com.microsoft': 1 },
      inputs: [input('x', 'float', ['t', d]), input('qx', 'uint8', ['t', d])],
      outputs: [output('y', 'float', ['t', d])],
      initializers: [f32('one', [], [0.02]), tensor('zero', 'uint8', [], [0]), ...tensors],
      nodes,
    });
    return openOnnx(new Blob([bytes]));
  }
  const coded = (name: string, rows: number, cols: number) => [
    tensor(`${name}.w`, 'int8', [rows, cols], codes(rows * cols)),
  ];
  const plainly = (x: string, name: string) => [
    dq([`${name}.w`, 'one'], `${name}.d`),
    node('MatMul', [x, `${name}.d`], [`${name}.out`]),
  ];

  test('is a group where that is welcome, and is refused by its scheme where it is not', async () => {
    const found = await findFfns(await model(plainly, coded), { quantized: true });
    expect(found.refusals).toEqual([]);
    expect(found.groups.map((g) => [g.name, g.ffns.length])).toEqual([['layers.*.mlp', 2]]);
    expect(found.groups[0].ffns[1].weights.map((w) => w.packing?.values.source.tensor.name)).toEqual([
      'layers.1.mlp.up.w',
      'layers.1.mlp.down.w',
    ]);
    const { groups, refusals } = await findFfns(await model(plainly, coded));
    expect(groups).toEqual([]);
    expect(refusals).toEqual([
      'The 2 FFNs like layers.0.mlp (4→8, ReLU) have quantized weights (int8, one scale a tensor), which cannot be merged yet; drop the model before quantization instead.',
    ]);
  });

  test('in a scheme that cannot be read is refused with the reason', async () => {
    const fake = (x: string, name: string) => [
      node('QuantizeLinear', [`${name}.w`, 'one'], [`${name}.q`]),
      dq([`${name}.q`, 'one'], `${name}.d`),
      node('MatMul', [x, `${name}.d`], [`${name}.out`]),
    ];
    const floats = (name: string, rows: number, cols: number) => [
      f32(`${name}.w`, [rows, cols], positive(rows * cols)),
    ];
    const { refusals } = await findFfns(await model(fake, floats), { quantized: true });
    expect(refusals).toEqual([
      'The 2 FFNs like layers.0.mlp (4→8, ReLU) have quantized weights that cannot be merged, because it is the graph that quantizes its weights (QuantizeLinear); drop the model before quantization instead.',
    ]);
  });

  const dynamic = (x: string, name: string) => [
    node('DynamicQuantizeLinear', [x], [`${name}.q`, `${name}.s`, `${name}.z`]),
    node('MatMulInteger', [`${name}.q`, `${name}.w`, `${name}.z`], [`${name}.i`]),
    node('Cast', [`${name}.i`], [`${name}.f`], { to: 1 }),
    node('Mul', [`${name}.f`, `${name}.s`], [`${name}.out`]),
  ];
  const fused = (x: string, name: string) => [
    node('DynamicQuantizeMatMul', [x, `${name}.w`, 'one'], [`${name}.out`], {}, { domain: 'com.microsoft' }),
  ];
  const whole = (x: string, name: string) => [
    node('QuantizeLinear', [x, 'one', 'zero'], [`${name}.q`]),
    node(
      'QLinearMatMul',
      [`${name}.q`, 'one', 'zero', `${name}.w`, 'one', 'zero', 'one', 'zero'],
      [`${name}.i`],
    ),
    dq([`${name}.i`, 'one', 'zero'], `${name}.out`),
  ];
  test.each([
    ['MatMulInteger', dynamic, 'dynamically (MatMulInteger)'],
    ['DynamicQuantizeMatMul', fused, 'dynamically (DynamicQuantizeMatMul)'],
    ['QLinearMatMul', whole, '(QLinearMatMul)'],
  ])('in integer arithmetic (%s) is refused by the operator', async (_, linear, how) => {
    const { groups, refusals } = await findFfns(await model(linear, coded));
    expect(groups).toEqual([]);
    expect(refusals).toEqual([
      `The linear maps of this model are quantized ${how}, which cannot be merged; drop the model before quantization (model.onnx or model_fp16.onnx) instead.`,
    ]);
  });

  test('in integers, but not in its weights, needs no sentence', async () => {
    const attention = (x: string, name: string, rows: number, cols: number) => [
      ...plainly(x, name),
      ...(rows < cols ? [node('MatMulInteger', ['qx', 'qx'], [`${name}.none`])] : []),
    ];
    const { refusals, groups } = await findFfns(await model(attention, coded), {
      quantized: true,
    });
    expect([refusals, groups.length]).toEqual([[], 1]);
  });
});

test('encoding what a packing decodes to gives the same bytes', async () => {
  const { model, map } = await weightMap(
    [dq(['q', 's'], 'w', { axis: 0 })],
    [
      tensor(
        'q',
        'int8',
        [4, 6],
        Int8Array.from({ length: 24 }, (_, i) => (i % 6 === 0 ? 127 : (i * 37) % 127)),
      ),
      f32('s', [4], positive(4)),
    ],
  );
  const { scheme, values } = map!.weight.packing!;
  const again = quantize(scheme, await valuesOf(model, map!.weight));
  expect(again.values).toEqual(new Uint8Array(await tensorBytes(model, values.source.tensor)));
});
