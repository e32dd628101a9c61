/**
 * FFN detection on every way of writing an FFN, and on graphs that must be refused with a reason.
 */
import { describe, expect, test } from 'vitest';
import { openOnnx } from '../onnx/reader.ts';
import {
  buildModel,
  type FfnModelOptions,
  f32,
  ffnModel,
  input,
  node,
  output,
} from '../testing/ffn-models.ts';
import { findFfns } from './ffn.ts';

async function search(bytes: Uint8Array<ArrayBuffer>) {
  return findFfns(await openOnnx(new Blob([bytes])));
}

const FORMS: (Partial<FfnModelOptions> & { label: string })[] = [
  { label: 'ReLU', activation: 'relu' },
  { label: 'GELU (erf)', activation: 'gelu', linear: 'gemm', bias: 'gemm' },
  { label: 'GELU (tanh)', activation: 'gelu-op-tanh', linear: 'gemm-transposed', bias: 'gemm' },
  { label: 'GELU (erf)', activation: 'gelu-erf-decomposed', linear: 'gemm', bias: 'add' },
  { label: 'GELU (tanh)', activation: 'gelu-tanh-decomposed', linear: 'gemm', bias: 'gemm' },
  { label: 'SiLU, gated', activation: 'silu-decomposed', gated: true, bias: 'none' },
  { label: 'GELU (tanh), gated', activation: 'gelu-tanh-decomposed', gated: true, linear: 'gemm-transposed' },
  { label: 'ReLU', activation: 'relu', weights: 'constant' },
  { label: 'ReLU', activation: 'relu', weights: 'transposed', bias: 'none' },
];

describe('an FFN is found by flow', () => {
  for (const { label, ...form } of FORMS) {
    test(`${label}, ${JSON.stringify(form)}`, async () => {
      const { groups, refusals } = await search(ffnModel(form));
      expect(refusals).toEqual([]);
      expect(groups).toHaveLength(1);
      const [group] = groups;
      expect([group.dModel, group.dFf, group.ffns.length]).toEqual([6, 10, 3]);
      expect(`${group.activation.label}${group.gated ? ', gated' : ''}`).toBe(label);
      const roles = group.ffns.map((f) => f.weights.map((w) => w.role).join(' '));
      const bias = form.bias !== 'none';
      expect(new Set(roles)).toEqual(
        new Set([
          [
            'w_in',
            bias && 'b_in',
            group.gated && 'w_gate',
            group.gated && bias && 'b_gate',
            'w_out',
            bias && 'b_out',
          ]
            .filter(Boolean)
            .join(' '),
        ]),
      );
      for (const ffn of group.ffns) {
        expect(ffn.attentionOutput).toBeDefined();
        for (const w of ffn.weights) {
          const size = w.hiddenAxis === null ? 6 : 10;
          expect(w.source.dims.at(w.hiddenAxis ?? -1)).toBe(size);
        }
      }
    });
  }

  test('the gate is the projection that the activation bends', async () => {
    const { groups } = await search(ffnModel({ gated: true, activation: 'silu-decomposed', bias: 'none' }));
    const names = groups[0].ffns[0].weights.map((w) => [w.role, w.source.tensor.name]);
    expect(names).toEqual([
      ['w_in', 'h.0.mlp.up.weight'],
      ['w_gate', 'h.0.mlp.gate.weight'],
      ['w_out', 'h.0.mlp.down.weight'],
    ]);
  });
});

/** Two layers x → Linear → body → Linear, the body given. */
function custom(
  body: (z: string, layer: number) => { nodes: ReturnType<typeof node>[]; hidden: string },
  shared = false,
) {
  const nodes = [];
  const initializers = [];
  let x = 'x';
  for (let layer = 0; layer < 2; layer++) {
    const w = shared ? 'w' : `h.${layer}.mlp.w`;
    const v = shared ? 'v' : `h.${layer}.mlp.v`;
    if (layer === 0 || !shared) {
      initializers.push(
        f32(
          w,
          [4, 8],
          Float32Array.from({ length: 32 }, (_, i) => i * (layer + 1)),
        ),
      );
      initializers.push(
        f32(
          v,
          [8, 4],
          Float32Array.from({ length: 32 }, (_, i) => -i * (layer + 1)),
        ),
      );
    }
    const { nodes: inner, hidden } = body(`z${layer}`, layer);
    nodes.push(node('MatMul', [x, w], [`z${layer}`]), ...inner, node('MatMul', [hidden, v], [`y${layer}`]));
    nodes.push(node('Add', [x, `y${layer}`], [`x${layer}`]));
    x = `x${layer}`;
  }
  return buildModel({
    opset: 20,
    inputs: [input('x', 'float', ['n', 4])],
    outputs: [output(x, 'float', ['n', 4])],
    initializers,
    nodes,
  });
}

