/**
 * The manifest of model files (src/testing/models.json, made by src/testing/make-models.py with real exporters): each
 * is opened and gives the groups that its generator built, or exactly its refusals; and what can be merged is merged.
 *
 * The identities are checked in onnxruntime-node, on the files that are saved, against weights that this file gathers
 * and averages by itself, and writes one copy a layer into the f32 model that is measured: it shares neither the merge
 * nor the tying with `src/`. That the measured model is the files' own is the first identity.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Permutation } from '../align/permutation.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import type { FfnWeight, WeightRole } from '../graph/weights.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { asKept } from '../merge/as-kept.ts';
import type { WeightMatrix } from '../merge/method.ts';
import { averageOf } from '../merge/permute/permute.ts';
import { tieFfns } from '../merge/write-back.ts';
import { readFloats, tensorBytes } from '../onnx/tensors.ts';
import type { ModelEdits, NewTensor, NodeInfo, TensorInfo } from '../onnx/types.ts';
import { composeOnnx } from '../onnx/writer.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import type { HostTensor } from '../runtime/session.ts';
import { DataType } from '../tensor/dtype.ts';
import { difference, type NodeFeeds, randomInputs, run, runFiles, widened } from '../testing/model-runs.ts';
import { createRandom } from '../testing/random.ts';
import { LiveModel, tapsOf } from './live-model.ts';
import { type OpenedModel, openModels } from './opened.ts';
import { Job } from './progress.ts';
import { savedFiles } from './saved.ts';
import { UnitWeights } from './term-matrices.ts';

interface Expected {
  readonly files?: readonly string[];
  /** How the FFN weights are kept; float32 where absent. */
  readonly dtype?: string;
  readonly groups: readonly { layers: number; dModel: number; dFf: number; gated: boolean }[];
  readonly refusals: readonly string[];
  /** What the page notes, where there is neither a group nor a refusal. */
  readonly notes?: readonly string[];
}

const root = new URL('../testing/', import.meta.url);
const manifest: Record<string, Expected> = JSON.parse(readFileSync(new URL('models.json', root), 'utf8'));
const mergeable = Object.entries(manifest).filter(([, e]) => e.groups.length > 0);

/** What rounding to the type of the weights may change of outputs: relative to their largest. */
const TOLERANCE: Readonly<Record<string, number>> = {
  float32: 1e-4,
  float16: 5e-3,
  bfloat16: 3e-2,
  int8: 5e-2,
  uint8: 5e-2,
  int4: 0.4,
  uint4: 0.4,
};

function open(name: string): Promise<OpenedModel> {
  const paths = manifest[name].files ?? [`${name}.onnx`];
  const files = paths.map(
    (path) => new File([readFileSync(new URL(`models/${path}`, root))], basename(path)),
  );
  return openModels(
    files.filter((f) => f.name.endsWith('.onnx')),
    files,
  );
}

/** The model that is measured, in one file; or the same with edits. */
async function measured({ model }: OpenedModel, edits: ModelEdits = {}) {
  const tensors = new Map<TensorInfo, NewTensor | 'drop'>(edits.tensors);
  for (const tensor of model.graph.initializers) {
    if (tensor.storage.kind !== 'external' || tensors.has(tensor)) continue;
    const { name, dataType, dims } = tensor;
    tensors.set(tensor, { name, dataType, dims, data: await tensorBytes(model, tensor) });
  }
  return new Uint8Array(
    await composeOnnx(model, { ...edits, tensors })
      .toBlob()
      .arrayBuffer(),
  );
}

