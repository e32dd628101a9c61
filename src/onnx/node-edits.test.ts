/** Nodes that edits add and outputs that they rename: the bytes of the independent encoder, run by onnxruntime-node. */
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { ModelSpec, NodeSpec } from '../testing/onnx-builder.ts';
import { buildBlob, buildModel, f32, graph, input, node, output, wire } from '../testing/onnx-builder.ts';
import { openOnnx } from './reader.ts';
import type { ModelEdits, NewNode, NodeEdit, NodeInfo, OnnxModel } from './types.ts';
import { composeOnnx } from './writer.ts';

/** y = (x + v)·w, the sum also given out, and an If whose branches read it from around them. */
const spec = (
  sum: readonly NodeSpec[],
  branch: readonly NodeSpec[],
  more: Partial<ModelSpec> = {},
): ModelSpec => ({
  inputs: [input('x', 'float', ['n', 2]), input('c', 'bool', [])],
  outputs: [output('sum', 'float', ['n', 2]), output('y', 'float', ['n', 2])],
  initializers: [f32('v', [2], [1, 2]), f32('w', [2, 2], [1, 0, 2, 1])],
  valueInfos: [output('sum', 'float', ['n', 2])],
  nodes: [
    ...sum,
    node('MatMul', ['sum', 'w'], ['m'], {}, { extra: wire.varint(900, 3) }),
    node('If', ['c'], ['y'], {
      then_branch: graph({ nodes: branch, outputs: [output('t', 'float')] }),
      else_branch: graph({ nodes: [node('Add', ['m', 'sum'], ['e'])], outputs: [output('e', 'float')] }),
    }),
  ],
  extra: wire.text(800, 'graph'),
  ...more,
});
const ADD = node('Add', ['x', 'v'], ['sum'], {}, { name: 'add', doc: 'kept' });
const SUB = node('Sub', ['m', 'sum'], ['t']);
const ORIGINAL = spec([ADD], [SUB]);

const open = (of: ModelSpec) => openOnnx(buildBlob(of));
const newNode = (
  opType: string,
  inputs: string[],
  outputs: string[],
  more: Partial<NewNode> = {},
): NewNode => ({
  opType,
  inputs,
  outputs,
  name: '',
  ...more,
});
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const edit = (at: NodeInfo, by: NodeEdit): ModelEdits => ({ nodes: new Map([[at, by]]) });
const branchOf = (model: OnnxModel) => model.graph.nodes[2].attributes.get('then_branch')!.g!;

async function bytesOf(model: OnnxModel, edits: ModelEdits): Promise<Uint8Array<ArrayBuffer>> {
  const file = composeOnnx(model, edits);
  const bytes = new Uint8Array(await file.toBlob().arrayBuffer());
  expect(file.size).toBe(bytes.length);
  return bytes;
}

async function run(bytes: Uint8Array, c: boolean): Promise<Record<string, number[]>> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const x = new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2]);
  const made = await session.run({ x, c: new ort.Tensor('bool', [c], []) });
  await session.release();
  return Object.fromEntries(Object.entries(made).map(([k, t]) => [k, Array.from(t.data as Float32Array)]));
}

/** The sum doubled, plus 1 on the first feature: under its old name, so that all of its readers get it. */
function doubled(model: OnnxModel): ModelEdits {
  return {
    nodes: new Map([
      [
        model.graph.nodes[0],
        {
          outputs: ['sum_raw'],
          after: [
            newNode('Mul', ['sum_raw', 'two'], ['sum_scaled'], { name: 'scale' }),
            newNode('Add', ['sum_scaled', 'one'], ['sum']),
          ],
        },
      ],
    ]),
    addInitializers: [
      { name: 'two', dataType: 1, dims: [1], data: floats(2) },
      { name: 'one', dataType: 1, dims: [2], data: floats(1, 0) },
    ],
  };
}

