/**
 * Every method as a real variant: its file gives in onnxruntime-node what the live model gives with its changes, and
 * is really smaller.
 */

import { readFile } from 'node:fs/promises';
import * as node from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { solveAssignment } from '../align/assignment.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import type { HostTensor } from '../runtime/session.ts';
import { expectClose } from '../testing/compare.ts';
import { type FfnModelOptions, ffnModel } from '../testing/ffn-models.ts';
import { createRandom } from '../testing/random.ts';
import { savedBytes } from '../testing/saved-bytes.ts';
import type { StageContext } from './context.ts';
import { type Changes, LiveModel } from './live-model.ts';
import { openModel } from './opened.ts';
import { PairStore } from './pairs.ts';
import { Job } from './progress.ts';
import type { MergeMethodId, MergePlan } from './types.ts';
import { buildVariant, releaseVariant, savingOf, type Variant } from './variant.ts';

type Feeds = Record<string, HostTensor>;

/** A context without data, as far as the methods here need one. */
async function contextOf(bytes: Uint8Array): Promise<StageContext> {
  const opened = await openModel(new Blob([bytes as Uint8Array<ArrayBuffer>]), 'model.onnx');
  return {
    opened,
    live: await LiveModel.create(opened, await loadNodeFactory(), new Job()),
    dataset: null,
    backend: createCpuBackend(),
    solve: async (score, size) => solveAssignment(score, size),
    pairs: new PairStore(),
    job: new Job(),
  };
}

async function outputOf({ live, opened }: StageContext, feeds: Feeds, changes?: Changes) {
  const name = opened.scoreOutput!.name;
  const outputs = await live.run(feeds, [name], changes ? { changes } : {});
  const values = ((await outputs[name].read()) as Float32Array).slice();
  outputs[name].release();
  return values;
}

/** The variant's file in another runtime. */
async function fileOutput({ opened }: StageContext, variant: Variant, feeds: Feeds) {
  const bytes = await savedBytes(opened, variant.files);
  expect(bytes.length).toBe(savingOf(opened, variant).bytesAfter);
  const session = await node.InferenceSession.create(bytes);
  const inputs = Object.entries(feeds).map(([name, t]) => [
    name,
    new node.Tensor(t.type as 'float32', t.data as Float32Array, t.dims),
  ]);
  const outputs = await session.run(Object.fromEntries(inputs));
  await session.release();
  return outputs[opened.scoreOutput!.name].data as Float32Array;
}

/** How far a variant moves the outputs. */
function harm(context: StageContext, feeds: Feeds, original: Float32Array) {
  return async (changes: Changes) =>
    (await outputOf(context, feeds, changes)).reduce((sum, v, k) => sum + (v - original[k]) ** 2, 0);
}

const WEIGHTS = ['input-weights', 'output-weights'] as const;
const METHODS: readonly MergeMethodId[] = ['permute', 'vanilla', 'copy', 'random', 'ffn-drop', 'layer-drop'];
const FORMS: readonly Partial<FfnModelOptions>[] = [
  { activation: 'gelu' },
  { activation: 'relu', linear: 'gemm', bias: 'gemm', weights: 'constant' },
  { activation: 'gelu-tanh-decomposed', linear: 'gemm-transposed', bias: 'add' },
  { activation: 'silu-decomposed', gated: true, bias: 'none', weights: 'transposed' },
];