/** Runs the files of a model, with edits, as they would be on disk. */
async function runSaved(opened: OpenedModel, feeds: NodeFeeds, edited?: Parameters<typeof savedFiles>[1]) {
  const files = savedFiles(opened, edited).map((f) => ({ name: f.name, blob: f.toBlob() }));
  if (
    opened.mainFiles.some((f) => f.model.graph.initializers.some((t) => t.dataType === DataType.bfloat16))
  ) {
    // onnxruntime has no bfloat16 on a CPU: the files are opened again and run as they are measured.
    const again = files.map((f) => new File([f.blob], f.name));
    return run(await measured(await openModels(again, again)), widened(feeds));
  }
  return runFiles(
    files,
    opened.mainFiles.map((f) => f.fileName),
    feeds,
  );
}

/** Inputs as the files take them, and as the measured model does. */
function inputsOf(opened: OpenedModel, seed: number) {
  const own = new Map(opened.mainFiles.flatMap((f) => f.model.graph.inputs.map((v) => [v.name, v] as const)));
  const feeds = randomInputs(
    opened.inputs.map((v) => ({ ...v, elemType: own.get(v.name)?.elemType ?? v.elemType })),
    seed,
  );
  return { feeds, wide: widened(feeds) };
}

/** A weight's values in the shape that its node sees. */
async function valuesOf({ model }: OpenedModel, { source }: FfnWeight): Promise<Float32Array> {
  const stored = await readFloats(model, source.tensor);
  if (!source.transposed) return stored;
  const [rows, cols] = source.dims;
  return Float32Array.from(
    { length: rows * cols },
    (_, i) => stored[(i % cols) * rows + Math.floor(i / cols)],
  );
}

/** Gathers hidden units: those of the second half, where there is one, like those of the first. */
function gather(values: Float32Array, weight: FfnWeight, order: readonly number[]): Float32Array {
  const { hiddenAxis, source } = weight;
  if (hiddenAxis === null) return values;
  const size = source.dims[hiddenAxis];
  const inner = source.dims.slice(hiddenAxis + 1).reduce((n, d) => n * d, 1);
  const n = order.length;
  expect(size).toBe(n * (weight.halves ?? 1));
  return values.map((_, i) => {
    const at = Math.floor(i / inner) % size;
    const from = Math.floor(at / n) * n + order[at % n];
    return values[i + (from - at) * inner];
  });
}

/** The file with other values for some weights, one new tensor each. */
async function rewritten(opened: OpenedModel, values: ReadonlyMap<FfnWeight, Float32Array>) {
  const nodes = new Map<NodeInfo, { inputs: string[] }>();
  const addInitializers: NewTensor[] = [];
  for (const [weight, data] of values) {
    const name = `test.${addInitializers.length}`;
    const edit = nodes.get(weight.node) ?? { inputs: [...weight.node.inputs] };
    edit.inputs[weight.input] = name;
    nodes.set(weight.node, edit);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    addInitializers.push({ name, dataType: DataType.float, dims: weight.source.dims, data: bytes });
  }
  return measured(opened, { nodes, addInitializers });
}

/** The values that the open model gives out: units and features are last, and Y = H·W_out + b_out holds. */
async function checkTaps(live: LiveModel, group: FfnGroup, feeds: NodeFeeds, tolerance: number) {
  const { dFf: n, dModel: d } = group;
  const [ffn] = group.ffns;
  const hosts = Object.fromEntries(
    Object.entries(feeds).map(([k, { type, dims, data }]) => [k, { type, dims, data } as HostTensor]),
  );
  const taps = await live.run(hosts, tapsOf(ffn));
  const at = async (name: string) => (await taps[name].read()) as Float32Array;
  const lasts = [ffn.preActivation, ffn.gatePreActivation ?? ffn.preActivation, ffn.hidden, ffn.output];
  expect(lasts.map((name) => taps[name].dims.at(-1))).toEqual([n, n, n, d]);
  const weights = await live.weightsOf(group, 0);
  const { data, weight } = weights.get('w_out')!;
  const bias = weights.get('b_out');
  const factor = (w: FfnWeight, name: string) => w.node.attributes.get(name)?.f ?? 1;
  const beta = bias ? factor(bias.weight, 'beta') : 0;
  const hidden = await at(ffn.hidden);
  const expected = (await at(ffn.output)).map((_, i) => {
    const [row, o] = [Math.floor(i / d), i % d];
    let sum = 0;
    for (let u = 0; u < n; u++)
      sum += hidden[row * n + u] * (weight.hiddenAxis === 0 ? data[u * d + o] : data[o * n + u]);
    return sum * factor(weight, 'alpha') + beta * (bias?.data[o] ?? 0);
  });
  expect(difference({ y: expected }, { y: await at(ffn.output) })).toBeLessThan(tolerance);
  for (const value of Object.values(taps)) value.release();
}

