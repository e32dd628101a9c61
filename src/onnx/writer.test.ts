import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../testing/onnx-builder.ts';
import {
  buildBlob,
  buildModel,
  constant,
  external,
  f32,
  graph,
  input,
  node,
  output,
  tensor,
  wire,
} from '../testing/onnx-builder.ts';
import { openOnnx } from './reader.ts';
import { readFloats } from './tensors.ts';
import type { ModelEdits, NewTensor, OnnxModel } from './types.ts';
import { composeOnnx } from './writer.ts';

const SPEC: ModelSpec = {
  inputs: [input('x', 'float', ['n', 2]), input('w', 'float', [2, 2])],
  outputs: [output('y', 'float', ['n', 2])],
  initializers: [
    { ...f32('w', [2, 2], [1, 2, 3, 4]), doc: 'kept', extra: wire.varint(700, 5) },
    f32('v', [2], [5, 6], 'typed'),
    external('e', 'float', [2], { location: 'f', offset: 8, length: 8 }),
  ],
  nodes: [
    constant('c', f32('inner', [2], [7, 8], 'unpacked')),
    node('MatMul', ['x', 'w'], ['h'], {}, { name: 'mm', doc: 'after' }),
    node('Add', ['h', 'v', 'h'], ['y'], { axis: 1 }),
  ],
  extra: wire.text(800, 'graph'),
  suffix: wire.text(801, 'model'),
};

const open = (spec: ModelSpec) => openOnnx(buildBlob(spec));
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

async function bytesOf(model: OnnxModel, edits: ModelEdits): Promise<Uint8Array> {
  const file = composeOnnx(model, edits);
  const bytes = new Uint8Array(await file.toBlob().arrayBuffer());
  expect(Buffer.compare(await file.toBytes(), bytes), 'in few reads').toBe(0);
  expect(file.size).toBe(bytes.length);
  return bytes;
}

/** The edited bytes must be what the independent encoder makes of the edited model. */
async function expectSameAs(model: OnnxModel, edits: ModelEdits, spec: ModelSpec): Promise<void> {
  expect(await bytesOf(model, edits)).toEqual(new Uint8Array(buildModel(spec)));
}

function withInitializer(index: number, change: (t: never) => unknown): ModelSpec {
  const initializers = SPEC.initializers!.map((t, i) => (i === index ? change(t as never) : t));
  return { ...SPEC, initializers } as ModelSpec;
}

const edit = (model: OnnxModel, index: number, to: NewTensor | 'drop'): ModelEdits => ({
  tensors: new Map([[model.graph.initializers[index], to]]),
});