describe('every method as file and live', () => {
  for (const form of FORMS) {
    test(`${JSON.stringify(form)}`, async () => {
      const context = await contextOf(ffnModel({ layers: 6, dModel: 8, dFf: 16, ...form }));
      const feeds: Feeds = { x: { type: 'float32', dims: [2, 3, 8], data: createRandom(3).normals(48) } };
      const original = await outputOf(context, feeds);
      const [group] = context.opened.summary.groups;
      const sets = [
        { groupId: group.id, layers: [1, 2] },
        { groupId: group.id, layers: [3, 5] },
      ];
      for (const method of METHODS) {
        const plan: MergePlan = { sets, method, reference: 'first', score: WEIGHTS, seed: 4 };
        const variant = await buildVariant(context, plan, harm(context, feeds, original));
        const live = await outputOf(context, feeds, variant.changes);
        expectClose(await fileOutput(context, variant, feeds), live, { absolute: 1e-4 });
        expect(live.some((v, k) => Math.abs(v - original[k]) > 1e-3)).toBe(true);
        const saving = savingOf(context.opened, variant);
        const layer = method === 'layer-drop' ? 8 * 8 + (form.bias === 'none' ? 0 : 8) : 0;
        expect(saving.parametersSaved).toBe(2 * (group.parametersPerFfn + layer));
        expect(saving.bytesSaved).toBeGreaterThanOrEqual(2 * group.bytesPerFfn + 8 * layer);
        releaseVariant(variant);
      }
      await context.live.release();
    });
  }

  test('random windows have the sizes of the sets, and are the same for the same seed', async () => {
    const context = await contextOf(ffnModel({ layers: 6 }));
    const sets = [
      { groupId: 'g0', layers: [0, 1, 2] },
      { groupId: 'g0', layers: [3, 5] },
    ];
    const draw = async (seed: number) => {
      const plan: MergePlan = { sets, method: 'random', reference: 'first', score: WEIGHTS, seed };
      const variant = await buildVariant(context, plan);
      releaseVariant(variant);
      return variant.plan.sets.map((s) => s.layers);
    };
    const first = await draw(1);
    expect(first.map((l) => l.length)).toEqual([3, 2]);
    expect(await draw(1)).toEqual(first);
    const others = await Promise.all([2, 3, 4, 5, 6].map(draw));
    expect(new Set([first, ...others].map(String)).size).toBeGreaterThan(2);
    await context.live.release();
  });

  test('layers are the least harmful ones; without an evaluation there is a sentence', async () => {
    const context = await contextOf(ffnModel({ layers: 4 }));
    const feeds: Feeds = { x: { type: 'float32', dims: [2, 3, 6], data: createRandom(3).normals(36) } };
    const original = await outputOf(context, feeds);
    const plan: MergePlan = {
      sets: [{ groupId: 'g0', layers: [0, 1] }],
      method: 'layer-drop',
      reference: 'first',
      score: 'default',
    };
    const damages: number[] = [];
    const evaluate = harm(context, feeds, original);
    const variant = await buildVariant(context, plan, async (changes) => {
      damages.push(await evaluate(changes));
      return damages.at(-1)!;
    });
    expect(variant.droppedLayers).toEqual([
      { groupId: 'g0', layers: [damages.indexOf(Math.min(...damages))] },
    ]);
    expect(damages).toHaveLength(4);
    await expect(buildVariant(context, plan)).rejects.toThrow(/needs data to score on/);
    await context.live.release();
  });

  test('“best” without data is the weights alone; scores that cannot be had are refused', async () => {
    const context = await contextOf(ffnModel({ layers: 3 }));
    const plan: MergePlan = {
      sets: [{ groupId: 'g0', layers: [0, 1] }],
      method: 'permute',
      reference: 'first',
      score: 'best',
    };
    const variant = await buildVariant(context, plan);
    expect(variant.plan.score).toEqual(WEIGHTS);
    releaseVariant(variant);
    await expect(buildVariant(context, { ...plan, score: ['hidden'] })).rejects.toThrow(/calibration data/);
    await expect(buildVariant(context, { ...plan, score: ['gate'] })).rejects.toThrow(/no gate/);
    await expect(buildVariant(context, { ...plan, score: [] })).rejects.toThrow(/no term/);
    await context.live.release();
  });
});

describe('drops from exporters’ files', () => {
  const ids = createRandom(1);
  const FEEDS: Record<string, Feeds> = {
    'shakespeare-gpt2': {
      input_ids: {
        type: 'int64',
        dims: [1, 20],
        data: BigInt64Array.from({ length: 20 }, () => BigInt(ids.integer(60))),
      },
    },
    'digits-vit': { pixel_values: { type: 'float32', dims: [2, 1, 28, 28], data: ids.normals(1568) } },
  };
  const mask: HostTensor = { type: 'int64', dims: [1, 20], data: new BigInt64Array(20).fill(1n) };
  for (const [name, given] of Object.entries(FEEDS)) {
    for (const path of [
      `public/samples/${name}/model.onnx`,
      `src/testing/fixtures/${name}/model-torchscript.onnx`,
    ]) {
      test(path, async () => {
        const context = await contextOf(await readFile(path));
        const masked = context.opened.inputs.some((v) => v.name === 'attention_mask');
        const feeds: Feeds = { ...given, ...(masked && { attention_mask: mask }) };
        const [group] = context.opened.summary.groups;
        const original = await outputOf(context, feeds);
        for (const method of ['ffn-drop', 'layer-drop'] as const) {
          const plan: MergePlan = {
            sets: [{ groupId: group.id, layers: [4, 5, 6] }],
            method,
            reference: 'first',
            score: 'default',
          };
          const variant = await buildVariant(context, plan, harm(context, feeds, original));
          const live = await outputOf(context, feeds, variant.changes);
          expectClose(await fileOutput(context, variant, feeds), live, { absolute: 1e-4, relative: 1e-4 });
          expect(live.some((v, k) => Math.abs(v - original[k]) > 1e-3)).toBe(true);
          const { parametersSaved } = savingOf(context.opened, variant);
          // The norm before a dropped sublayer goes with it; attention has 4 d² weights and 4 d biases.
          const d = group.dModel;
          const more = method === 'ffn-drop' ? 2 * d : 4 * d * d + 4 * d + 4 * d;
          expect(parametersSaved).toBe(2 * (group.parametersPerFfn + more));
          releaseVariant(variant);
        }
        await context.live.release();
      }, 60_000);
    }
  }
});
