/**
 * Flat models of files with functions and branches compute what the files compute, and know where their tensors are.
 */
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { openOnnx } from '../onnx/reader.ts';
import { rawFields } from '../onnx/rewrite.ts';
import { composeOnnx } from '../onnx/writer.ts';
import {
  buildModel,
  constant,
  f32,
  graph,
  input,
  type ModelSpec,
  type NodeSpec,
  node,
  output,
  tensor,
  wire,
} from '../testing/onnx-builder.ts';
import { flatten } from './flatten.ts';
import { siteOf } from './sites.ts';
import type { FlatModel, PartUse } from './types.ts';

const DOMAIN = 'local';

/** FunctionProto: name 1, input 4, output 5, attribute 6, node 7, opset_import 9, domain 10. */
function functionField(f: {
  name: string;
  inputs: string[];
  outputs: string[];
  attributes?: string[];
  nodes: NodeSpec[];
}): Uint8Array {
  const model = buildModel({ nodes: f.nodes });
  const graphField = [...rawFields(model)].find((x) => x.field === 7)!;
  const inside = model.subarray(graphField.body, graphField.end);
  const nodes = [...rawFields(inside)].filter((x) => x.field === 1);
  const opset = (domain: string, version: number) =>
    wire.bytes(9, wire.concat(wire.text(1, domain), wire.varint(2, version)));
  return wire.bytes(
    25,
    wire.concat(
      wire.text(1, f.name),
      ...f.inputs.map((v) => wire.text(4, v)),
      ...f.outputs.map((v) => wire.text(5, v)),
      ...(f.attributes ?? []).map((v) => wire.text(6, v)),
      ...nodes.map((n) => wire.bytes(7, inside.subarray(n.body, n.end))),
      opset('', 17),
      opset(DOMAIN, 1),
      wire.text(10, DOMAIN),
    ),
  );
}

/** An attribute that is the function's own of that name. */
const refers = (name: string, to: string, type: number) =>
  wire.bytes(5, wire.concat(wire.text(1, name), wire.varint(20, type), wire.text(21, to)));

const local = { domain: DOMAIN };
const base = { opset: 17, domains: { [DOMAIN]: 1 } } as const;
const x = input('x', 'float', [2, 4]);
const y = output('y', 'float', [2, 4]);

async function flat(
  spec: ModelSpec,
  options: { widen?: boolean; fixed?: PartUse['fixed'] } = {},
): Promise<FlatModel> {
  const model = await openOnnx(new Blob([buildModel(spec)]));
  const use: PartUse = {
    part: { role: 'model', fileName: 'model.onnx', model },
    prefix: '',
    inputs: new Map(),
    fixed: options.fixed ?? new Map(),
    keepsOutput: () => true,
  };
  return flatten([use], { widen: options.widen ?? false });
}

async function run(bytes: Uint8Array, feeds: Record<string, ort.Tensor> = {}): Promise<number[]> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const values = Float32Array.from({ length: 8 }, (_, i) => i - 3.5);
  const given: Record<string, ort.Tensor> = { x: new ort.Tensor('float32', values, [2, 4]), ...feeds };
  const { y: made } = await session.run(
    Object.fromEntries(session.inputNames.map((name) => [name, given[name]])),
  );
  return Array.from(made.data as Float32Array);
}

async function bytesOf({ model }: FlatModel): Promise<Uint8Array> {
  return new Uint8Array(await composeOnnx(model, {}).toBlob().arrayBuffer());
}

async function expectSame(spec: ModelSpec): Promise<FlatModel> {
  const made = await flat(spec);
  expect(await run(await bytesOf(made))).toEqual(await run(buildModel(spec)));
  return made;
}

const slope = functionField({
  name: 'Slope',
  inputs: ['a'],
  outputs: ['b'],
  attributes: ['alpha'],
  nodes: [node('LeakyRelu', ['a'], ['b'], {}, { extra: refers('alpha', 'alpha', 1) })],
});

describe('functions', () => {
  test('a function that hands its attribute on to another one', async () => {
    const outer = functionField({
      name: 'Outer',
      inputs: ['a'],
      outputs: ['c'],
      attributes: ['slope'],
      nodes: [
        node('Slope', ['a'], ['b'], {}, { ...local, extra: refers('alpha', 'slope', 1) }),
        node('Neg', ['b'], ['c']),
      ],
    });
    const made = await expectSame({
      ...base,
      inputs: [x],
      outputs: [y],
      nodes: [
        node('Outer', ['x'], ['m'], { slope: 0.25 }, local),
        node('Outer', ['m'], ['y'], { slope: 0.5 }, local),
      ],
      suffix: wire.concat(slope, outer),
    });
    expect(made.model.graph.nodes.map((n) => n.opType)).toEqual(['LeakyRelu', 'Neg', 'LeakyRelu', 'Neg']);
  });

  test('an attribute that only a nested graph of the function refers to', async () => {
    const choose = functionField({
      name: 'Choose',
      inputs: ['a', 'when'],
      outputs: ['b'],
      attributes: ['alpha'],
      nodes: [
        node('If', ['when'], ['b'], {
          then_branch: graph({
            nodes: [node('LeakyRelu', ['a'], ['t'], {}, { extra: refers('alpha', 'alpha', 1) })],
            outputs: [output('t', 'float')],
          }),
          else_branch: graph({ nodes: [node('Neg', ['a'], ['e'])], outputs: [output('e', 'float')] }),
        }),
      ],
    });
    await expectSame({
      ...base,
      inputs: [x],
      outputs: [y],
      nodes: [
        node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
        node('Less', ['sum', 'zero'], ['when']),
        node('Not', ['when'], ['not']),
        node('Choose', ['x', 'not'], ['y'], { alpha: 0.25 }, local),
      ],
      initializers: [f32('zero', [], [0])],
      suffix: choose,
    });
  });

  test('a call inside of a branch that may or may not be taken', async () => {
    await expectSame({
      ...base,
      inputs: [x],
      outputs: [y],
      nodes: [
        node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
        node('Less', ['sum', 'one'], ['when']),
        node('If', ['when'], ['y'], {
          then_branch: graph({
            nodes: [node('Slope', ['x'], ['t'], { alpha: 0.25 }, local)],
            outputs: [output('t', 'float')],
          }),
          else_branch: graph({ nodes: [node('Neg', ['x'], ['e'])], outputs: [output('e', 'float')] }),
        }),
      ],
      initializers: [f32('one', [], [1])],
      suffix: slope,
    });
  });

  test('the type that a call hands on to a Cast is widened', async () => {
    const cast = functionField({
      name: 'CastAs',
      inputs: ['a'],
      outputs: ['b'],
      attributes: ['to'],
      nodes: [node('Cast', ['a'], ['b'], {}, { extra: refers('to', 'to', 2) })],
    });
    const spec: ModelSpec = {
      ...base,
      inputs: [x],
      outputs: [output('y', 'float16', [2, 4])],
      nodes: [node('CastAs', ['x'], ['h'], { to: 10 }, local), node('Add', ['h', 'one'], ['y'])],
      initializers: [tensor('one', 'float16', [1], [0x3c00])],
      suffix: cast,
    };
    const made = await flat(spec, { widen: true });
    expect(await run(await bytesOf(made))).toEqual([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 4.5]);
  });
});

