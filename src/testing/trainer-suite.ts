/**
 * The tests of distillation's trainer on a backend: one body for the CPU and the GPU.
 *
 * Oracles: a loss in plain f64 loops, its central differences, and the CPU's trainer (whose Adam is PyTorch's, see
 * training-suite.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend } from '../kernels/backend.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { knownActivations } from '../recover/activation.ts';
import { DeviceFfn } from '../recover/distill/device-ffn.ts';
import { createBackendTrainer } from '../recover/distill/trainer.ts';
import { deltaRoles, type TiedFfn, vectorRoles, withVectors } from '../recover/tied-ffn.ts';
import { compare } from './compare.ts';
import { naiveLoss, plantedStack } from './recover-models.ts';

const POWERS = [1.5, 0.7];

/** A stack with all that a layer may own: scales, biases and deltas of rank 2, but a b_in that all layers share. */
function everything(activation: (typeof knownActivations)[number], gated: boolean) {
  const planted = plantedStack({ activation, gated, layers: 2, dModel: 3, dFf: 5, rows: 7, batches: 1 });
  const own = (size: number, around: number) => planted.random.normals(size).map((v) => around + 0.2 * v);
  const low = (rows: number, cols: number) => ({
    a: { rows, cols: 2, data: own(2 * rows, 0) },
    b: { rows: 2, cols, data: own(2 * cols, 0) },
  });
  const ffn = withVectors(planted.merged, () => ({
    inScale: own(5, 1),
    hiddenScale: own(5, 1),
    bOut: own(3, 0),
    inDelta: low(3, 5),
    outDelta: low(5, 3),
    ...(gated && { gateScale: own(5, 1), bGate: own(5, 0), gateDelta: low(3, 5) }),
  }));
  return { ffn, batch: planted.batches[0], bare: planted.merged };
}

const parametersOf = ({ shared, layers }: TiedFfn) => [
  ...new Set([
    ...[shared.wIn, shared.wGate, shared.wOut].flatMap((m) => m?.data ?? []),
    ...layers.flatMap((l) => vectorRoles.flatMap((role) => l[role] ?? [])),
    ...layers.flatMap((l) => deltaRoles.flatMap((role) => (l[role] ? [l[role].a.data, l[role].b.data] : []))),
  ]),
];

/** Central differences of the loss by each of the values. */
function differences(values: Float32Array, loss: () => number): number[] {
  return Array.from(values, (value, i) => {
    const at = (step: number) => {
      values[i] = value + step;
      const result = { moved: values[i] - value, loss: loss() };
      values[i] = value;
      return result;
    };
    const [up, down] = [at(2 ** -12), at(-(2 ** -12))];
    return (up.loss - down.loss) / (up.moved - down.moved);
  });
}

export function trainerSuite(name: string, create: () => Backend | Promise<Backend>): void {
  describe(`the trainer on ${name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await create();
    });
    afterAll(() => backend?.dispose());

    describe.each([false, true])('gradients, gated: %s', (gated) => {
      test.each(knownActivations)('%s', async (activation) => {
        const { ffn, batch, bare } = everything(activation, gated);
        for (const given of [ffn, bare]) {
          const device = new DeviceFfn(backend, given, POWERS);
          const exact = () => naiveLoss(given, batch, POWERS);
          expect((await device.loss(batch)) / exact()).toBeCloseTo(1, 5);
          // Twice: what a step left behind is not added to the next.
          await device.gradients(batch);
          await device.gradients(batch);
          expect([...device.parameters]).toHaveLength(parametersOf(given).length);
          for (const values of parametersOf(given)) {
            const expected = differences(values, exact);
            const largest = Math.max(...expected.map(Math.abs));
            const report = compare(await device.gradientOf(values), expected, { absolute: 2e-4 * largest });
            expect(report.ok, report.message).toBe(true);
          }
          device.release();
        }
      });
    });

    test.each([false, true])('steps are those of the CPU, gated: %s', async (gated) => {
      const { ffn, batch } = everything('gelu-erf', gated);
      const before = structuredClone(ffn);
      const cpu = createBackendTrainer(createCpuBackend(), ffn, POWERS);
      const here = createBackendTrainer(backend, ffn, POWERS);
      const start = await here.loss(batch);
      for (let step = 0; step < 8; step++) {
        await cpu.step(batch, 1e-2);
        await here.step(batch, 1e-2);
      }
      const loss = await here.loss(batch);
      expect(loss).toBeLessThan(start);
      expect(loss / (await cpu.loss(batch))).toBeCloseTo(1, 4);
      const [got, wanted] = [await here.read(), await cpu.read()];
      parametersOf(got).forEach((values, i) => {
        const report = compare(values, parametersOf(wanted)[i], { absolute: 1e-4 });
        expect(report.ok, report.message).toBe(true);
      });
      // What is tied stays tied, and the start is as it was.
      expect(new Set(got.layers.map((l) => l.bIn)).size).toBe(1);
      expect(new Set(got.layers.map((l) => l.bOut)).size).toBe(2);
      expect(ffn).toEqual(before);
      cpu.release();
      here.release();
    });
  });
}
