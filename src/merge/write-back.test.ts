/** Files with merged FFNs run, and what layers outside of a set read stays as it was. */
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import type { WeightRole } from '../graph/weights.ts';
import { composeOnnx } from '../onnx/writer.ts';
import { openModel } from '../pipeline/opened.ts';
import { toHalf } from '../tensor/half.ts';
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
  type TensorSpec,
  tensor,
} from '../testing/onnx-builder.ts';
import { asKept } from './as-kept.ts';
import { tieFfns } from './write-back.ts';

const D = 4;
const F = 8;
const LAYERS = 3;
const sines = (n: number, k: number) => Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + k) / 2);
const half = (name: string, dims: readonly number[], values: readonly number[]) =>
  tensor(name, 'float16', dims, values.map(toHalf));

/** Three FFNs with one bias `b` of all; `read` gives the name by which a tensor is read. */
function model(initializers: TensorSpec[], read: (name: string, into: NodeSpec[]) => string): ModelSpec {
  const nodes: NodeSpec[] = [];
  for (let l = 0; l < LAYERS; l++) {
    const x = l === 0 ? 'x' : `x${l - 1}`;
    nodes.push(
      node('MatMul', [x, read(`u${l}`, nodes)], [`m${l}`]),
      node('Add', [`m${l}`, read('b', nodes)], [`z${l}`]),
      node('Relu', [`z${l}`], [`h${l}`]),
      node('MatMul', [`h${l}`, read(`v${l}`, nodes)], [`o${l}`]),
      node('Add', [x, `o${l}`], [`x${l}`]),
    );
  }
  return {
    opset: 17,
    inputs: [input('x', 'float', ['n', D])],
    outputs: [output(`x${LAYERS - 1}`, 'float', ['n', D])],
    nodes,
    initializers,
  };
}

async function run(bytes: Uint8Array): Promise<number[]> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const x = new ort.Tensor('float32', Float32Array.from(sines(3 * D, 9)), [3, D]);
  const made = await session.run({ x });
  return Array.from(made[session.outputNames[0]].data as Float32Array);
}

/** Ties layers to the values of the first and gives the new file. */
async function tied(
  spec: ModelSpec,
  layers: readonly number[],
  valuesOf: Readonly<Record<string, number[]>>,
) {
  const opened = await openModel(new Blob([buildModel(spec)]), 'model.onnx');
  const [group] = opened.search.groups;
  expect(group.ffns).toHaveLength(LAYERS);
  const values = new Map(
    Object.entries(valuesOf).map(([role, v]) => [role as WeightRole, Float32Array.from(v)]),
  );
  const { files } = tieFfns(opened.views, [{ group, layers, values }]);
  const [file] = opened.files;
  const blob = composeOnnx(file.model, files.get(file)!).toBlob();
  return new Uint8Array(await blob.arrayBuffer());
}

function close(got: number[], want: number[], by: number): void {
  expect(got).toHaveLength(want.length);
  got.forEach((v, i) => {
    expect(Math.abs(v - want[i])).toBeLessThan(by);
  });
}

const MERGED = { w_in: sines(D * F, 21), b_in: sines(F, 22), w_out: sines(D * F, 23) };

/** The same model with the merged values in layers of its own. */
function byHand(
  layers: readonly number[],
  others: (k: string, n: number) => number[],
  values = MERGED,
): ModelSpec {
  const weights = Array.from({ length: LAYERS }, (_, l) => {
    const isMerged = layers.includes(l);
    return [
      f32(`u${l}`, [D, F], isMerged ? values.w_in : others(`u${l}`, D * F)),
      f32(`b${l}`, [F], isMerged ? values.b_in : others('b', F)),
      f32(`v${l}`, [F, D], isMerged ? values.w_out : others(`v${l}`, D * F)),
    ];
  }).flat();
  let layer = 0;
  return model(weights, (name) => (name === 'b' ? `b${layer++}` : name));
}

const seeds: Readonly<Record<string, number>> = { u0: 0, u1: 1, u2: 2, v0: 3, v1: 4, v2: 5, b: 6 };
const original = (name: string, n: number) => sines(n, seeds[name]);
const shapes: readonly [string, number[]][] = [
  ...[0, 1, 2].flatMap((l): [string, number[]][] => [
    [`u${l}`, [D, F]],
    [`v${l}`, [F, D]],
  ]),
  ['b', [F]],
];

test('zero points that all weights share stay, and the codes stay codes', async () => {
  const codes = (k: number, n: number) =>
    Array.from({ length: n }, (_, i) => ((i * 37 + k * 11) % 251) - 125);
  const initializers = shapes.flatMap(([n, dims], k) => {
    if (n === 'b') return [f32(n, dims, original(n, F))];
    return [tensor(`${n}/q`, 'int8', dims, codes(k, D * F)), f32(`${n}/s`, [], [0.003 + k / 1e4])];
  });
  const spec = model([...initializers, tensor('zero', 'int8', [], [0])], (name, into) => {
    if (name !== 'b') into.push(node('DequantizeLinear', [`${name}/q`, `${name}/s`, 'zero'], [name]));
    return name;
  });
  const opened = await openModel(new Blob([buildModel(spec)]), 'model.onnx');
  const [group] = opened.search.groups;
  const kept = await asKept(
    opened.views[0].flat,
    group.ffns[0],
    new Map(Object.entries(MERGED).map(([role, v]) => [role as WeightRole, Float32Array.from(v)])),
  );
  const { files } = tieFfns(opened.views, [{ group, layers: [0, 1], values: kept.values }]);
  const edits = files.get(opened.files[0])!;
  expect(edits.addInitializers?.map((t) => t.dims)).toEqual([[F]]);
  const bytes = new Uint8Array(await composeOnnx(opened.files[0].model, edits).toBlob().arrayBuffer());
  const decoded = (name: string, n: number) => {
    const k = shapes.findIndex(([s]) => s === name);
    return name === 'b' ? original(name, n) : codes(k, n).map((c) => c * Math.fround(0.003 + k / 1e4));
  };
  const keptValues = (role: WeightRole) => Array.from(kept.values.get(role)!);
  const merged = { w_in: keptValues('w_in'), b_in: keptValues('b_in'), w_out: keptValues('w_out') };
  close(await run(bytes), await run(buildModel(byHand([0, 1], decoded, merged))), 1e-5);
});

