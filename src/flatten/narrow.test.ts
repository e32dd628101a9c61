/** Small graphs narrowed to float16: what becomes f16, what stays f32 and where the Casts are; run in onnxruntime-node. */
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { openOnnx } from '../onnx/reader.ts';
import { readFloats } from '../onnx/tensors.ts';
import type { OnnxModel } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import {
  buildBlob,
  constant,
  f32,
  float,
  graph,
  i64,
  input,
  type ModelSpec,
  node,
  output,
  tensor,
  valueInfo,
} from '../testing/onnx-builder.ts';
import { narrowModel } from './narrow.ts';

async function narrow(spec: ModelSpec) {
  const before = buildBlob(spec);
  const { files, blocked } = await narrowModel(await openOnnx(before), 'half.onnx');
  expect(files).toHaveLength(1);
  const after = files[0].toBlob();
  const model = await openOnnx(after);
  const run = async (blob: Blob, feeds: Record<string, ort.Tensor>) => {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    const results = await session.run(feeds);
    await session.release();
    return Object.fromEntries(
      Object.entries(results).map(([k, v]) => [k, Array.from(v.data as Float32Array)]),
    );
  };
  return {
    model,
    blocked,
    before: (feeds: Record<string, ort.Tensor>) => run(before, feeds),
    after: (feeds: Record<string, ort.Tensor>) => run(after, feeds),
  };
}

const x = (values: number[], dims = [values.length]) =>
  new ort.Tensor('float32', Float32Array.from(values), dims);
const typeOf = ({ graph: g }: OnnxModel, name: string) =>
  g.initializers.find((t) => t.name === name)?.dataType;
const valuesOf = async (model: OnnxModel, name: string) => {
  const made = model.graph.nodes.find((n) => n.outputs[0] === name)?.attributes.get('value')?.t;
  return [...(await readFloats(model, made ?? model.graph.initializers.find((t) => t.name === name)!))];
};
const ops = ({ graph: g }: OnnxModel) => g.nodes.map((n) => n.opType);
/** Types that Cast nodes give, by what they read. */
const casts = ({ graph: g }: OnnxModel) =>
  Object.fromEntries(
    g.nodes.filter((n) => n.opType === 'Cast').map((n) => [n.inputs[0], n.attributes.get('to')?.i]),
  );
const many = Array.from({ length: 512 }, (_, i) => Math.sin(i));
const io = (dims: number[]) => ({
  inputs: [input('x', 'float', dims)],
  outputs: [output('y', 'float', dims)],
});

describe('constants', () => {
  test('finite values stay finite wherever they are kept, the others stay what they are', async () => {
    const values = [-3.4028235e38, 65519, 65520, 1e-9, Number.NEGATIVE_INFINITY, Number.NaN, 0.1];
    const { model, after } = await narrow({
      ...io([7]),
      initializers: [f32('a', [7], values), i64('shape', [1], [7])],
      nodes: [
        constant('b', f32('', [7], values, 'typed')),
        node('Constant', [], ['c'], { value_float: float(-1e30) }),
        node('Constant', [], ['d'], { value_floats: float(values) }),
        node('ConstantOfShape', ['shape'], ['e'], { value: f32('', [1], [1e38]) }),
        ...['a', 'b', 'c', 'd', 'e'].map((v, i) =>
          node('Max', [i ? `v${i}` : 'x', v], [i < 4 ? `v${i + 1}` : 'y']),
        ),
      ],
    });
    const half = [-65504, 65504, 65504, 0, Number.NEGATIVE_INFINITY, Number.NaN, 0.0999755859375];
    for (const name of ['a', 'b', 'd']) expect(await valuesOf(model, name)).toEqual(half);
    expect(await valuesOf(model, 'c')).toEqual([-65504]);
    expect(await valuesOf(model, 'e')).toEqual([65504]);
    expect(typeOf(model, 'a')).toBe(DataType.float16);
    expect((await after({ x: x([1, 2, 3, 4, 5, 6, 7]) })).y[0]).toBe(65504);
  });

  test('one tensor that many nodes read is one float16 tensor, and its readers in float32 share one Cast', async () => {
    const { model, before, after } = await narrow({
      ...io([1, 512]),
      opset: 14,
      initializers: [f32('w', [1, 512], many), i64('axis', [], [1])],
      nodes: [
        node('Mul', ['x', 'w'], ['a']),
        node('Add', ['a', 'w'], ['b']),
        node('CumSum', ['w', 'axis'], ['c']),
        node('CumSum', ['w', 'axis'], ['d']),
        node('Sum', ['b', 'c', 'd'], ['y']),
      ],
    });
    expect(model.graph.initializers.filter((t) => t.dims.length === 2)).toHaveLength(1);
    expect(typeOf(model, 'w')).toBe(DataType.float16);
    expect(model.graph.nodes.filter((n) => n.inputs.includes('w')).map((n) => n.opType)).toEqual([
      'Cast',
      'Mul',
      'Add',
    ]);
    const feeds = { x: x(many, [1, 512]) };
    const [a, b] = [(await before(feeds)).y, (await after(feeds)).y];
    const largest = Math.max(...a.map(Math.abs));
    expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]))) / largest).toBeLessThan(2e-3);
  });

  test('a small one that is read in both is stored in both, exactly', async () => {
    const { model } = await narrow({
      ...io([1]),
      initializers: [f32('e', [1], [1e-7]), i64('axis', [], [0])],
      nodes: [
        node('Mul', ['x', 'e'], ['a']),
        node('CumSum', ['e', 'axis'], ['b']),
        node('Sum', ['a', 'b'], ['y']),
      ],
    });
    expect(await valuesOf(model, 'e')).toEqual([Math.fround(1e-7)]);
    expect(typeOf(model, 'e/float16')).toBe(DataType.float16);
  });

  test('half and whole-number tensors stay, and unread ones', async () => {
    const { model } = await narrow({
      ...io([2]),
      initializers: [
        tensor('h', 'float16', [2], [0x3c00, 0x4000]),
        i64('i', [1], [2]),
        f32('unread', [1], [3]),
      ],
      nodes: [
        node('Cast', ['h'], ['f'], { to: 1 }),
        node('Mul', ['x', 'f'], ['a']),
        node('Reshape', ['a', 'i'], ['y']),
      ],
      valueInfos: [valueInfo('a', 'float', [2]), valueInfo('f', 'float', [2])],
    });
    expect([typeOf(model, 'h'), typeOf(model, 'i'), typeOf(model, 'unread')]).toEqual([10, 7, 1]);
    expect(model.graph.valueInfos.map((v) => [v.name, v.elemType])).toEqual([
      ['a', DataType.float16],
      ['f', DataType.float16],
    ]);
    expect(casts(model).h).toBe(DataType.float16);
  });
});

