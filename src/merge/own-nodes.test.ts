/** Own tensors and new nodes by hand: which are written, of what type and shape, and what is refused. */
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import type { WeightRole } from '../graph/weights.ts';
import { composeOnnx } from '../onnx/writer.ts';
import { openModel } from '../pipeline/opened.ts';
import { DataType } from '../tensor/dtype.ts';
import { toHalf } from '../tensor/half.ts';
import {
  buildModel,
  f32,
  i64,
  input,
  type ModelSpec,
  type NodeSpec,
  node,
  output,
  type TensorSpec,
  tensor,
} from '../testing/onnx-builder.ts';
import type { OwnLayer, OwnPlace, ValueChange } from './own.ts';
import { placesFor } from './own-places.ts';
import { tieFfns } from './write-back.ts';

const [ROWS, D, F] = [6, 4, 8];
const sines = (n: number, k: number) => Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + k) / 2);

/** Nodes from X to Z. */
type Up = (x: string, layer: number) => readonly NodeSpec[];

const plainUp: Up = (x, l) => [
  node('MatMul', [x, `u${l}`], [`m${l}`]),
  node('Add', [`m${l}`, `b${l}`], [`z${l}`]),
];

/** Two residual FFNs without a bias behind the second matrix. */
function model(up: Up, initializers: readonly TensorSpec[] = [], more: Partial<ModelSpec> = {}): ModelSpec {
  const layer = (l: number, x: string) => [
    ...up(x, l),
    node('Relu', [`z${l}`], [`h${l}`]),
    node('MatMul', [`h${l}`, `v${l}`], [`o${l}`]),
    node('Reshape', [`o${l}`, 'flat'], [`f${l}`]),
    node('Add', [x, `f${l}`], [`x${l}`]),
  ];
  return {
    opset: 17,
    inputs: [input('x', 'float', [ROWS, D])],
    outputs: [output('x1', 'float', [ROWS, D])],
    nodes: [...layer(0, 'x'), ...layer(1, 'x0')],
    initializers: [
      ...[0, 1].flatMap((l) => [
        f32(`u${l}`, [D, F], sines(D * F, l)),
        f32(`b${l}`, [F], sines(F, 7 + l)),
        f32(`v${l}`, [F, D], sines(D * F, 3 + l)),
      ]),
      i64('flat', [2], [ROWS, D]),
      ...initializers,
    ],
    ...more,
  };
}

const VALUES = new Map<WeightRole, Float32Array>([
  ['w_in', Float32Array.from(sines(D * F, 21))],
  ['b_in', Float32Array.from(sines(F, 22))],
  ['w_out', Float32Array.from(sines(D * F, 23))],
]);

const change = (inner: number, outer: number, k: number): ValueChange => ({
  scale: Float32Array.from(sines(outer, k), (v) => 1 + v),
  shift: Float32Array.from(sines(outer, k + 1)),
  delta: { rank: 1, a: Float32Array.from(sines(inner, k + 2)), b: Float32Array.from(sines(outer, k + 3)) },
});

async function edited(spec: ModelSpec, own: readonly OwnLayer[]) {
  const opened = await openModel(new Blob([buildModel(spec)]), 'model.onnx');
  expect(opened.search.refusals).toEqual([]);
  const [group] = opened.search.groups;
  expect(group.ffns).toHaveLength(2);
  const tied = { group, layers: [0, 1], values: VALUES, own };
  const { files, parametersSaved } = tieFfns(opened.views, [tied]);
  const [file] = opened.files;
  const edits = files.get(file)!;
  const bytes = new Uint8Array(await composeOnnx(file.model, edits).toBlob().arrayBuffer());
  return { opened, edits, bytes, parametersSaved };
}

async function run(bytes: Uint8Array): Promise<number[]> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const made = await session.run({
    x: new ort.Tensor('float32', Float32Array.from(sines(ROWS * D, 9)), [ROWS, D]),
  });
  return Array.from(made[session.outputNames[0]].data as Float32Array);
}

/** v ⊙ scale + from·a·b + shift of one row. */
function changed(v: number[], from: number[], { scale, shift, delta }: ValueChange = {}): number[] {
  const low = delta ? from.reduce((sum, f, i) => sum + f * delta.a[i], 0) : 0;
  return v.map((x, c) => x * (scale?.[c] ?? 1) + low * (delta?.b[c] ?? 0) + (shift?.[c] ?? 0));
}

/** The model by hand, of `VALUES` in both layers with what each has of its own. */
function byHand(own: readonly OwnLayer[]): number[] {
  const rows = Array.from({ length: ROWS }, (_, r) => sines(ROWS * D, 9).slice(r * D, r * D + D));
  const times = (row: number[], w: Float32Array, cols: number) =>
    Array.from({ length: cols }, (_, c) => row.reduce((sum, v, r) => sum + v * w[r * cols + c], 0));
  return rows.flatMap((first) =>
    own.reduce((x, { weights, changes }) => {
      const bias = weights?.get('b_in') ?? VALUES.get('b_in')!;
      const raw = times(x, VALUES.get('w_in')!, F).map((v, c) => v + bias[c]);
      const h = changed(
        changed(raw, x, changes?.get('in')).map((v) => Math.max(0, v)),
        [],
        changes?.get('hidden'),
      );
      const y = changed(times(h, VALUES.get('w_out')!, D), h, changes?.get('out'));
      return x.map((v, c) => v + y[c]);
    }, first),
  );
}