describe('tensors', () => {
  it('changes raw data and shape, and keeps doc strings and unknown fields', async () => {
    const model = await open(SPEC);
    await expectSameAs(
      model,
      edit(model, 0, { name: 'w', dataType: 1, dims: [1, 2], data: floats(9, 8) }),
      withInitializer(0, (t: object) => ({ ...t, dims: [1, 2], values: [9, 8] })),
    );
  });

  it('changes name and type', async () => {
    const model = await open(SPEC);
    await expectSameAs(
      model,
      edit(model, 0, {
        name: 'longer name',
        dataType: 11,
        dims: [2, 2],
        data: new Blob([new Uint8Array(32)]),
      }),
      withInitializer(0, (t: object) => ({
        ...t,
        name: 'longer name',
        type: 'double',
        values: [0, 0, 0, 0],
      })),
    );
  });

  it('turns typed values into raw ones', async () => {
    const model = await open(SPEC);
    const data = floats(1, 1);
    await expectSameAs(
      model,
      edit(model, 1, { name: 'v', dataType: 1, dims: [2], data }),
      withInitializer(1, () => f32('v', [2], [1, 1])),
    );
  });

  it('turns external values into raw ones, and raw into external', async () => {
    const model = await open(SPEC);
    await expectSameAs(
      model,
      edit(model, 2, { name: 'e', dataType: 1, dims: [2], data: floats(3, 4) }),
      withInitializer(2, () => f32('e', [2], [3, 4])),
    );
    const where = { location: 'made up', offset: 16, length: 16 };
    await expectSameAs(
      model,
      edit(model, 0, { name: 'w', dataType: 1, dims: [2, 2], data: where }),
      withInitializer(0, (t: object) => ({ ...t, style: 'external', external: where })),
    );
  });

  it('edits the tensor inside a Constant node', async () => {
    const model = await open(SPEC);
    const inner = model.graph.nodes[0].attributes.get('value')!.t!;
    const value: NewTensor = { name: 'inner', dataType: 1, dims: [300], data: new Uint8Array(1200) };
    await expectSameAs(
      model,
      { tensors: new Map([[inner, value]]) },
      {
        ...SPEC,
        nodes: [constant('c', f32('inner', [300], new Array(300).fill(0))), ...SPEC.nodes!.slice(1)],
      },
    );
  });

  it('edits nodes and tensors of nested graphs', async () => {
    const spec = (name: string, values: number[]): ModelSpec => ({
      nodes: [
        node('If', ['x'], ['y'], {
          then_branch: graph({
            nodes: [node('Neg', [name], ['y'])],
            initializers: [f32('t', [values.length], values)],
          }),
        }),
      ],
    });
    const model = await open(spec('a', [1]));
    const inner = model.graph.nodes[0].attributes.get('then_branch')!.g!;
    const edits: ModelEdits = {
      nodes: new Map([[inner.nodes[0], { inputs: ['a much longer name'] }]]),
      tensors: new Map([[inner.initializers[0], { name: 't', dataType: 1, dims: [2], data: floats(1, 2) }]]),
    };
    await expectSameAs(model, edits, spec('a much longer name', [1, 2]));
  });

  it('handles empty raw data', async () => {
    const model = await open({ initializers: [f32('z', [0], [])] });
    await expectSameAs(
      model,
      edit(model, 0, { name: 'zero', dataType: 1, dims: [0], data: new Uint8Array(0) }),
      { initializers: [f32('zero', [0], [])] },
    );
  });
});

