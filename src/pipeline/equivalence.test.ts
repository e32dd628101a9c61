/**
 * Identities through real sessions: permuting an FFN's hidden units changes nothing, and a merged download gives in
 * an independent runtime what the page's merged session gives.
 */

import fc from 'fast-check';
import * as node from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { Permutation } from '../align/permutation.ts';
import type { WeightRole } from '../graph/ffn.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { averageOf } from '../merge/permute/permute.ts';
import { tieFfns } from '../merge/write-back.ts';
import { composeOnnx } from '../onnx/writer.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import type { HostTensor } from '../runtime/session.ts';
import { type ActivationForm, type FfnModelOptions, ffnModel } from '../testing/ffn-models.ts';
import { createRandom } from '../testing/random.ts';
import { savedBytes } from '../testing/saved-bytes.ts';
import { LiveModel, type Overrides } from './live-model.ts';
import { openModel } from './opened.ts';
import { Job } from './progress.ts';

const backend = createCpuBackend();

const forms: fc.Arbitrary<Partial<FfnModelOptions>> = fc
  .record({
    linear: fc.constantFrom('matmul', 'gemm', 'gemm-transposed' as const),
    bias: fc.constantFrom('add', 'gemm', 'none' as const),
    activation: fc.constantFrom<ActivationForm>(
      'relu',
      'gelu',
      'gelu-op-tanh',
      'gelu-erf-decomposed',
      'gelu-tanh-decomposed',
      'silu-decomposed',
    ),
    gated: fc.boolean(),
    gateFirst: fc.boolean(),
    bareEnd: fc.boolean(),
    weights: fc.constantFrom('initializer', 'constant', 'transposed' as const),
    layers: fc.integer({ min: 2, max: 4 }),
    dFf: fc.integer({ min: 2, max: 9 }),
    seed: fc.integer({ min: 1, max: 1e6 }),
  })
  .map((o) => o as Partial<FfnModelOptions>);

async function openForm(form: Partial<FfnModelOptions>) {
  const bytes = ffnModel(form);
  const opened = await openModel(new Blob([bytes]), 'form.onnx');
  const sessions = await loadNodeFactory();
  const live = await LiveModel.create(opened, sessions, new Job());
  const random = createRandom(form.seed ?? 1);
  const x: HostTensor = { type: 'float32', dims: [2, 3, 6], data: random.normals(36) };
  return { bytes, opened, live, random, feeds: { x } };
}

async function run(live: LiveModel, feeds: Record<string, HostTensor>, overrides?: Overrides) {
  const { logits } = await live.run(feeds, ['logits'], overrides ? { changes: { weights: overrides } } : {});
  const values = ((await logits.read()) as Float32Array).slice();
  logits.release();
  return values;
}

async function runInNode(bytes: Uint8Array, feeds: Record<string, HostTensor>) {
  const session = await node.InferenceSession.create(bytes);
  const { x } = feeds;
  const { logits } = await session.run({ x: new node.Tensor('float32', x.data as Float32Array, x.dims) });
  await session.release();
  return logits.data as Float32Array;
}

function worst(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((m, v, i) => Math.max(m, Math.abs(v - b[i])), 0);
}

describe('permuting the hidden units of an FFN', () => {
  test('leaves the outputs of the open model unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(forms, async (form) => {
        const { opened, live, random, feeds } = await openForm(form);
        try {
          expect(opened.search.groups).toHaveLength(1);
          const [group] = opened.search.groups;
          const layer = random.integer(group.ffns.length);
          const permutation = Permutation.from(random.permutation(group.dFf));
          const weights = await live.weightsOf(group, layer);
          // The mean over one permuted layer is that layer permuted.
          const values = await averageOf({
            backend,
            layers: [weights],
            reference: 0,
            permutations: [permutation],
          });
          const before = await run(live, feeds);
          const after = await run(live, feeds, live.override(group, [layer], values));
          expect(worst(before, after)).toBeLessThan(1e-5);
        } finally {
          await live.release();
        }
      }),
      { numRuns: 40, seed: 20261123 },
    );
  }, 120_000);
});

describe('the download', () => {
  test('of a merge gives in onnxruntime-node what the merged session gives, and is smaller by the tied copies', async () => {
    await fc.assert(
      fc.asyncProperty(forms, async (form) => {
        const { bytes, opened, live, random, feeds } = await openForm(form);
        try {
          const [group] = opened.search.groups;
          const first = random.integer(group.ffns.length - 1);
          const layers = Array.from({ length: group.ffns.length - first }, (_, k) => first + k);
          const values: Map<WeightRole, Float32Array> = await averageOf({
            backend,
            layers: await Promise.all(layers.map((l) => live.weightsOf(group, l))),
            reference: 0,
            permutations: layers.map((_, k) =>
              k === 0 ? null : Permutation.from(random.permutation(group.dFf)),
            ),
          });
          const { files, parametersSaved } = tieFfns(opened.views, [{ group, layers, values }]);
          const saved = await savedBytes(opened, files);
          const merged = await run(live, feeds, live.override(group, layers, values));
          expect(worst(merged, await runInNode(saved, feeds))).toBeLessThan(1e-5);
          expect(worst(merged, await run(live, feeds))).toBeGreaterThan(1e-4);
          const one = opened.summary.groups[0];
          expect(parametersSaved).toBe((layers.length - 1) * one.parametersPerFfn);
          expect(bytes.length - saved.length).toBeGreaterThanOrEqual((layers.length - 1) * one.bytesPerFfn);
          expect(bytes.length - saved.length).toBeLessThan((layers.length - 1) * one.bytesPerFfn + 1024);
        } finally {
          await live.release();
        }
      }),
      { numRuns: 40, seed: 7 },
    );
  }, 120_000);

  test('of a layer whose bias is shared with layers outside the window keeps those layers as they were', async () => {
    const { opened, live, feeds } = await openForm({ layers: 3, bias: 'add' });
    const [group] = opened.search.groups;
    // The exporter's deduplication, done by hand: all three layers read the first one's b_in.
    const b = group.ffns.map((f) => f.weights.find((w) => w.role === 'b_in')!);
    const shared = b[0].node.inputs[b[0].input];
    const nodes = new Map(
      b.slice(1).map((w) => [w.node, { inputs: w.node.inputs.map((v, i) => (i === w.input ? shared : v)) }]),
    );
    const file = composeOnnx(opened.model, { nodes });
    const again = await openModel(file.toBlob(), 'shared.onnx');
    const sharedLive = await LiveModel.create(again, await loadNodeFactory(), new Job());
    const [g] = again.search.groups;
    const layers = [0, 1];
    const values = await averageOf({
      backend,
      layers: await Promise.all(layers.map((l) => sharedLive.weightsOf(g, l))),
      reference: 0,
      permutations: [null, Permutation.from([3, 1, 2, 0, 9, 5, 6, 7, 8, 4])],
    });
    const { files } = tieFfns(again.views, [{ group: g, layers, values }]);
    const saved = await savedBytes(again, files);
    const merged = await run(sharedLive, feeds, sharedLive.override(g, layers, values));
    expect(worst(merged, await runInNode(saved, feeds))).toBeLessThan(1e-5);
    await sharedLive.release();
    await live.release();
  });
});
