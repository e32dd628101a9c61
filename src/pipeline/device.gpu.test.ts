/**
 * Inference and kernels on one WebGPU device: weights pinned on the GPU, taps adopted by the kernels without a copy,
 * and the self-test against wasm. A missing adapter fails. Small shapes: the adapter of the tests is a software one.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestGpu } from '../kernels/webgpu/device.ts';
import { createWebGpuBackend } from '../kernels/webgpu/index.ts';
import { averageOf } from '../merge/permute/permute.ts';
import { loadWasmFactory, loadWebGpuFactory } from '../runtime/ort/browser.ts';
import type { HostTensor, SessionFactory } from '../runtime/session.ts';
import { expectClose } from '../testing/compare.ts';
import { ffnModel } from '../testing/ffn-models.ts';
import { createRandom } from '../testing/random.ts';
import { toMatrix } from './features.ts';
import { LiveModel, type Overrides } from './live-model.ts';
import { openModel } from './opened.ts';
import { Job } from './progress.ts';
import { openChecked } from './self-test.ts';
import type { EngineSummary } from './types.ts';

let device: GPUDevice;
let gpu: SessionFactory;
let wasm: SessionFactory;
const feeds: Record<string, HostTensor> = {
  x: { type: 'float32', dims: [2, 3, 6], data: createRandom(5).normals(36) },
};

beforeAll(async () => {
  const found = await requestGpu();
  if (!found.device) throw new Error(found.reason);
  device = found.device;
  gpu = await loadWebGpuFactory(1, device);
  wasm = await loadWasmFactory(1);
}, 120_000);

afterAll(() => device.destroy());

async function open(sessions: SessionFactory) {
  const opened = await openModel(new Blob([ffnModel({ activation: 'relu', layers: 2 })]), 'm.onnx');
  return { opened, live: await LiveModel.create(opened, sessions, new Job()) };
}

async function logits(live: LiveModel, overrides?: Overrides) {
  const out = await live.run(feeds, ['logits'], overrides ? { changes: { weights: overrides } } : {});
  const values = ((await out.logits.read()) as Float32Array).slice();
  out.logits.release();
  return values;
}

test('the same model and the same merge give the same outputs on the GPU and on wasm', async () => {
  const a = await open(gpu);
  const b = await open(wasm);
  const [group] = a.opened.search.groups;
  expectClose(await logits(a.live), await logits(b.live), { absolute: 1e-4 });
  const backend = createWebGpuBackend(device);
  const weights = await Promise.all([0, 1].map((l) => a.live.weightsOf(group, l)));
  const values = await averageOf({ backend, layers: weights, reference: 0, permutations: [null, null] });
  const onGpu = await logits(a.live, a.live.override(group, [0, 1], values));
  expectClose(onGpu, await logits(b.live, b.live.override(group, [0, 1], values)), { absolute: 1e-4 });
  await a.live.release();
  await b.live.release();
  backend.dispose();
  // A device that sessions were released on still serves new ones.
  const again = await open(gpu);
  expectClose(await logits(again.live), await logits(again.live), { absolute: 0 });
  await again.live.release();
}, 120_000);

test('taps stay on the device and are read by the kernels without a copy', async () => {
  const { opened, live } = await open(gpu);
  const backend = createWebGpuBackend(device);
  const [group] = opened.search.groups;
  const name = group.ffns[0].preActivation;
  const out = await live.run(feeds, [name]);
  expect(out[name].buffer).toBeInstanceOf(GPUBuffer);
  const matrix = await toMatrix(backend, out[name], group.dFf);
  expect([matrix.rows, matrix.cols]).toEqual([6, 10]);
  const values = await backend.read(matrix);
  backend.release(matrix);
  expectClose(values, (await out[name].read()) as Float32Array, { absolute: 0 });
  out[name].release();
  await live.release();
  backend.dispose();
}, 120_000);

test('a model opens and runs on another device when the first is lost', async () => {
  const lost = await requestGpu();
  if (!lost.device) throw new Error(lost.reason);
  const first = await open(await loadWebGpuFactory(1, lost.device));
  const before = await logits(first.live);
  lost.device.destroy();
  await expect(logits(first.live)).rejects.toThrow();
  const again = await open(gpu);
  expectClose(await logits(again.live), before, { absolute: 0 });
  await again.live.release();
}, 120_000);

test('the self-test passes a right provider and replaces a wrong one', async () => {
  const engine: EngineSummary = {
    backend: 'webgpu',
    inference: 'webgpu',
    threads: 1,
    adapter: 'test',
    reason: '',
  };
  const opened = await openModel(new Blob([ffnModel({ activation: 'relu', layers: 2 })]), 'm.onnx');
  const right = await openChecked(opened, gpu, engine, feeds, async () => wasm, new Job());
  expect(right.engine.inference).toBe('webgpu');
  await right.live.release();
  const wrong: SessionFactory = {
    ...gpu,
    async create(model, options) {
      const session = await gpu.create(model, options);
      return {
        ...session,
        async run(f, outputs) {
          const results = await session.run(f, outputs);
          const { logits: l } = results;
          return {
            ...results,
            logits: { ...l, read: async () => ((await l.read()) as Float32Array).map((v) => v * 1.2) },
          };
        },
      };
    },
  };
  const fallen = await openChecked(opened, wrong, engine, feeds, async () => wasm, new Job());
  expect(fallen.engine.inference).toBe('wasm');
  expect(fallen.engine.reason).toContain('off by');
  await fallen.live.release();
}, 120_000);