describe('constants', () => {
  test('a small tensor of a Constant node is known by the value that it makes', async () => {
    const spec: ModelSpec = {
      ...base,
      inputs: [x],
      outputs: [y],
      // Exporters give the tensors of Constant nodes no names, or all the same one.
      nodes: [
        constant('one', f32('value', [4], [1, 1, 1, 1])),
        constant('two', f32('value', [4], [2, 2, 2, 2])),
        node('Add', ['x', 'one'], ['m']),
        node('Mul', ['m', 'two'], ['y']),
      ],
    };
    const made = await expectSame(spec);
    const [first, second] = made.model.graph.nodes.map((n) => n.attributes.get('value')?.t);
    const { part } = made.uses[0];
    const [a, b] = part.model.graph.nodes.map((n) => n.attributes.get('value')?.t);
    expect(made.storedAs(first!)?.tensor).toBe(a);
    expect(made.storedAs(second!)?.tensor).toBe(b);
  });
});

describe('sites', () => {
  test('a weight that a branch in a function reads is the input of the call', async () => {
    const take = functionField({
      name: 'Take',
      inputs: ['a', 'w'],
      outputs: ['b'],
      nodes: [
        constant('yes', tensor('', 'bool', [], [1])),
        node('If', ['yes'], ['b'], {
          then_branch: graph({ nodes: [node('MatMul', ['a', 'w'], ['t'])], outputs: [output('t', 'float')] }),
          else_branch: graph({ nodes: [node('Neg', ['a'], ['e'])], outputs: [output('e', 'float')] }),
        }),
      ],
    });
    const made = await expectSame({
      ...base,
      inputs: [x],
      outputs: [y],
      nodes: [node('Take', ['x', 'w1'], ['m'], {}, local), node('Take', ['m', 'w2'], ['y'], {}, local)],
      initializers: [1, 2].map((k) =>
        f32(
          `w${k}`,
          [4, 4],
          Array.from({ length: 16 }, (_, i) => (i % 5) - k),
        ),
      ),
      suffix: take,
    });
    const products = made.model.graph.nodes.filter((n) => n.opType === 'MatMul');
    const sites = products.map((n) => siteOf(made, n, 1)!);
    expect(sites.map((s) => [s.scope.kind, s.node.opType, s.node.inputs[s.input]])).toEqual([
      ['graph', 'Take', 'w1'],
      ['graph', 'Take', 'w2'],
    ]);
  });
});

describe('inputs and outputs', () => {
  test('an input that is an output, too', async () => {
    const made = await flat({
      ...base,
      inputs: [x, input('mask', 'float', [1])],
      outputs: [y, output('mask', 'float', [1])],
      nodes: [node('Neg', ['x'], ['y'])],
    });
    expect(made.model.graph.inputs.map((v) => v.name)).toEqual(['x', 'mask']);
    await run(await bytesOf(made), { mask: new ort.Tensor('float32', [1], [1]) });
  });

  test('an If in an If, both chosen, with initializers of one name', async () => {
    const inner = (name: string, by: number) =>
      graph({
        nodes: [node('Mul', ['m', 'k'], [name])],
        initializers: [f32('k', [1], [by])],
        outputs: [output(name, 'float')],
      });
    const spec: ModelSpec = {
      ...base,
      inputs: [x, input('flag', 'bool', [1])],
      outputs: [y],
      nodes: [
        node('If', ['flag'], ['y'], {
          then_branch: graph({ nodes: [node('Neg', ['x'], ['t'])], outputs: [output('t', 'float')] }),
          else_branch: graph({
            nodes: [
              node('Mul', ['x', 'k0'], ['m']),
              node('If', ['flag'], ['o'], { then_branch: inner('p', 2), else_branch: inner('q', 3) }),
            ],
            initializers: [f32('k0', [1], [5])],
            outputs: [output('o', 'float')],
          }),
        }),
      ],
    } as unknown as ModelSpec;
    const made = await flat(spec, { fixed: new Map([['flag', false]]) });
    const flag = { flag: new ort.Tensor('bool', [false], [1]) };
    expect(await run(await bytesOf(made))).toEqual(await run(buildModel(spec), flag));
  });
});