/** The mean of the cosines of two units' input weights, of gate and of up, however the file packs them. */
async function checkCosines(live: LiveModel, opened: OpenedModel, group: FfnGroup) {
  const n = group.dFf;
  const unitOf = async (layer: number, unit: number) => {
    const parts: number[][] = [];
    for (const w of group.ffns[layer].weights.filter(({ role }) => role === 'w_in' || role === 'w_gate')) {
      const values = await valuesOf(opened, w);
      const [rows, cols] = w.source.dims;
      for (let at = unit; at < n * (w.halves ?? 1); at += n) {
        const count = w.hiddenAxis === 0 ? cols : rows;
        const index = (k: number) => (w.hiddenAxis === 0 ? at * cols + k : k * cols + at);
        parts.push(Array.from({ length: count }, (_, k) => values[index(k)]));
      }
    }
    return parts;
  };
  const dot = (x: number[], y: number[]) => x.reduce((sum, v, i) => sum + v * y[i], 0);
  const [a, b] = [await unitOf(0, 3), await unitOf(1, 5)];
  expect(a.map((part) => part.length)).toEqual(Array(group.gated ? 2 : 1).fill(group.dModel));
  const each = a.map((x, p) => dot(x, b[p]) / Math.sqrt(dot(x, x) * dot(b[p], b[p])));
  const units = new UnitWeights({ live, backend: createCpuBackend(), job: new Job() }, group);
  const cosines = await units.cosines([0, 1], 'input-weights');
  expect(cosines).toHaveLength(n * n);
  expect(cosines[3 * n + 5]).toBeCloseTo(each.reduce((sum, c) => sum + c, 0) / each.length, 4);
}

const brief = ({ ffns, dModel, dFf, gated }: FfnGroup) => ({ layers: ffns.length, dModel, dFf, gated });
const sorted = (groups: Expected['groups']) => groups.map((g) => JSON.stringify(g)).sort();

describe('every model of the manifest', () => {
  test('is one of at least 30, of which at least 24 can be merged', () => {
    expect(Object.keys(manifest).length).toBeGreaterThanOrEqual(30);
    expect(mergeable.length).toBeGreaterThanOrEqual(24);
  });

  test.each(Object.entries(manifest))('%s has the groups and refusals expected', async (name, expected) => {
    const { search, summary } = await open(name);
    expect([...expected.groups, ...expected.refusals, ...(expected.notes ?? [])]).not.toEqual([]);
    if (expected.notes) expect(summary.notes).toEqual(expected.notes);
    expect({ groups: sorted(search.groups.map(brief)), refusals: search.refusals }).toEqual({
      groups: sorted(expected.groups),
      refusals: expected.refusals,
    });
  });
});

