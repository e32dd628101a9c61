/**
 * Weights of real files in the form of recovery: what they give equals what the graph gave, and going back gives the
 * bytes that came.
 */
import { describe, expect, test } from 'vitest';
import { Permutation } from '../align/permutation.ts';
import type { Ffn, WeightRole } from '../graph/ffn.ts';
import type { FfnWeights, WeightMatrix } from '../merge/method.ts';
import type { OwnLayer, OwnPlace } from '../merge/own.ts';
import { compare } from '../testing/compare.ts';
import { createCpuAlgebra } from '../testing/cpu-algebra.ts';
import { createRandom } from '../testing/random.ts';
import { plantedStack, withEverything } from '../testing/recover-models.ts';
import { activate } from './activation.ts';
import type { Dense } from './linear-algebra.ts';
import { storageOf } from './storage.ts';
import { outputOf, type VectorRole, withVectors } from './tied-ffn.ts';
import { foldedLayer, layerOf, ownOf, readLayer, valuesOf } from './weights.ts';

const algebra = createCpuAlgebra();
const [d, n, rows] = [4, 6, 9];

/** A weight as the graph describes it. */
function weight(role: WeightRole, dims: number[], unitAxis: number | null, data: Float32Array, halves?: 2) {
  const seen = dims.length === 1 ? [1, dims[0]] : dims;
  const source = { dims, tensor: { name: `t.${role}` } };
  const operand = { role, source, hiddenAxis: unitAxis, ...(halves && { halves }) };
  return { weight: operand, rows: seen[0], cols: seen[1], data } as unknown as WeightMatrix;
}

type Layout = 'as X multiplies' | 'as torch keeps' | 'packed, gate first' | 'packed, gate last';

/** The same gated FFN in several layouts; the gate of a packed one is the first or the last half. */
function gatedWeights(layout: Layout): FfnWeights {
  const random = createRandom(5);
  const [up, gate, down] = [random.normals(d * n), random.normals(d * n), random.normals(n * d)];
  const [bUp, bGate, bOut] = [random.normals(n), random.normals(n), random.normals(d)];
  const turned = (m: Float32Array, r: number, c: number) =>
    Float32Array.from({ length: r * c }, (_, at) => m[(at % r) * c + Math.floor(at / r)]);
  const out = weight('b_out', [d], null, bOut);
  const entries: [WeightRole, WeightMatrix][] = [];
  const add = (w: WeightMatrix) => entries.push([w.weight.role, w]);
  if (layout === 'as X multiplies' || layout === 'as torch keeps') {
    const torch = layout === 'as torch keeps';
    const into = (role: WeightRole, m: Float32Array) =>
      torch ? weight(role, [n, d], 0, turned(m, d, n)) : weight(role, [d, n], 1, m);
    for (const w of [into('w_in', up), into('w_gate', gate)]) add(w);
    for (const w of [weight('b_in', [n], 0, bUp), weight('b_gate', [n], 0, bGate)]) add(w);
    add(torch ? weight('w_out', [d, n], 1, turned(down, n, d)) : weight('w_out', [n, d], 0, down));
  } else {
    const [one, two] = layout === 'packed, gate first' ? [gate, up] : [up, gate];
    const [b1, b2] = layout === 'packed, gate first' ? [bGate, bUp] : [bUp, bGate];
    const both = new Float32Array(2 * d * n);
    for (let r = 0; r < d; r++) {
      both.set(one.subarray(r * n, r * n + n), 2 * r * n);
      both.set(two.subarray(r * n, r * n + n), 2 * r * n + n);
    }
    add(weight('w_in', [d, 2 * n], 1, both, 2));
    add(weight('b_in', [2 * n], 0, Float32Array.of(...b1, ...b2), 2));
    add(weight('w_out', [n, d], 0, down));
  }
  add(out);
  return new Map(entries);
}

const ffn = { label: 'layer 3', activation: { id: 'silu', label: 'SiLU' } } as Ffn;
const x = { rows, cols: d, data: createRandom(8).normals(rows * d) };

/** What the plainest layout gives. */
async function sample() {
  const layer = layerOf(gatedWeights('as X multiplies'), null);
  return { x, y: await outputOf({ activation: 'silu', shared: layer, layers: [layer] }, 0, algebra, x) };
}

const LAYOUTS = [
  'as X multiplies',
  'as torch keeps',
  'packed, gate first',
  'packed, gate last',
] as const satisfies Layout[];