describe('structure', () => {
  it('renames inputs in place and drops nodes, initializers and inputs', async () => {
    const model = await open(SPEC);
    const { nodes, initializers } = model.graph;
    await expectSameAs(
      model,
      {
        nodes: new Map<(typeof nodes)[number], { inputs: string[] } | 'drop'>([
          [nodes[0], 'drop'],
          [nodes[2], { inputs: ['h', 'another', 'h'] }],
        ]),
        tensors: new Map<(typeof initializers)[number], 'drop' | NewTensor>([
          [initializers[0], 'drop'],
          // In a node that goes: goes along.
          [nodes[0].attributes.get('value')!.t!, { name: '', dataType: 1, dims: [], data: floats(1) }],
        ]),
        dropInputs: new Set(['w']),
      },
      {
        ...SPEC,
        nodes: [SPEC.nodes![1], node('Add', ['h', 'another', 'h'], ['y'], { axis: 1 })],
        initializers: SPEC.initializers!.slice(1),
        inputs: SPEC.inputs!.slice(0, 1),
      },
    );
  });

  it('appends initializers, inputs and outputs', async () => {
    const model = await open(SPEC);
    const bytes = await bytesOf(model, {
      addInitializers: [
        { name: 'new', dataType: 1, dims: [2], data: floats(1, 2) },
        { name: 'far', dataType: 1, dims: [1], data: { location: 'w.data', offset: 4, length: 4 } },
      ],
      addInputs: [{ name: 'live', elemType: 1, dims: ['n', null, 4] }],
      addOutputs: [{ name: 'tap', elemType: 10 }],
    });
    const again = await openOnnx(new Blob([bytes as Uint8Array<ArrayBuffer>]));
    const { initializers, inputs, outputs, nodes } = again.graph;
    expect(initializers.map((t) => t.name)).toEqual(['w', 'v', 'e', 'new', 'far']);
    expect(Array.from(await readFloats(again, initializers[3]))).toEqual([1, 2]);
    expect(initializers[4].storage).toEqual({ kind: 'external', location: 'w.data', offset: 4, length: 4 });
    expect(inputs.at(-1)).toMatchObject({ name: 'live', elemType: 1, dims: ['n', null, 4] });
    expect(outputs.at(-1)).toMatchObject({ name: 'tap', elemType: 10 });
    expect(outputs.at(-1)!.dims).toBeUndefined();
    expect(nodes).toHaveLength(3);
  });

  it('keeps long length varints that still are right, and writes short ones where not', async () => {
    const model = await open({ ...SPEC, padLengths: 3 });
    const source = new Uint8Array(await model.source.arrayBuffer());
    expect(await bytesOf(model, {})).toEqual(source);
    const same = { name: 'w', dataType: 1, dims: [2, 2], data: floats(1, 2, 3, 4) };
    expect(await bytesOf(model, edit(model, 0, same))).toEqual(source);
    const bytes = await bytesOf(model, edit(model, 0, { ...same, dims: [1], data: floats(1) }));
    await openOnnx(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  });
});

describe('refusals', () => {
  const good: NewTensor = { name: 'n', dataType: 1, dims: [1], data: floats(1) };
  it.each<[string, (m: OnnxModel, other: OnnxModel) => ModelEdits, string, RegExp]>([
    [
      'a tensor of another model',
      (_, o) => edit(o, 0, 'drop'),
      'bad-reference',
      /"w" is not part of this model/,
    ],
    [
      'a node of another model',
      (_, o) => ({ nodes: new Map([[o.graph.nodes[1], 'drop']]) }),
      'bad-reference',
      /"mm"/,
    ],
    ['an input that is not there', () => ({ dropInputs: new Set(['q']) }), 'bad-reference', /input "q"/],
    [
      'dropping the tensor of a node',
      (m) => ({ tensors: new Map([[m.graph.nodes[0].attributes.get('value')!.t!, 'drop']]) }),
      'bad-reference',
      /drop the node/,
    ],
    [
      'data of the wrong length',
      (m) => edit(m, 0, { ...good, dims: [3] }),
      'bad-data',
      /has 4 bytes.*needs 12/,
    ],
    ['a negative shape', (m) => edit(m, 0, { ...good, dims: [-1] }), 'bad-shape', /shape -1/],
    ['strings', (m) => edit(m, 0, { ...good, dataType: 8 }), 'bad-data', /no fixed size/],
    [
      'an offset before the file',
      () => ({ addInitializers: [{ ...good, data: { location: 'f', offset: -1, length: 4 } }] }),
      'bad-data',
      /start at byte -1/,
    ],
    [
      'another number of inputs',
      (m) => ({ nodes: new Map([[m.graph.nodes[1], { inputs: ['x'] }]]) }),
      'bad-data',
      /has 2 inputs and cannot be given 1/,
    ],
    ['a name twice', () => ({ addInitializers: [good, good] }), 'bad-data', /already has an initializer "n"/],
    [
      'an input twice',
      () => ({ addInputs: [{ name: 'x', elemType: 1 }] }),
      'bad-data',
      /already has an input "x"/,
    ],
  ])('%s', async (_, edits, code, words) => {
    const [model, other] = await Promise.all([open(SPEC), open(SPEC)]);
    const run = () => composeOnnx(model, edits(model, other));
    expect(run).toThrow(
      expect.objectContaining({ name: 'OnnxError', code, message: expect.stringMatching(words) }),
    );
  });

  it('a model that the reader did not make', async () => {
    const model = await open(SPEC);
    expect(() => composeOnnx({ ...model }, {})).toThrow(/was not opened by the ONNX reader/);
  });
});

describe('toStream', () => {
  it('stops reading when cancelled', async () => {
    const model = await open({
      initializers: [tensor('big', 'uint8', [12 << 20], new Uint8Array(12 << 20))],
    });
    const reader = composeOnnx(model, {}).toStream().getReader();
    const first = await reader.read();
    expect(first.value!.length).toBeGreaterThanOrEqual(1 << 20);
    await reader.cancel();
    expect((await reader.read()).done).toBe(true);
  });
});
