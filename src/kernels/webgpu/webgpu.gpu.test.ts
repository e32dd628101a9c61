/** What only the WebGPU backend has: adopted buffers, slices, limits, loss, and errors that can be read. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { expectClose } from '../../testing/compare.ts';
import { expectScaled, naiveProduct } from '../../testing/naive.ts';
import { createRandom } from '../../testing/random.ts';
import type { Backend } from '../backend.ts';
import { createCpuBackend } from '../cpu/index.ts';
import { GpuError, GpuLimitError, GpuLostError } from '../errors.ts';
import { requestGpu } from './device.ts';
import { createWebGpuBackend } from './index.ts';
import { PipelineCache, shaderConstant } from './pipelines.ts';

async function openDevice(): Promise<GPUDevice> {
  const gpu = await requestGpu();
  if (gpu.device === null) throw new Error(gpu.reason);
  return gpu.device;
}

describe('WebGPU', () => {
  let device: GPUDevice;
  const random = createRandom(99);
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  describe('requestGpu', () => {
    it('asks for the largest buffers, and knows a software adapter', async () => {
      const gpu = await requestGpu();
      if (gpu.device === null) throw new Error(gpu.reason);
      const adapter = await navigator.gpu.requestAdapter();
      expect(gpu.device.limits.maxBufferSize).toBe(adapter!.limits.maxBufferSize);
      expect(gpu.device.limits.maxStorageBufferBindingSize).toBe(adapter!.limits.maxStorageBufferBindingSize);
      expect(gpu.isFallback).toBe(gpu.adapterInfo.architecture === 'swiftshader');
      gpu.device.destroy();
    });

    it('gives a reason where there is none', async () => {
      const none = { requestAdapter: async () => null } as unknown as GPU;
      expect(await requestGpu({ gpu: none })).toMatchObject({ device: null, reason: /offers no adapter/ });
      const broken = {
        requestAdapter: async () => {
          throw new Error('blocked by policy');
        },
      } as unknown as GPU;
      expect(await requestGpu({ gpu: broken })).toMatchObject({ reason: /blocked by policy/ });
    });
  });

  it('agrees with its CPU twin on every kernel', async () => {
    const gpu = createWebGpuBackend(device);
    const cpu = createCpuBackend();
    const [rows, p, q] = [100, 70, 33];
    const x = random.normals(rows * p).map((v, k) => v + (k % p));
    const y = random.normals(rows * q).map((v, k) => v * 3 - (k % q) + x[Math.floor(k / q) * p]);
    const permutation = random.permutation(p);
    const run = async (backend: Backend) => {
      const [mx, my] = [backend.upload(x, rows, p), backend.upload(y, rows, q)];
      const moments = backend.createPairMoments(
        [p, q],
        [
          [0, 1],
          [1, 1],
        ],
      );
      await backend.addPairMoments(moments, [mx, my]);
      const sums = backend.createHsicSums(2);
      await backend.addHsic(sums, [mx, my], 10, 64);
      const hsic = await backend.readHsic(sums);
      return {
        correlation: await backend.read(await backend.correlation(moments, 0)),
        norms: await backend.centredCrossNorms(moments),
        gram: await backend.read(await backend.gram(my)),
        hsic: hsic.map((v, k) => v / Math.sqrt(hsic[k & 2 ? 3 : 0] * hsic[k & 1 ? 3 : 0])),
        average: await backend.read(await backend.permuteAverage([mx, mx], [null, permutation], 1)),
      };
    };
    const [got, expected] = [await run(gpu), await run(cpu)];
    expectClose(got.correlation, expected.correlation, { absolute: 1e-6, cols: q });
    expectClose(got.norms, expected.norms, { relative: 1e-5 });
    expectClose(got.gram, expected.gram, { absolute: 1e-2, relative: 1e-5, cols: rows });
    expectClose(got.hsic, expected.hsic, { absolute: 1e-5 });
    expectClose(got.average, expected.average, { absolute: 1e-5, cols: p });
    gpu.dispose();
    cpu.dispose();
  });

  it('agrees with its CPU twin on a whole ridge and a step of training', async () => {
    const gpu = createWebGpuBackend(device);
    const cpu = createCpuBackend();
    const [rows, p, q] = [150, 70, 9];
    const x = random.normals(rows * p).map((v, k) => v + (k % p) / 10);
    const y = random.normals(rows * q).map((v, k) => v + x[Math.floor(k / q) * p + (k % q)]);
    const weights = random.normals(p * q).map((v) => v / 8);
    const run = async (backend: Backend) => {
      const [mx, my] = [backend.upload(x, rows, p), backend.upload(y, rows, q)];
      const means = await backend.sums(mx, null, { along: 'columns' });
      const mean = backend.zeros(1, p);
      await backend.axpy(means, mean, 1 / rows);
      const [gram, cross] = [backend.zeros(p, p), backend.zeros(p, q)];
      await backend.addCentred(gram, mx, mean, mx, mean, 1 / rows);
      await backend.addCentred(cross, mx, mean, my, null, 1 / rows);
      const solved = await backend.solveSpd(gram, cross, { lambda: 2 ** -7 });
      if (!solved.ok) throw new Error('No solution.');
      // Not with the solution, whose own error its condition would multiply.
      const z = await backend.matmul(mx, backend.upload(weights, p, q));
      const h = await backend.gated('gelu-erf', z, my);
      const { dg } = await backend.gatedBackward('gelu-erf', z, my, my);
      const gradient = await backend.matmul(mx, dg, { transposeA: true, alpha: 1 / rows });
      const results = [solved.x, h, gradient];
      const [solution, hidden, slopes] = await Promise.all(results.map((m) => backend.read(m)));
      return { x: solution, hidden, gradient: slopes };
    };
    const [got, expected] = [await run(gpu), await run(cpu)];
    expectClose(got.x, expected.x, { absolute: 1e-5, cols: q });
    expectScaled(got.hidden, expected.hidden, y.map(Math.abs), 4e-6, q);
    // φ′ is rounded as a number of size 1, also where it is nearly 0.
    const { scale } = naiveProduct(
      x,
      rows,
      p,
      y.map((v) => v * v),
      q,
      true,
      false,
    );
    expectScaled(
      got.gradient,
      expected.gradient,
      scale.map((v) => v / rows),
      1e-6,
      q,
    );
    gpu.dispose();
    cpu.dispose();
  });

  it('sees buffers of others without copying, and leaves them alive', async () => {
    const backend = createWebGpuBackend(device);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    // As onnxruntime does, padded beyond the elements.
    const buffer = device.createBuffer({ size: 32, usage });
    const matrix = backend.adopt!(buffer, 2, 3);
    device.queue.writeBuffer(buffer, 0, Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(await backend.read(matrix)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    const source = backend.upload(Float32Array.of(6, 5, 4, 3, 2, 1), 2, 3);
    await backend.permuteAverage([source], [Uint32Array.of(1, 0)], 0, matrix);
    backend.release(matrix);
    const again = backend.adopt!(buffer, 3, 2);
    expect(await backend.read(again)).toEqual(Float32Array.of(3, 2, 1, 6, 5, 4));
    expect(() => backend.adopt!(buffer, 3, 3)).toThrow(/32 bytes cannot hold a matrix of 3×3/);
    backend.dispose();
    // Disposing of the backend did not destroy it either.
    const other = createWebGpuBackend(device);
    expect((await other.read(other.adopt!(buffer, 2, 3)))[0]).toBe(3);
    buffer.destroy();
  });

  it('cuts work into more submits, with the same result', async () => {
    const [rows, p, q] = [70, 130, 65];
    const x = random.normals(rows * p);
    const y = random.normals(rows * q);
    const run = async (backend: Backend) => {
      const submit = vi.spyOn(device.queue, 'submit');
      const batch = [backend.upload(x, rows, p), backend.upload(y, rows, q)];
      const moments = backend.createPairMoments([p, q], [[0, 1]]);
      await backend.addPairMoments(moments, batch);
      const cross = await backend.read(await backend.centredCross(moments, 0));
      const gram = await backend.read(await backend.gram(batch[0]));
      const submits = submit.mock.calls.length;
      submit.mockRestore();
      backend.dispose();
      return { cross, gram, submits };
    };
    const whole = await run(createWebGpuBackend(device));
    const sliced = await run(createWebGpuBackend(device, { maxFlopsPerSubmit: 200_000 }));
    expect(sliced.submits).toBeGreaterThan(whole.submits + 3);
    expectClose(sliced.cross, whole.cross, { absolute: 1e-4, cols: q });
    expectClose(sliced.gram, whole.gram, { absolute: 0 });
  });

  it('binds matrices over the limit in slices of rows, with the same result', async () => {
    const [rows, p, q] = [70, 130, 65];
    const data = [random.normals(rows * p), random.normals(rows * q)];
    const limit = 3000;
    const run = async (maxBindingBytes?: number) => {
      const bind = vi.spyOn(device, 'createBindGroup');
      const backend = createWebGpuBackend(device, { maxBindingBytes });
      const batch = [backend.upload(data[0], rows, p), backend.upload(data[1], rows, q)];
      const moments = backend.createPairMoments([p, q], [[0, 1]]);
      await backend.addPairMoments(moments, batch);
      const correlation = await backend.read(await backend.correlation(moments, 0));
      const norms = await backend.centredCrossNorms(moments);
      const average = await backend.permuteAverage([batch[0]], [random.permutation(p)], 1);
      backend.release(average);
      const sizes = bind.mock.calls.flatMap(([{ entries }]) =>
        [...entries].slice(1).map(({ resource }) => (resource as GPUBufferBinding).size ?? 0),
      );
      bind.mockRestore();
      backend.dispose();
      return { correlation, norms, largest: Math.max(...sizes) };
    };
    const whole = await run();
    const bound = await run(limit);
    expect(whole.largest).toBeGreaterThan(10 * limit);
    expect(bound.largest).toBeLessThanOrEqual(limit + 256);
    expectClose(bound.correlation, whole.correlation, { absolute: 1e-6, cols: q });
    expectClose(bound.norms, whole.norms, { relative: 1e-5 });
  });

  it('quotes limit, need and remedy where a binding or a buffer is too small', async () => {
    const backend = createWebGpuBackend(device, { maxBindingBytes: 1024 });
    const matrix = backend.zeros(20, 20);
    const permutation = random.permutation(20);
    // Along columns it goes row by row; along rows the whole matrix is needed.
    await backend.permuteAverage([matrix], [permutation], 1);
    const error = await backend.permuteAverage([matrix], [permutation], 0).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(GpuLimitError);
    expect(error).toMatchObject({ allowed: 1024, needed: 1600 });
    expect(String(error)).toMatch(/1,600 .*1,024.*Run on the CPU/);
    const rows = Math.floor(device.limits.maxBufferSize / 4096) + 1;
    expect(() => backend.zeros(rows, 1024)).toThrow(GpuLimitError);
    // The backend is still of use afterwards.
    expect(await backend.read(matrix)).toEqual(new Float32Array(400));
    backend.dispose();
  });

  it('reports what the GPU refused, instead of giving zeros', async () => {
    const backend = createWebGpuBackend(device);
    const noStorage = device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_SRC });
    const bad = backend.adopt!(noStorage, 2, 2);
    const result = backend.permuteAverage([bad], [null], 0).then((out) => backend.read(out));
    await expect(result).rejects.toThrow(GpuError);
    const good = backend.upload(Float32Array.of(4), 1, 1);
    expect(await backend.read(good)).toEqual(Float32Array.of(4));
    backend.dispose();
    noStorage.destroy();
  });

  it('shows line and source where a shader does not compile', async () => {
    const cache = new PipelineCache(device);
    const shader = {
      name: 'broken',
      source: 'const A = 3u;\n@compute @workgroup_size(1)\nfn main() { let x: f32 = 1u; }',
    };
    await expect(cache.get(shader)).rejects.toThrow(/broken\.wgsl does not compile:\n3:\d+ .*\n {2}fn main/);
    expect(shaderConstant(shader, 'A')).toBe(3);
    expect(() => shaderConstant(shader, 'B')).toThrow(/does not state B/);
  });

  it('rejects with GpuLostError once the device is gone, also reads under way', async () => {
    const own = await openDevice();
    const onLost = vi.fn();
    const backend = createWebGpuBackend(own, { onLost });
    const matrix = backend.upload(Float32Array.of(1), 1, 1);
    const reading = backend.read(matrix).catch((error: unknown) => error);
    own.destroy();
    const outcome = await reading;
    // Either the copy had come through, or the loss is told; never zeros.
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(GpuLostError);
    else expect(outcome).toEqual(Float32Array.of(1));
    await own.lost;
    await expect(backend.read(matrix)).rejects.toBeInstanceOf(GpuLostError);
    await expect(backend.sync()).rejects.toBeInstanceOf(GpuLostError);
    expect(() => backend.zeros(1, 1)).toThrow(GpuLostError);
    // Closing the device ourselves is no loss to report.
    expect(onLost).not.toHaveBeenCalled();
    backend.dispose();
  });

  it('frees every buffer that it made', async () => {
    const live = new Set<GPUBuffer>();
    const create = vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) => {
      const buffer = GPUDevice.prototype.createBuffer.call(device, descriptor);
      live.add(buffer);
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => {
        live.delete(buffer);
        destroy();
      };
      return buffer;
    });
    const backend = createWebGpuBackend(device);
    const x = backend.upload(random.normals(40), 10, 4);
    const moments = backend.createPairMoments([4], [[0, 0]]);
    const sums = backend.createHsicSums(1);
    await backend.addPairMoments(moments, [x]);
    await backend.addHsic(sums, [x], 0, 10);
    await expect(backend.addHsic(sums, [x], 0, 10, AbortSignal.abort())).rejects.toThrow();
    await backend.centredCrossNorms(moments);
    const correlation = await backend.correlation(moments, 0);
    const average = await backend.permuteAverage([x], [Uint32Array.of(3, 2, 1, 0)], 1);
    // Left: x, statistics, cross moments, sums, two results, the parameters.
    expect(live.size).toBe(7);
    backend.release(correlation, average, moments, sums);
    expect(live.size).toBe(2);
    backend.dispose();
    expect(live.size).toBe(0);
    create.mockRestore();
  });
});