describe.each(LAYOUTS)('%s', (layout) => {
  test('is read as the same function, under any permutation, and the gate is found', async () => {
    const weights = gatedWeights(layout);
    for (const p of [null, Permutation.from(createRandom(2).permutation(n))]) {
      const { activation, layer, gateHalf } = await readLayer(ffn, weights, p, algebra, await sample());
      expect(activation).toBe('silu');
      if (layout.startsWith('packed')) expect(gateHalf).toBe(layout === 'packed, gate first' ? 0 : 1);
      const plain = layerOf(gatedWeights('as X multiplies'), p);
      expect(layer).toEqual(plain);
    }
  });

  test('goes back to the same values', async () => {
    const weights = gatedWeights(layout);
    const { activation, layer, gateHalf } = await readLayer(ffn, weights, null, algebra, await sample());
    const { wIn, wGate, wOut, ...vectors } = layer;
    const tied = { activation, shared: { wIn, wGate: wGate!, wOut }, layers: [vectors] };
    const back = valuesOf(tied, 0, weights, gateHalf);
    expect(new Map([...back.weights].sort())).toEqual(
      new Map([...weights].map(([role, w]) => [role, w.data] as const).sort()),
    );
    expect(back.extra).toEqual({});
  });
});

test('vectors that the graph has no place for are told apart', async () => {
  const all = gatedWeights('as torch keeps');
  const { wIn, wGate, wOut, ...vectors } = layerOf(all, null);
  const tied = { activation: 'silu' as const, shared: { wIn, wGate: wGate!, wOut }, layers: [vectors] };
  const scales = { inScale: new Float32Array(n).fill(2), hiddenScale: new Float32Array(n).fill(3) };
  const bare = new Map([...all].filter(([role]) => !role.startsWith('b_')));
  const { weights, extra } = valuesOf(
    withVectors(tied, () => scales),
    0,
    bare,
  );
  expect([...weights.keys()]).toEqual(['w_in', 'w_gate', 'w_out']);
  expect(extra).toEqual({ ...vectors, ...scales });
});

describe('refuses', () => {
  test('another function than the weights say', async () => {
    const { y } = await sample();
    const half = { x, y: { ...y, data: y.data.map((v) => 0.9 * v) } };
    await expect(readLayer(ffn, gatedWeights('as torch keeps'), null, algebra, half)).rejects.toThrow(
      /“layer 3” does not compute what its weights and SiLU say \(its output is 11 % off\)/,
    );
  });

  test('a vector inside', async () => {
    const weights = new Map(gatedWeights('as torch keeps'));
    weights.set('unit_0', weight('unit_0', [n], 0, new Float32Array(n)));
    await expect(readLayer(ffn, weights, null, algebra, await sample())).rejects.toThrow('(t.unit_0)');
  });
});