describe('a bias that layers outside of the set read', () => {
  test('in half precision behind a Cast', async () => {
    const halves = shapes.map(([n, dims]) =>
      half(
        n,
        dims,
        original(
          n,
          dims.reduce((a, b) => a * b),
        ),
      ),
    );
    let casts = 0;
    const spec = model(halves, (name, into) => {
      const out = `${name}/f${casts++}`;
      into.push(node('Cast', [name], [out], { to: 1 }));
      return out;
    });
    close(await run(await tied(spec, [0, 1], MERGED)), await run(buildModel(byHand([0, 1], original))), 0.01);
  });

  test('in a Constant node that other layers read', async () => {
    const nodes = new Map(
      shapes.map(([n, dims]) => [
        n,
        f32(
          n,
          dims,
          original(
            n,
            dims.reduce((a, b) => a * b),
          ),
        ),
      ]),
    );
    const made = new Set<string>();
    const spec = model([], (name, into) => {
      if (!made.has(name)) into.push(constant(name, nodes.get(name)!));
      made.add(name);
      return name;
    });
    close(await run(await tied(spec, [1, 2], MERGED)), await run(buildModel(byHand([1, 2], original))), 1e-5);
  });
});

test('weights in half precision inside of a branch are measured in f32', async () => {
  const spec: ModelSpec = {
    opset: 17,
    inputs: [input('x', 'float', [1, D]), input('first', 'bool', [1])],
    outputs: [output('y', 'float', [1, D])],
    nodes: [
      node('If', ['first'], ['y'], {
        then_branch: graph({
          nodes: [node('Cast', ['w'], ['w32'], { to: 1 }), node('Add', ['x', 'w32'], ['t'])],
          initializers: [half('w', [D], sines(D, 1))],
          outputs: [output('t', 'float')],
        }),
        else_branch: graph({ nodes: [node('Neg', ['x'], ['e'])], outputs: [output('e', 'float')] }),
      }),
    ],
  };
  const opened = await openModel(new Blob([buildModel(spec)]), 'model.onnx');
  const { g } = opened.model.graph.nodes[0].attributes.get('then_branch')!;
  expect(g!.initializers[0].dataType).toBe(1);
});

test('branches that read one weight either way round', async () => {
  // D = F would hide nothing: the copy of the first branch has the shape that the second one expects, turned.
  const square = (name: string, k: number) => f32(name, [D, D], sines(D * D, k));
  const layer = (l: number, x: string, b: string, gemm: boolean) => {
    const n = (name: string) => `${b}/${name}${l}`;
    const linear = (from: string, w: string, to: string) =>
      gemm
        ? [node('Gemm', [from, w], [to], { transB: 1 })]
        : [node('Transpose', [w], [`${to}/t`], { perm: [1, 0] }), node('MatMul', [from, `${to}/t`], [to])];
    return [
      ...linear(x, `u${l % 2}`, n('z')),
      node('Relu', [n('z')], [n('h')]),
      ...linear(n('h'), `v${l}`, n('o')),
      node('Add', [x, n('o')], [n('x')]),
    ];
  };
  const branch = (b: string, gemm: boolean) =>
    graph({
      nodes: [layer(0, 'x', b, gemm), layer(1, `${b}/x0`, b, gemm), layer(2, `${b}/x1`, b, gemm)].flat(),
      outputs: [output(`${b}/x2`, 'float')],
    });
  const spec: ModelSpec = {
    opset: 17,
    inputs: [input('x', 'float', [3, D]), input('use_cache_branch', 'bool', [1])],
    outputs: [output('y', 'float', [3, D])],
    nodes: [
      node('If', ['use_cache_branch'], ['y'], {
        then_branch: branch('t', true),
        else_branch: branch('e', false),
      }),
    ],
    // The last layer reads the first one's matrix, so that the first two need a copy of their own.
    initializers: [square('u0', 1), square('u1', 5), square('v0', 2), square('v1', 3), square('v2', 4)],
  };
  const opened = await openModel(new Blob([buildModel(spec)]), 'decoder_model_merged.onnx');
  expect(opened.search.refusals).toEqual([]);
  expect(opened.views).toHaveLength(2);
  const [group] = opened.search.groups;
  const values = new Map<WeightRole, Float32Array>([
    ['w_in', Float32Array.from(sines(D * D, 7))],
    ['w_out', Float32Array.from(sines(D * D, 8))],
  ]);
  const { files } = tieFfns(opened.views, [{ group, layers: [0, 1], values }]);
  const blob = composeOnnx(opened.files[0].model, files.get(opened.files[0])!).toBlob();
  const session = await ort.InferenceSession.create(new Uint8Array(await blob.arrayBuffer()), {
    logSeverityLevel: 3,
  });
  const both: number[][] = [];
  for (const flag of [false, true]) {
    const x = new ort.Tensor('float32', Float32Array.from(sines(3 * D, 9)), [3, D]);
    const made = await session.run({ x, use_cache_branch: new ort.Tensor('bool', [flag], [1]) });
    both.push(Array.from(made.y.data as Float32Array));
  }
  close(both[0], both[1], 1e-5);
});