describe('what is not permutation-equivariant is refused, with the reason', () => {
  test.each([
    ['Softmax', 'Softmax reads its hidden units'],
    ['CumSum', 'CumSum reads its hidden units'],
  ])('%s between the linear maps', async (op, reason) => {
    const bytes = custom((z, l) => ({
      nodes: [node('Relu', [z], [`a${l}`]), node(op, op === 'CumSum' ? [`a${l}`, z] : [`a${l}`], [`h${l}`])],
      hidden: `h${l}`,
    }));
    const { groups, refusals } = await search(bytes);
    expect(groups).toEqual([]);
    expect(refusals).toHaveLength(2);
    expect(refusals.every((r) => r.includes(reason))).toBe(true);
  });

  test('hidden units that are also an output of a second linear map', async () => {
    const bytes = custom((z, l) => ({
      nodes: [node('Relu', [z], [`h${l}`]), node('MatMul', [`h${l}`, `h.${l}.mlp.v`], [`second${l}`])],
      hidden: `h${l}`,
    }));
    const { groups, refusals } = await search(bytes);
    expect(groups).toEqual([]);
    expect(refusals).toHaveLength(2);
    expect(refusals[0]).toContain('two linear maps read its hidden units');
  });

  test('a transposition of the hidden axis', async () => {
    const bytes = custom((z, l) => ({
      nodes: [node('Relu', [z], [`h${l}`]), node('Transpose', [`h${l}`], [`t${l}`], { perm: [1, 0] })],
      hidden: `h${l}`,
    }));
    const { groups, refusals } = await search(bytes);
    expect(groups).toEqual([]);
    expect(refusals[0]).toContain('Transpose reads its hidden units');
  });

  test('one FFN alone cannot be merged', async () => {
    const { groups, refusals } = await search(ffnModel({ layers: 1 }));
    expect(groups).toEqual([]);
    expect(refusals[0]).toContain('stands alone');
  });

  test('FFNs that already share their weights', async () => {
    const bytes = custom((z, l) => ({ nodes: [node('Relu', [z], [`h${l}`])], hidden: `h${l}` }), true);
    const { groups, refusals } = await search(bytes);
    expect(groups).toEqual([]);
    expect(refusals[0]).toContain('already share one stored copy');
  });

  test('different activations do not share a group', async () => {
    const bytes = custom((z, l) => ({ nodes: [node(l ? 'Relu' : 'Gelu', [z], [`h${l}`])], hidden: `h${l}` }));
    const { groups, refusals } = await search(bytes);
    expect(groups).toEqual([]);
    expect(refusals).toHaveLength(2);
  });
});

describe('FFNs that only look like ones that can be merged', () => {
  const w = (name: string, rows: number, cols: number) =>
    f32(
      name,
      [rows, cols],
      Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i + name.length)),
    );
  const model = (nodes: ReturnType<typeof node>[], initializers: ReturnType<typeof f32>[]) =>
    search(
      buildModel({
        opset: 20,
        inputs: [input('x', 'float', ['n', 4])],
        outputs: [output('y', 'float', ['n', 4])],
        initializers,
        nodes,
      }),
    );

  test('three linear maps into the same hidden units', async () => {
    const { groups, refusals } = await model(
      [
        node('MatMul', ['x', 'h.0.mlp.a'], ['a']),
        node('MatMul', ['x', 'h.0.mlp.b'], ['b']),
        node('MatMul', ['x', 'h.0.mlp.c'], ['c']),
        node('Relu', ['a'], ['r']),
        node('Mul', ['r', 'b'], ['rb']),
        node('Add', ['rb', 'c'], ['h']),
        node('MatMul', ['h', 'h.0.mlp.d'], ['y']),
      ],
      [w('h.0.mlp.a', 4, 8), w('h.0.mlp.b', 4, 8), w('h.0.mlp.c', 4, 8), w('h.0.mlp.d', 8, 4)],
    );
    expect(groups).toEqual([]);
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toContain('its hidden units come from 3 linear maps');
  });

  test('a chain of linear maps is cut into FFNs that share none', async () => {
    const { groups } = await model(
      [
        node('MatMul', ['x', 'fc.0.w'], ['a']),
        node('Relu', ['a'], ['ra']),
        node('MatMul', ['ra', 'fc.1.w'], ['b']),
        node('Relu', ['b'], ['rb']),
        node('MatMul', ['rb', 'fc.2.w'], ['c']),
        node('Relu', ['c'], ['rc']),
        node('MatMul', ['rc', 'fc.3.w'], ['y']),
      ],
      [w('fc.0.w', 4, 4), w('fc.1.w', 4, 4), w('fc.2.w', 4, 4), w('fc.3.w', 4, 4)],
    );
    const names = groups.flatMap((g) => g.ffns.flatMap((f) => f.weights.map((v) => v.source.tensor.name)));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(['fc.0.w', 'fc.1.w', 'fc.2.w', 'fc.3.w']);
  });

  test('a gate that comes first and whose activation is written out', async () => {
    const { groups } = await search(
      ffnModel({ gated: true, gateFirst: true, activation: 'gelu-tanh-decomposed', bias: 'none' }),
    );
    expect(groups[0].ffns.map((f) => f.weights.map((v) => v.source.tensor.name))[1]).toEqual([
      'h.1.mlp.up.weight',
      'h.1.mlp.gate.weight',
      'h.1.mlp.down.weight',
    ]);
  });
});

describe('graph nonsense ends in a typed error', () => {
  const open = (nodes: ReturnType<typeof node>[]) =>
    search(
      buildModel({
        opset: 20,
        inputs: [input('x', 'float', [1])],
        outputs: [output('y', 'float', [1])],
        nodes,
      }),
    );
  test('a cycle', async () => {
    const cyclic = [node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['b'], ['y'])];
    await expect(open(cyclic)).rejects.toMatchObject({ name: 'OnnxError', code: 'cycle' });
  });
  test('a value that nothing makes', async () => {
    await expect(open([node('Relu', ['ghost'], ['y'])])).rejects.toMatchObject({ code: 'bad-reference' });
  });
  test('a value made twice', async () => {
    const twice = [node('Relu', ['x'], ['y']), node('Tanh', ['x'], ['y'])];
    await expect(open(twice)).rejects.toMatchObject({ code: 'bad-reference' });
  });
});