describe.each(['plain', ...LAYOUTS, 'without biases'] as const)('a tied set, %s', (layout) => {
  const gated = layout !== 'plain';
  const templates = (): FfnWeights => {
    const all = gatedWeights(layout === 'plain' || layout === 'without biases' ? 'as torch keeps' : layout);
    if (layout === 'plain') return new Map([...all].filter(([role]) => !role.endsWith('gate')));
    return layout === 'without biases' ? new Map([...all].filter(([role]) => !role.startsWith('b_'))) : all;
  };
  const gateHalf = layout === 'packed, gate last' ? 1 : 0;
  const random = createRandom(6);
  const planted = plantedStack({ gated, dModel: d, dFf: n, layers: 2, activation: 'silu' });
  const full = withEverything(planted.merged, random);
  const bare = planted.merged;
  const gains = withVectors(bare, () => ({ hiddenScale: random.normals(n) }));
  const scales = withVectors(bare, () => ({ inScale: random.normals(n).map((v) => 2 + 0.1 * v) }));
  const none = withVectors(bare, () => ({ bIn: undefined, bGate: undefined, bOut: undefined }));
  const kinds = { full, bare, gains, scales, none };

  test.each(Object.keys(kinds) as (keyof typeof kinds)[])(
    'gives the same as plain weights of each layer, and as what its files hold: %s',
    async (kind) => {
      const tied = kinds[kind];
      for (const layer of [0, 1]) {
        const wanted = (await outputOf(tied, layer, algebra, x)).data;
        const same = (given: Dense) => {
          const report = compare(given.data, wanted, { absolute: 2e-4 });
          expect(report.ok, report.message).toBe(true);
        };
        const folded = foldedLayer(tied, layer, templates(), gateHalf);
        expect([...folded.weights.keys()].sort()).toEqual([...templates().keys()].sort());
        same(await asFile(folded.weights, new Map(), folded.shifts));
        const { tied: shared, own } = ownOf(tied, layer, templates(), gateHalf);
        const weights = new Map([...shared, ...(own.weights ?? [])]);
        expect(weights.size).toBe(shared.size + (own.weights?.size ?? 0));
        expect([...weights.keys()].sort()).toEqual([...templates().keys()].sort());
        same(await asFile(weights, own.changes ?? new Map(), new Map()));
      }
    },
  );

  test.each(Object.keys(kinds) as (keyof typeof kinds)[])('is counted as it is stored: %s', (kind) => {
    const tied = kinds[kind];
    const parts = tied.layers.map((_, i) => ownOf(tied, i, templates(), gateHalf));
    for (const role of parts[0].tied.keys()) {
      expect(parts[1].tied.get(role)).toEqual(parts[0].tied.get(role));
    }
    expect([...(parts[1].own.weights?.keys() ?? [])]).toEqual([...(parts[0].own.weights?.keys() ?? [])]);
    // A shift that all layers hold as one array is one.
    const arrays = new Set([...parts[0].tied.values()]);
    for (const { own } of parts) {
      for (const values of own.weights?.values() ?? []) arrays.add(values);
      for (const { scale, shift, delta } of own.changes?.values() ?? []) {
        for (const v of [scale, shift, delta?.a, delta?.b]) if (v) arrays.add(v);
      }
    }
    const floats = [...arrays].reduce((sum, v) => sum + v.length, 0);
    const roles = [...templates().keys()];
    const packed = layout.startsWith('packed');
    const existing = new Set<VectorRole>([
      ...(roles.includes('b_in') ? (['bIn'] as const) : []),
      ...(roles.includes(packed ? 'b_in' : 'b_gate') && gated ? (['bGate'] as const) : []),
      ...(roles.includes('b_out') ? (['bOut'] as const) : []),
    ]);
    expect(storageOf(tied, existing, packed).elements).toBe(floats);
  });

  /** What a graph with these weights and changes gives, by its own rules. */
  async function asFile(
    weights: ReadonlyMap<WeightRole, Float32Array>,
    changes: NonNullable<OwnLayer['changes']>,
    shifts: ReadonlyMap<OwnPlace, Float32Array>,
  ): Promise<Dense> {
    const read = new Map(
      [...templates()].map(([role, w]) => [role, { ...w, data: weights.get(role)! }] as const),
    );
    const { wIn, wGate, wOut, bIn, bGate, bOut } = layerOf(read, null, gateHalf);
    const at = async (place: OwnPlace, value: Dense, from: Dense | null): Promise<Dense> => {
      const { scale, delta, shift } = changes.get(place) ?? {};
      let added: Dense | null = null;
      if (delta && from) {
        const a = { rows: from.cols, cols: delta.rank, data: delta.a };
        const b = { rows: delta.rank, cols: value.cols, data: delta.b };
        added = await algebra.matmul(await algebra.matmul(from, a), b);
      }
      const data = value.data.map((v, i) => {
        const c = i % value.cols;
        return (
          v * (scale?.[c] ?? 1) + (added?.data[i] ?? 0) + (shift?.[c] ?? 0) + (shifts.get(place)?.[c] ?? 0)
        );
      });
      return { ...value, data };
    };
    const project = async (m: Dense, w: Dense, b?: Float32Array): Promise<Dense> => {
      const out = await algebra.matmul(m, w);
      return { ...out, data: out.data.map((v, i) => v + (b?.[i % out.cols] ?? 0)) };
    };
    const z = await at('in', await project(x, wIn, bIn), x);
    let hidden: Dense = { ...z, data: activate('silu', z.data) };
    if (wGate) {
      const g = await at('gate', await project(x, wGate, bGate), x);
      hidden = { ...z, data: activate('silu', g.data).map((v, i) => v * z.data[i]) };
    }
    hidden = await at('hidden', hidden, null);
    return at('out', await project(hidden, wOut, bOut), hidden);
  }
});