describe.each(mergeable)('%s', (name, { dtype = 'float32' }) => {
  const tolerance = TOLERANCE[dtype];

  test('what is measured is what the files compute', async () => {
    const opened = await open(name);
    const { feeds, wide } = inputsOf(opened, 3);
    expect(difference(await runSaved(opened, feeds), await run(await measured(opened), wide))).toBeLessThan(
      Math.min(tolerance, 3e-2),
    );
  });

  test('permuting the hidden units of a layer changes nothing', async () => {
    const opened = await open(name);
    const random = createRandom(name.length);
    const { wide: feeds } = inputsOf(opened, 1);
    const before = await run(await measured(opened), feeds);
    for (const { ffns, dFf } of opened.search.groups) {
      const order = random.permutation(dFf);
      const values = new Map<FfnWeight, Float32Array>();
      const broken = new Map<FfnWeight, Float32Array>();
      const ffn = ffns[random.integer(ffns.length)];
      const moved = new Map<WeightRole, Float32Array>();
      for (const weight of ffn.weights) {
        const original = await valuesOf(opened, weight);
        moved.set(weight.role, gather(original, weight, [...order]));
        if (weight.role === 'w_out') broken.set(weight, moved.get(weight.role)!);
      }
      const kept = await asKept(opened.views[0].flat, ffn, moved);
      for (const weight of ffn.weights) values.set(weight, kept.values.get(weight.role)!);
      expect(difference(before, await run(await rewritten(opened, values), feeds))).toBeLessThan(tolerance);
      // The same with the last matrix alone is another function: the test can fail.
      expect(difference(before, await run(await rewritten(opened, broken), feeds))).toBeGreaterThan(1e-4);
    }
  });

  test('two merged layers give what an independent re-computation gives', async () => {
    const opened = await open(name);
    const random = createRandom(name.length + 1);
    const { feeds, wide } = inputsOf(opened, 2);
    for (const group of opened.search.groups) {
      const orders = [0, 1].map((k) =>
        k === 0 ? Array.from({ length: group.dFf }, (_, i) => i) : [...random.permutation(group.dFf)],
      );
      const own = new Map<FfnWeight, Float32Array>();
      const matrices: Map<WeightRole, WeightMatrix>[] = [];
      const live = await LiveModel.create(opened, await loadNodeFactory(), new Job());
      try {
        for (const layer of [0, 1]) matrices.push(new Map(await live.weightsOf(group, layer)));
        // Activations that the graph quantizes are measured as it has them.
        await checkTaps(live, group, wide, dtype.includes('int') ? 1e-2 : 1e-4);
        await checkCosines(live, opened, group);
      } finally {
        await live.release();
      }
      const pairs = group.ffns[0].weights.map((w) => [
        w,
        group.ffns[1].weights.find((v) => v.role === w.role)!,
      ]);
      for (const [a, b] of pairs) {
        const first = gather(await valuesOf(opened, a), a, orders[0]);
        const second = gather(await valuesOf(opened, b), b, orders[1]);
        const mean = first.map((v, i) => (v + second[i]) / 2);
        own.set(a, mean).set(b, mean);
      }
      const average = await averageOf({
        backend: createCpuBackend(),
        layers: matrices,
        reference: 0,
        permutations: [null, Permutation.from(orders[1])],
      });
      const { values } = await asKept(opened.views[0].flat, group.ffns[0], average);
      const { files, parametersSaved } = tieFfns(opened.views, [{ group, layers: [0, 1], values }]);
      const merged = await runSaved(opened, feeds, files);
      expect(difference(await run(await rewritten(opened, own), wide), merged)).toBeLessThan(tolerance);
      expect(difference(await runSaved(opened, feeds), merged)).toBeGreaterThan(1e-4);
      // Biases that the exporter shares with other layers become the window's own.
      const { dModel: d, dFf: n } = group;
      expect(parametersSaved).toBeGreaterThanOrEqual((group.gated ? 3 : 2) * d * n - 2 * n - d);
      const bytes = (edited?: Parameters<typeof savedFiles>[1]) =>
        savedFiles(opened, edited).reduce((sum, f) => sum + f.size, 0);
      expect(bytes() - bytes(files)).toBeGreaterThan((BITS[dtype] / 8) * parametersSaved - 1200);
    }
  });
});

/** Bits of a weight in the file. */
const BITS: Readonly<Record<string, number>> = {
  float32: 32,
  float16: 16,
  bfloat16: 16,
  int8: 8,
  uint8: 8,
  int4: 4,
  uint4: 4,
};