const close = (got: number[], want: number[], by = 1e-5) => {
  expect(got).toHaveLength(want.length);
  got.forEach((v, i) => {
    expect(Math.abs(v - want[i])).toBeLessThan(by);
  });
};

const { delta: _, ...HIDDEN } = change(D, F, 40);
const OWN: readonly OwnLayer[] = [
  {
    changes: new Map<OwnPlace, ValueChange>([
      ['in', change(D, F, 30)],
      ['hidden', HIDDEN],
      ['out', change(F, D, 50)],
    ]),
  },
  { changes: new Map<OwnPlace, ValueChange>([['in', { shift: change(D, F, 60).shift! }]]) },
];

describe('new nodes', () => {
  test('are those that are needed, in the order that the formula has', async () => {
    const { opened, edits, bytes, parametersSaved } = await edited(model(plainUp), OWN);
    const after = Object.fromEntries(
      [...edits.nodes!].flatMap(([n, e]) =>
        e !== 'drop' && e.after
          ? [[n.outputs[0], [e.outputs![0], ...e.after.map((a) => `${a.opType} → ${a.outputs[0]}`)]]]
          : [],
      ),
    );
    const name = (l: number, rest: string) => `layerfold.g0.${l}.${rest}`;
    expect(after).toEqual({
      z0: [
        name(0, 'in.raw'),
        `Mul → ${name(0, 'in.scaled')}`,
        `MatMul → ${name(0, 'in.low')}`,
        `MatMul → ${name(0, 'in.delta')}`,
        `Add → ${name(0, 'in.corrected')}`,
        'Add → z0',
      ],
      h0: [name(0, 'hidden.raw'), `Mul → ${name(0, 'hidden.scaled')}`, 'Add → h0'],
      o0: [
        name(0, 'out.raw'),
        `Mul → ${name(0, 'out.scaled')}`,
        `MatMul → ${name(0, 'out.low')}`,
        `MatMul → ${name(0, 'out.delta')}`,
        `Add → ${name(0, 'out.corrected')}`,
        'Add → o0',
      ],
      z1: [name(1, 'in.raw'), 'Add → z1'],
    });
    close(await run(bytes), byHand(OWN));
    expect(parametersSaved).toBe(2 * D * F + F - (2 * F + D + F + 2 * F + 2 * D + F + D + F));
    expect(opened.model.graph.nodes[0].outputs).toEqual(['m0']);
  });

  test('keep clear of names that the file has', async () => {
    const taken = [f32('layerfold.g0.0.in.scale', [1], [1]), f32('layerfold.g0.0.in.raw', [1], [1])];
    const { edits, bytes } = await edited(model(plainUp, taken), OWN);
    expect(edits.addInitializers!.map((t) => t.name)).toContain('layerfold.g0.0.in.scale.2');
    close(await run(bytes), byHand(OWN));
  });

  test('lay the rows of a delta as the value has them', async () => {
    // [6, 4] · [4, 8], then the bias on [2, 3, 8].
    const up: Up = (x, l) => [
      node('MatMul', [x, `u${l}`], [`m${l}`]),
      node('Reshape', [`m${l}`, 'cube'], [`c${l}`]),
      node('Add', [`c${l}`, `b${l}`], [`z${l}`]),
    ];
    const { opened, edits, bytes } = await edited(model(up, [i64('cube', [3], [2, 3, F])]), OWN);
    expect(placesFor(opened.views, opened.search.groups[0].ffns[0]).get('in')).toEqual({
      possible: true,
      delta: true,
    });
    const types = [...edits.nodes!.values()]
      .flatMap((e) => (e === 'drop' ? [] : (e.after ?? [])))
      .map((n) => n.opType);
    expect(types.filter((t) => t === 'Reshape' || t === 'Shape')).toEqual(['Shape', 'Reshape']);
    close(await run(bytes), byHand(OWN));
  });

  test('have the element type of the value, and the factors of a delta that of what they multiply', async () => {
    const halves = [0, 1].map((l) => tensor(`u${l}`, 'float16', [D, F], sines(D * F, l).map(toHalf)));
    const up: Up = (x, l) => [
      node('Cast', [x], [`x16${l}`], { to: 10 }),
      node('MatMul', [`x16${l}`, `u${l}`], [`m${l}`]),
      node('Cast', [`m${l}`], [`w${l}`], { to: 1 }),
      node('Add', [`w${l}`, `b${l}`], [`z${l}`]),
    ];
    const spec = model(up);
    const initializers = spec.initializers!.filter((t) => !t.name.startsWith('u'));
    const { edits, bytes } = await edited({ ...spec, initializers: [...initializers, ...halves] }, OWN);
    const typeOf = (name: string) =>
      edits.addInitializers!.find((t) => t.name.endsWith(`0.${name}`))!.dataType;
    expect(['in.scale', 'in.a', 'in.b', 'in.shift', 'out.a'].map(typeOf)).toEqual([
      DataType.float,
      DataType.float16,
      DataType.float16,
      DataType.float,
      DataType.float,
    ]);
    close(await run(bytes), byHand(OWN), 5e-3);
  });

  test('of an older file are listed with its inputs', async () => {
    const spec = model(plainUp);
    const listed = spec.initializers!.map((t) => input(t.name, t.type, t.dims));
    const older = { ...spec, opset: 8, irVersion: 3, inputs: [...spec.inputs!, ...listed] };
    const { bytes } = await edited(older, OWN);
    close(await run(bytes), byHand(OWN));
  });

  test('nothing to change is nothing written', async () => {
    const nothing = [{ changes: new Map<OwnPlace, ValueChange>([['in', {}]]) }, {}];
    const { edits, bytes } = await edited(model(plainUp), nothing);
    expect([...edits.nodes!.values()].some((e) => e !== 'drop' && e.after)).toBe(false);
    close(await run(bytes), byHand(nothing));
  });
});

