/** Distillation: its trainer on the CPU (the same tests run on the GPU), minibatches, and the schedule. */
import { describe, expect, test } from 'vitest';
import { createCpuBackend } from '../../kernels/cpu/index.ts';
import { createCpuAlgebra } from '../../testing/cpu-algebra.ts';
import { plantedStack } from '../../testing/recover-models.ts';
import { trainerSuite } from '../../testing/trainer-suite.ts';
import { type CalibrationBatch, inMemory } from '../calibration.ts';
import { outputError, outputPowers } from '../statistics.ts';
import { distill } from './distill.ts';
import { Minibatches } from './minibatches.ts';

const algebra = createCpuAlgebra();

trainerSuite('the CPU', () => createCpuBackend());

describe('minibatches', () => {
  /** Rows that know their number. */
  const numbered = (sizes: readonly number[]) => {
    let row = 0;
    return sizes.map((rows): CalibrationBatch => {
      const first = row;
      row += rows;
      const data = Float32Array.from({ length: rows }, (_, r) => first + r);
      const m = { rows, cols: 1, data };
      return { x: [m, { ...m, data: data.map((v) => v + 1000) }], y: [m, m] };
    });
  };
  const options = { rows: 4, holdOut: 0, seed: 3, poolRows: 100 };
  const draw = async (batches: Minibatches, count: number) => {
    const rows: number[] = [];
    for (let i = 0; i < count; i++) {
      const { x, y } = await batches.next();
      expect([...x[1].data]).toEqual([...x[0].data].map((v) => v + 1000));
      expect([...y[0].data]).toEqual([...x[0].data]);
      rows.push(...x[0].data);
    }
    return rows;
  };

  test('each row once an epoch, all layers together, in an order that the seed gives', async () => {
    const data = inMemory(numbered([5, 6, 9]));
    const rows = await draw(new Minibatches(data, options), 10);
    const all = Array.from({ length: 20 }, (_, i) => i);
    expect(rows.slice(0, 20).sort((a, b) => a - b)).toEqual(all);
    expect(rows.slice(20).sort((a, b) => a - b)).toEqual(all);
    expect(await draw(new Minibatches(data, options), 10)).toEqual(
      await draw(new Minibatches(data, options), 10),
    );
    expect(await draw(new Minibatches(data, { ...options, seed: 4 }), 5)).not.toEqual(
      await draw(new Minibatches(data, options), 5),
    );
  });

  test('a small pool goes through all rows in turn', async () => {
    let reads = 0;
    const batches = numbered([5, 6, 9]);
    const data = {
      async *batches() {
        reads++;
        yield* batches;
      },
    };
    const rows = await draw(new Minibatches(data, { ...options, poolRows: 8 }), 10);
    expect(rows.slice(0, 8).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(new Set(rows).size).toBe(20);
    expect(reads).toBe(2);
  });

  test('no held-out row is drawn, and few rows are all drawn', async () => {
    const data = inMemory(numbered([10, 10]));
    const rows = await draw(new Minibatches(data, { ...options, holdOut: 0.2 }), 8);
    for (const held of [8, 9, 18, 19]) expect(rows).not.toContain(held);
    expect(await draw(new Minibatches(inMemory(numbered([3])), options), 2)).toHaveLength(6);
  });

  test('no rows at all are refused', async () => {
    await expect(new Minibatches(inMemory([]), options).next()).rejects.toThrow('no calibration data');
  });
});

describe('the rung', () => {
  const planted = plantedStack({ gated: true, rows: 200, batches: 2, spread: 0.5 });
  const data = inMemory(planted.batches);
  const input = { ffn: planted.merged, originals: planted.originals, data, algebra };

  test('halves the error, on rows held out too, and leaves what it was given alone', async () => {
    const before = structuredClone(planted.merged);
    const steps: number[] = [];
    const done = await distill.recover(
      { ...input, onStep: (step) => void steps.push(step) },
      { steps: 60, tokens: 128, rate: 1e-2, lookEvery: 20 },
    );
    expect(done.after).toBeLessThan(0.5 * done.before);
    expect(steps).toEqual([20, 40, 60]);
    const powers = await outputPowers(data);
    const error = await outputError(algebra, done.ffn, data, powers, { holdOut: distill.defaults.holdOut });
    expect(error['held-out']).toBeCloseTo(done.after, 4);
    expect(planted.merged).toEqual(before);
    expect(new Set(done.ffn.layers.map((l) => l.bOut)).size).toBe(3);
  });

  test('keeps the start and stops where steps only hurt', async () => {
    const steps: number[] = [];
    const done = await distill.recover(
      { ...input, onStep: (step) => void steps.push(step) },
      { steps: 100, tokens: 64, rate: 1e6, lookEvery: 5, patience: 3 },
    );
    expect(done.after).toBe(done.before);
    expect(steps).toEqual([5, 10, 15]);
    expect(done.notes.join()).toContain('Stopped after 15 of 100 steps');
    expect(done.ffn.shared.wIn.data).toEqual(planted.merged.shared.wIn.data);
  });

  test('gives the same for the same seed', async () => {
    const options = { steps: 6, tokens: 32, lookEvery: 3 };
    const [a, b] = [await distill.recover(input, options), await distill.recover(input, options)];
    expect(a).toEqual(b);
    expect((await distill.recover(input, { ...options, seed: 2 })).after).not.toBe(a.after);
  });

  test('refuses options that make no sense', async () => {
    await expect(distill.recover(input, { steps: 0 })).rejects.toThrow('whole number of steps');
    await expect(distill.recover(input, { rate: 0 })).rejects.toThrow('learning rate');
    await expect(distill.recover(input, { holdOut: 1 })).rejects.toThrow('held-out share');
  });
});