describe('nodes behind a node', () => {
  it('give its value under the old name: outputs of the graph and reads from branches go on', async () => {
    const model = await open(ORIGINAL);
    const bytes = await bytesOf(model, doubled(model));
    const { inputs, outputs, initializers, nodes } = ORIGINAL;
    const expected = buildModel({
      ...ORIGINAL,
      extra: new Uint8Array(0),
      nodes: [
        node('Add', ['x', 'v'], ['sum_raw'], {}, { name: 'add', doc: 'kept' }),
        node('Mul', ['sum_raw', 'two'], ['sum_scaled'], {}, { name: 'scale' }),
        node('Add', ['sum_scaled', 'one'], ['sum']),
        ...nodes!.slice(1),
      ],
    });
    // What the edit adds to the graph comes last: before it, every byte is as the independent encoder has it.
    const again = await openOnnx(new Blob([bytes]));
    const last = again.graph.initializers.at(-2)!.field.start;
    const unknown = wire.text(800, 'graph').length;
    const same = last - unknown - again.graph.body.start;
    const reference = await openOnnx(new Blob([expected as Uint8Array<ArrayBuffer>]));
    const from = reference.graph.body.start;
    expect(bytes.subarray(again.graph.body.start, last - unknown)).toEqual(
      new Uint8Array(expected).subarray(from, from + same),
    );
    expect([again.graph.inputs.length, again.graph.outputs.length, again.graph.initializers.length]).toEqual([
      inputs!.length,
      outputs!.length,
      initializers!.length + 2,
    ]);
    // x + v = [2, 4, 4, 6]; doubled [5, 8, 9, 12]; times w [5 + 16, 8, 9 + 24, 12].
    expect(await run(bytes, false)).toEqual({ sum: [5, 8, 9, 12], y: [26, 16, 42, 24] });
    expect(await run(bytes, true)).toEqual({ sum: [5, 8, 9, 12], y: [16, 0, 24, 0] });
    expect(await run(buildModel(ORIGINAL), true)).toEqual({ sum: [2, 4, 4, 6], y: [8, 0, 12, 0] });
  });

  it('are added inside a branch, byte for byte', async () => {
    const model = await open({ ...ORIGINAL, padLengths: 2 });
    const edits = edit(branchOf(model).nodes[0], {
      outputs: ['t_raw'],
      after: [
        newNode('Transpose', ['t_raw'], ['tt'], { attributes: new Map([['perm', { ints: [0, 1] }]]) }),
        newNode('Concat', ['tt', 'sum'], ['t'], { attributes: new Map([['axis', { i: -2 }]]) }),
      ],
    });
    const short = await open(ORIGINAL);
    const same = edit(branchOf(short).nodes[0], edits.nodes!.values().next().value as NodeEdit);
    const bytes = await bytesOf(short, same);
    expect(bytes).toEqual(
      new Uint8Array(
        buildModel(
          spec(
            [ADD],
            [
              node('Sub', ['m', 'sum'], ['t_raw']),
              node('Transpose', ['t_raw'], ['tt'], { perm: [0, 1] }),
              node('Concat', ['tt', 'sum'], ['t'], { axis: -2n }),
            ],
          ),
        ),
      ),
    );
    expect((await run(bytes, true)).y).toEqual([8, 0, 12, 0, 2, 4, 4, 6]);
    expect((await run(await bytesOf(model, edits), true)).y).toEqual((await run(bytes, true)).y);
    const inner = branchOf(await openOnnx(new Blob([bytes]))).nodes;
    expect(inner[1].attributes.get('perm')!.ints).toEqual([0, 1]);
    expect(inner[2].attributes.get('axis')!.i).toBe(-2);
  });

  it('of a custom domain keep it, and a node with nothing behind it stays', async () => {
    const model = await open(ORIGINAL);
    const source = new Uint8Array(await model.source.arrayBuffer());
    expect(await bytesOf(model, edit(model.graph.nodes[1], { outputs: ['m'], after: [] }))).toEqual(source);
    const behind = [newNode('Gelu', ['m'], ['g'], { domain: 'com.microsoft' })];
    const bytes = await bytesOf(model, edit(model.graph.nodes[1], { after: behind }));
    const { nodes } = (await openOnnx(new Blob([bytes]))).graph;
    expect(nodes.map((n) => `${n.domain}:${n.opType}`)).toEqual([
      ':Add',
      ':MatMul',
      'com.microsoft:Gelu',
      ':If',
    ]);
  });
});

describe('names', () => {
  const FUNCTIONS = wire.bytes(
    25,
    wire.concat(
      wire.text(1, 'F'),
      wire.text(10, 'own'),
      wire.text(4, 'a'),
      wire.text(5, 'b'),
      wire.bytes(7, wire.concat(wire.text(1, 'a'), wire.text(2, 'b'), wire.text(4, 'Neg'))),
    ),
  );
  const behind = (name: string) => [newNode('Neg', ['sum'], [name])];
  it.each<[string, (m: OnnxModel) => ModelEdits, string, RegExp]>([
    ['of another value', (m) => edit(m.graph.nodes[0], { after: behind('m') }), 'bad-data', /a value "m"/],
    ['of an input', (m) => edit(m.graph.nodes[0], { outputs: ['x'] }), 'bad-data', /a value "x"/],
    ['of a value in a branch', (m) => edit(m.graph.nodes[0], { after: behind('t') }), 'bad-data', /"t"/],
    ['of a value around', (m) => edit(branchOf(m).nodes[0], { after: behind('w') }), 'bad-data', /"w"/],
    ['twice', (m) => edit(m.graph.nodes[0], { after: [...behind('k'), ...behind('k')] }), 'bad-data', /"k"/],
    [
      'of a new tensor in a branch',
      (m) => ({
        ...edit(branchOf(m).nodes[0], { after: behind('two') }),
        addInitializers: doubled(m).addInitializers!,
      }),
      'bad-data',
      /"two"/,
    ],
    [
      'too few',
      (m) => edit(m.graph.nodes[0], { outputs: [] }),
      'bad-data',
      /"add" has 1 outputs and cannot be given 0/,
    ],
    [
      'in a function',
      (m) => edit(m.functions[0].nodes[0], { after: behind('k') }),
      'bad-reference',
      /"Neg" is in a function/,
    ],
  ])('%s are refused', async (_, edits, code, words) => {
    const model = await open({ ...ORIGINAL, suffix: FUNCTIONS });
    expect(() => composeOnnx(model, edits(model))).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(words) }),
    );
  });

  it('may be those of the branch beside, and of what leaves', async () => {
    const model = await open(ORIGINAL);
    const edits: ModelEdits = {
      nodes: new Map<NodeInfo, NodeEdit | 'drop'>([
        [branchOf(model).nodes[0], { after: [newNode('Neg', ['t'], ['e'])] }],
        [model.graph.nodes[1], 'drop'],
        [model.graph.nodes[0], { after: [newNode('MatMul', ['sum', 'w'], ['m'])] }],
      ]),
    };
    expect((await run(await bytesOf(model, edits), true)).y).toEqual([8, 0, 12, 0]);
  });
});