describe('own weights', () => {
  const biases = [0, 1].map(
    (l) => new Map<WeightRole, Float32Array>([['b_in', Float32Array.from(sines(F, 70 + l))]]),
  );
  const own = biases.map((weights) => ({ weights }));

  test('take the place of the layer’s own tensor', async () => {
    const { edits, bytes, parametersSaved } = await edited(model(plainUp), own);
    expect(edits.addInitializers).toEqual([]);
    expect([...edits.tensors!].map(([t, e]) => [t.name, e === 'drop' ? e : 'new'])).toEqual([
      ['u0', 'new'],
      ['b0', 'new'],
      ['b1', 'new'],
      ['v0', 'new'],
      ['u1', 'drop'],
      ['v1', 'drop'],
    ]);
    expect(parametersSaved).toBe(2 * D * F);
    close(await run(bytes), byHand(own));
  });

  test('are new tensors where the layers share one, which leaves with its last reader', async () => {
    const shared: Up = (x, l) => [
      node('MatMul', [x, `u${l}`], [`m${l}`]),
      node('Add', [`m${l}`, 'b0'], [`z${l}`]),
    ];
    const spec = model(shared);
    const once = { ...spec, initializers: spec.initializers!.filter((t) => t.name !== 'b1') };
    const { edits, bytes, parametersSaved } = await edited(once, own);
    expect(edits.addInitializers!.map((t) => t.name)).toEqual(['layerfold.g0.0.b_in', 'layerfold.g0.1.b_in']);
    expect([...edits.tensors!].filter(([, e]) => e === 'drop').map(([t]) => t.name)).toContain('b0');
    expect(parametersSaved).toBe(2 * D * F - F);
    close(await run(bytes), byHand(own));
  });
});

describe('refusals', () => {
  const at = (place: OwnPlace, by: ValueChange): OwnLayer[] => [{ changes: new Map([[place, by]]) }, {}];
  const floats = (n: number) => new Float32Array(n);
  test.each<[string, OwnLayer[], RegExp]>([
    ['a layer too few', [{}], /^2 layers were given 1 entries/],
    [
      'a weight that the FFN does not have',
      [{ weights: new Map([['b_out', floats(D)]]) }, {}],
      /“b_out” of its own, which/,
    ],
    [
      'a weight of one layer only',
      [{ weights: new Map([['b_in', floats(F)]]) }, {}],
      /“b_in” is not tied, but layer 2 was given none/,
    ],
    [
      'a gate where there is none',
      at('gate', { scale: floats(F) }),
      /“gate” cannot be changed: the FFN has no gate/,
    ],
    [
      'a scale of another size',
      at('out', { scale: floats(F) }),
      /scale of “out” has 8 values where 4 were expected/,
    ],
    ['a delta of hidden units', at('hidden', change(D, F, 1)), /no low-rank delta/],
    ['a delta of another size', at('in', change(F, F, 1)), /first factor of “in” has 8 values where 4/],
  ])('%s', async (_name, own, words) => {
    await expect(edited(model(plainUp), own)).rejects.toThrow(words);
  });

  test('an operator set without broadcasting', async () => {
    const opened = await openModel(new Blob([buildModel(model(plainUp, [], { opset: 6 }))]), 'model.onnx');
    const [group] = opened.search.groups;
    expect(placesFor(opened.views, group.ffns[0]).get('in')).toEqual({
      possible: false,
      reason: 'the file is of operator set 6, which has no broadcasting',
    });
  });
});
