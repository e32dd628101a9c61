/** Recovery on the GPU: the trainer and the linear algebra, and a rung from end to end against the CPU's. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Backend } from '../kernels/backend.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { requestGpu } from '../kernels/webgpu/device.ts';
import { createWebGpuBackend } from '../kernels/webgpu/index.ts';
import { plantedStack } from '../testing/recover-models.ts';
import { trainerSuite } from '../testing/trainer-suite.ts';
import { inMemory } from './calibration.ts';
import { recoveryOn } from './on-backend.ts';

/** The first solve compiles its pipelines, which takes the software adapter long on a busy machine; in ms. */
const COMPILING = 180_000;

/** A missing adapter fails the tests: a skip must never look green. */
async function create(): Promise<Backend> {
  const gpu = await requestGpu();
  if (gpu.device === null) throw new Error(gpu.reason);
  return createWebGpuBackend(gpu.device);
}

trainerSuite('WebGPU', create);

let backend: Backend;
beforeAll(async () => {
  backend = await create();
});
afterAll(() => backend?.dispose());

test.each([false, true])(
  'rungs come to what they come to on the CPU, gated: %s',
  async (gated) => {
    const planted = plantedStack({ gated, rows: 120, batches: 2, spread: 0.5 });
    const data = inMemory(planted.batches);
    const outcomes = [];
    for (const device of [backend, createCpuBackend()]) {
      const { algebra, methods } = recoveryOn(device);
      const input = { ffn: planted.merged, originals: planted.originals, data, algebra };
      outcomes.push(
        [
          await methods.R0b.recover(input),
          await methods.R1.recover(input),
          await methods.R2.recover(input),
          await methods.R3.recover(input),
          await methods.R4.recover(input),
          await methods.R6.recover(input, { steps: 12, tokens: 48, lookEvery: 4, rate: 1e-2 }),
        ].map(({ before, after }) => [before, after]),
      );
    }
    const [gpu, cpu] = outcomes;
    expect(gpu).toHaveLength(6);
    gpu.forEach(([before, after], rung) => {
      expect(Math.abs(before - cpu[rung][0])).toBeLessThan(1e-4 * (1 + cpu[rung][0]));
      expect(Math.abs(after - cpu[rung][1])).toBeLessThan(1e-3 * (1e-3 + cpu[rung][1]));
    });
  },
  COMPILING,
);