describe('what float16 would spoil', () => {
  const norm = [
    node('Pow', ['x', 'two'], ['p']),
    node('ReduceMean', ['p'], ['m'], { axes: [1], keepdims: 1 }),
    node('Add', ['m', 'eps'], ['v']),
    node('Sqrt', ['v'], ['s']),
    node('Div', ['x', 's'], ['n']),
    node('Mul', ['n', 'w'], ['y']),
  ];
  const constants = [f32('two', [], [2]), f32('eps', [], [1e-12]), f32('w', [2], [1, 3])];

  test('a written-out normalisation keeps large squares and a tiny ε', async () => {
    const { model, blocked, after } = await narrow({
      ...io([1, 2]),
      opset: 13,
      initializers: constants,
      nodes: norm,
    });
    expect((await after({ x: x([900, -1200], [1, 2]) })).y[1]).toBeCloseTo(
      (-3 * 1200) / Math.sqrt(1125000),
      2,
    );
    expect((await after({ x: x([0, 0], [1, 2]) })).y).toEqual([0, 0]);
    expect(typeOf(model, 'eps')).toBe(DataType.float);
    expect(typeOf(model, 'w')).toBe(DataType.float16);
    expect(blocked).toEqual([
      'Pow, ReduceMean, Add, Sqrt, Div stay in float32: squares and their means overflow in float16, and the ε added to them vanishes.',
    ]);
  });

  test('what is divided by at least a tiny constant is not divided by zero', async () => {
    const { after } = await narrow({
      ...io([1, 2]),
      opset: 13,
      initializers: [f32('eps', [], [1e-12])],
      nodes: [
        node('ReduceL2', ['x'], ['l'], { axes: [1], keepdims: 1 }),
        node('Max', ['l', 'eps'], ['c']),
        node('Div', ['x', 'c'], ['y']),
      ],
    });
    expect((await after({ x: x([0, 0], [1, 2]) })).y).toEqual([0, 0]);
    expect((await after({ x: x([3e4, 4e4], [1, 2]) })).y[1]).toBeCloseTo(0.8, 3);
  });

  test('angles of positions over 2048 are those of whole numbers; those of activations are narrowed', async () => {
    const spec = {
      inputs: [input('p', 'int64', [2]), input('x', 'float', [2])],
      outputs: [output('y', 'float', [2]), output('z', 'float', [2])],
      initializers: [f32('f', [1], [0.5])],
      nodes: [
        node('Cast', ['p'], ['q'], { to: 1 }),
        node('Mul', ['q', 'f'], ['a']),
        node('Cos', ['a'], ['c']),
        node('Mul', ['c', 'x'], ['y']),
        node('Sin', ['x'], ['z']),
      ],
    };
    const { model, after, blocked } = await narrow(spec);
    const p = new ort.Tensor('int64', BigInt64Array.of(3001n, 4099n), [2]);
    const { y } = await after({ p, x: x([1, 1]) });
    expect(y[0]).toBeCloseTo(Math.cos(1500.5), 3);
    expect(y[1]).toBeCloseTo(Math.cos(2049.5), 3);
    expect(casts(model)).toMatchObject({ p: DataType.float, c: DataType.float16 });
    expect(blocked[0]).toContain('Cast, Mul, Cos stay in float32');
  });

  test('a Cast of whole numbers makes what its readers read', async () => {
    const { model } = await narrow({
      inputs: [input('i', 'int64', [2]), input('x', 'float', [2])],
      outputs: [output('y', 'float', [2]), output('z', 'float', [2])],
      initializers: [i64('axis', [], [0])],
      nodes: [
        node('Cast', ['i'], ['a'], { to: 1 }),
        node('Mul', ['x', 'a'], ['y']),
        node('Cast', ['i'], ['b'], { to: 1 }),
        node('CumSum', ['b', 'axis'], ['z']),
      ],
    });
    const made = (name: string) =>
      model.graph.nodes.find((n) => n.outputs[0] === name)?.attributes.get('to')?.i;
    expect([made('a'), made('b')]).toEqual([DataType.float16, DataType.float]);
  });
});

describe('what has no form in float16', () => {
  test('branches read float32 from around them, and weights in them are stored in half', async () => {
    const branch = (op: string) =>
      graph({
        outputs: [output(`${op}_out`, 'float', [1, 512])],
        nodes: [node(op, ['a', 'w'], [`${op}_out`])],
      });
    const spec = {
      inputs: [input('x', 'float', [1, 512]), input('c', 'bool', [])],
      outputs: [output('y', 'float', [1, 512])],
      initializers: [f32('w', [1, 512], many)],
      nodes: [
        node('Neg', ['x'], ['a']),
        node('If', ['c'], ['r'], { then_branch: branch('Add'), else_branch: branch('Mul') }),
        node('Mul', ['r', 'a'], ['y']),
      ],
    };
    const { model, blocked, before, after } = await narrow(spec);
    expect(typeOf(model, 'w')).toBe(DataType.float16);
    expect(ops(model)).toEqual(['Cast', 'Cast', 'Neg', 'Cast', 'If', 'Cast', 'Mul', 'Cast']);
    expect(blocked).toEqual(['If stays in float32: its branches stay as they are, with what they read.']);
    for (const c of [true, false]) {
      const feeds = {
        x: x(many, [1, 512]),
        c: new ort.Tensor('bool', Uint8Array.of(c ? 1 : 0) as never, []),
      };
      const [a, b] = [(await before(feeds)).y, (await after(feeds)).y];
      expect(Math.max(...a.map((v, i) => Math.abs(v - b[i])))).toBeLessThan(3e-3);
    }
  });

  test('operators that are not known are left alone, and so is what reads values of unknown types', async () => {
    const { model, blocked } = await narrow({
      ...io([2]),
      domains: { custom: 1 },
      initializers: [f32('w', [2], [1, 2])],
      nodes: [
        node('Mul', ['x', 'w'], ['a']),
        node('Odd', ['a', 'w'], ['b'], {}, { domain: 'custom' }),
        node('Relu', ['b'], ['y']),
      ],
    });
    expect(model.graph.nodes.find((n) => n.opType === 'Odd')?.inputs).toEqual(['a/float32', 'w']);
    expect(typeOf(model, 'w/float16')).toBe(DataType.float16);
    expect(blocked).toEqual([
      'Odd stays in float32: what an operator of custom does in float16 is not known.',
      'Relu stays in float32: the type of what it reads (“b”) is not recorded.',
    ]);
  });

  test('an operator that takes float16 only in later opsets waits for them', async () => {
    const spec = (opset: number) => ({ ...io([2]), opset, nodes: [node('Mish', ['x'], ['y'])] });
    expect((await narrow(spec(18))).blocked).toEqual([]);
    const early = { ...io([2]), opset: 12, nodes: [node('HardSwish', ['x'], ['y'])] };
    expect((await narrow(early)).blocked[0]).toContain('HardSwish stays in float32');
  });
});

test('a value that is an output and is read keeps its name in float32', async () => {
  const { model, after } = await narrow({
    inputs: [input('x', 'float', [2])],
    outputs: [output('a', 'float', [2]), output('y', 'float', [2]), output('w', 'float', [2])],
    initializers: [f32('w', [2], [1, 2])],
    nodes: [node('Mul', ['x', 'w'], ['a']), node('Relu', ['a'], ['y'])],
  });
  expect(ops(model)).toEqual(['Cast', 'Mul', 'Cast', 'Relu', 'Cast']);
  expect(model.graph.outputs.map((v) => v.elemType)).toEqual([1, 1, 1]);
  expect(await after({ x: x([-1, 3]) })).toEqual({ a: [-1, 6], y: [0, 6], w: [1, 2] });
});

test('initializers that are inputs too, as before IR version 4, change their type there', async () => {
  const { model, after } = await narrow({
    irVersion: 3,
    opset: 8,
    inputs: [input('x', 'float', [2]), input('w', 'float', [2])],
    outputs: [output('y', 'float', [2])],
    initializers: [f32('w', [2], [1, 2])],
    nodes: [node('Mul', ['x', 'w'], ['y'])],
  });
  expect(model.graph.inputs.map((v) => [v.name, v.elemType])).toEqual([
    ['x', DataType.float],
    ['w', DataType.float16],
  ]);
  expect(await after({ x: x([2, 2]) })).toEqual({ y: [2, 4] });
});
