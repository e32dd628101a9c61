/**
 * The loop over a model whose gradients are known in closed form, and what it keeps of the original's outputs.
 */
import { describe, expect, test } from 'vitest';
import type { Gradient, Parameters, TrainingBatch } from '../../runtime/differentiable.ts';
import { expectClose } from '../../testing/compare.ts';
import { createRandom } from '../../testing/random.ts';
import { adamStep, rateAt, zeroMoments } from './adam.ts';
import { batchAt, DistilledBatches, type TuningBatches } from './batches.ts';
import { compactDistribution, expandDistribution } from './teacher.ts';
import { type TuneState, tune } from './tune.ts';

const SIZE = 6;
const wanted = createRandom(2).normals(SIZE);
const noise = Array.from({ length: 5 }, (_, i) => createRandom(10 + i).normals(SIZE));

/** ½‖x − wanted − noise of the batch‖²: the batch's features are what is added. */
const batches: TuningBatches = {
  count: noise.length,
  batch: async (i): Promise<TrainingBatch> => ({
    fed: {},
    target: { features: { weights: Float32Array.of(1), values: noise[i] } },
  }),
};
const bowl = {
  valueAndGrad: async (parameters: Parameters, { target }: TrainingBatch): Promise<Gradient> => {
    const away = parameters.get('x')!.map((v, i) => v - wanted[i] - 0.1 * target.features!.values[i]);
    return {
      loss: 0.5 * away.reduce((s, v) => s + v * v, 0),
      gradients: new Map([['x', away]]),
    };
  },
};
const select = async (p: Parameters) => p.get('x')!.reduce((s, v, i) => s + (v - wanted[i]) ** 2, 0);
const start: Parameters = new Map([['x', new Float32Array(SIZE)]]);
const options = { steps: 60, rate: 0.1, warmUp: 5, lookEvery: 5, patience: 20, seed: 4, accumulate: 2 };

describe('tune', () => {
  test('comes near to the minimum, and says where it was best', async () => {
    const result = await tune(bowl, batches, start, options, { select });
    expect(result.before).toBeCloseTo(await select(start), 6);
    expect(result.after).toBeLessThan(0.02 * result.before);
    expect(await select(result.parameters)).toBe(result.after);
    expect(result.stopped).toBe('steps');
    expect([...start.get('x')!]).toEqual(Array(SIZE).fill(0));
  });

  test.each([1, 7, 33])('paused after step %i and resumed from a clone, takes the same steps', async (at) => {
    const whole = await tune(bowl, batches, start, options, { select });
    const cancel = new AbortController();
    const first = await tune(bowl, batches, start, options, {
      select,
      signal: cancel.signal,
      onStep: ({ step }) => {
        if (step === at) cancel.abort();
      },
    });
    expect([first.stopped, first.state.step]).toEqual(['paused', at]);
    const resume: TuneState = structuredClone(first.state);
    const rest = await tune(bowl, batches, start, {}, { select, resume });
    expect(rest.parameters).toEqual(whole.parameters);
    expect([rest.after, rest.bestStep, rest.before]).toEqual([whole.after, whole.bestStep, whole.before]);
  });

  test('never ends worse than it began, and stops where nothing improves', async () => {
    const upwards = async (p: Parameters) => -(await select(p));
    const result = await tune(bowl, batches, start, { ...options, patience: 3 }, { select: upwards });
    expect([result.after, result.bestStep, result.stopped]).toEqual([result.before, 0, 'patience']);
    expect(result.state.step).toBe(15);
    expect(result.parameters).toEqual(start);
  });

  test('stops in time, refuses a state of another merge, and says when it diverges', async () => {
    let steps = 0;
    const timed = await tune(bowl, batches, start, options, { select, isOver: () => ++steps > 3 });
    expect([timed.stopped, timed.state.step]).toEqual(['paused', 3]);
    const other: Parameters = new Map([['y', new Float32Array(SIZE)]]);
    await expect(tune(bowl, batches, other, {}, { select, resume: timed.state })).rejects.toThrow(
      /another merge/,
    );
    const broken = { valueAndGrad: async () => ({ loss: Number.NaN, gradients: start }) };
    await expect(tune(broken, batches, start, options, { select })).rejects.toThrow(/lower learning rate/);
    await expect(tune(bowl, batches, start, { rate: 0 }, { select })).rejects.toThrow(/above 0 for “rate”/);
  });
});

test('gradients are clipped by their norm over all parameters and averaged over micro-batches', async () => {
  // A first step of Adam is rate · sign(g) whatever its size, so the moments are looked at.
  let state: TuneState | undefined;
  const steep = {
    valueAndGrad: async (_: Parameters, batch: TrainingBatch): Promise<Gradient> => {
      const factor = batch.target.features!.values === noise[batchAt(0, 5, 4)] ? 3 : 5;
      const fill = (v: number) => new Float32Array(2).fill(v * factor);
      return {
        loss: 1,
        gradients: new Map([
          ['a', fill(3)],
          ['b', fill(4)],
        ]),
      };
    },
  };
  const two: Parameters = new Map([
    ['a', new Float32Array(2)],
    ['b', new Float32Array(2)],
  ]);
  const norms: number[] = [];
  await tune(
    steep,
    batches,
    two,
    { ...options, steps: 1, clip: 2 },
    {
      select: async () => 0,
      onStep: (point, now) => {
        norms.push(point.norm);
        state = now;
      },
    },
  );
  // Means 12 and 16, twice each: the norm is √(2·12² + 2·16²).
  const norm = Math.sqrt(2 * (144 + 256));
  expect(norms[0]).toBeCloseTo(norm, 4);
  const clipped = (12 * 2) / norm;
  expectClose(state!.moments.first.get('a')!, [0.1 * clipped, 0.1 * clipped], { relative: 1e-5 });
});

test('Adam takes its first steps as by hand', () => {
  const parameters: Parameters = new Map([['x', Float32Array.of(1, -2)]]);
  const moments = zeroMoments(parameters);
  adamStep(parameters, new Map([['x', Float32Array.of(0.5, -4)]]), moments, 1, 0.1);
  expectClose(parameters.get('x')!, [0.9, -1.9], { absolute: 1e-6 });
  adamStep(parameters, new Map([['x', Float32Array.of(-0.5, -4)]]), moments, 2, 0.1);
  // m̂ = (0.9·0.05 − 0.05)/(1 − 0.81), v̂ = 0.25: the second moves by the rate again.
  const first = (0.9 * 0.05 - 0.05) / 0.19 / 0.5;
  expectClose(parameters.get('x')!, [0.9 - 0.1 * first, -1.8], { absolute: 1e-6 });
});

test('the rate rises in a line and falls by a half cosine', () => {
  const rates = Array.from({ length: 12 }, (_, i) => rateAt(i + 1, 12, 1, 2));
  expect(rates.slice(0, 3).map((r) => Number(r.toFixed(6)))).toEqual([0.333333, 0.666667, 1]);
  expect(rates[7]).toBeCloseTo(0.5, 6);
  expect(rates.slice(2).every((r, i, all) => i === 0 || r < all[i - 1])).toBe(true);
  expect(rates[11]).toBeGreaterThan(0);
});

test('every epoch sees every batch once, in an order of its own', () => {
  const epoch = (k: number) => Array.from({ length: 9 }, (_, i) => batchAt(9 * k + i, 9, 3));
  for (const k of [0, 1, 2]) expect(epoch(k).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(epoch(0)).not.toEqual(epoch(1));
  expect(epoch(0)).toEqual(epoch(0));
});

describe('the original’s outputs', () => {
  const [rows, width] = [4, 40];
  const logits = createRandom(8)
    .normals(rows * width)
    .map((v) => 3 * v);
  const whole = compactDistribution(logits, width, width);

  test('are probabilities', () => {
    expect(whole.classes).toBeUndefined();
    for (let r = 0; r < rows; r++) {
      const row = whole.probabilities.subarray(r * width, (r + 1) * width);
      expect(row.reduce((s, p) => s + p, 0)).toBeCloseTo(1, 5);
      expect(Math.log(row[3] / row[7])).toBeCloseTo(logits[r * width + 3] - logits[r * width + 7], 3);
    }
  });

  test('are kept for the most probable classes, and the rest as one', () => {
    const compact = compactDistribution(logits, width, 6);
    const table = expandDistribution(compact);
    for (let r = 0; r < rows; r++) {
      const all = Array.from(whole.probabilities.subarray(r * width, (r + 1) * width));
      const least = all.toSorted((a, b) => b - a)[5];
      const row = Array.from(table.subarray(r * width, (r + 1) * width));
      expectClose(
        row,
        all.map((p) => (p >= least ? p : 0)),
        { absolute: 1e-7 },
      );
      expect(compact.rest[r]).toBeCloseTo(1 - row.reduce((s, p) => s + p, 0), 6);
    }
  });

  test('are computed once, and weighed by the rows that count', async () => {
    let runs = 0;
    const training = {
      plain: { output: { name: 'y', dims: [2, 2, width] } } as never,
      originalOn: async () => {
        runs++;
        return { fed: {}, output: logits };
      },
    };
    const read = async () => ({ feeds: {}, counted: [1, 0, 1, 1], labels: Int32Array.of(5, -1, -1, 2) });
    const data = new DistilledBatches(training, { count: 1, read }, { distil: 0.75, keep: 6 });
    await data.batch(0);
    const { target } = await data.batch(0);
    expect(runs).toBe(1);
    expectClose(target.distribution!.weights, [0.25, 0, 0.25, 0.25], { absolute: 1e-7 });
    expectClose(target.label!.weights, [0.125, 0, 0, 0.125], { absolute: 1e-7 });
    expect([...target.label!.classes]).toEqual([5, 0, 0, 2]);
    const features = new DistilledBatches(
      training,
      { count: 1, read },
      { output: 'features', cacheBytes: 0 },
    );
    await features.batch(0);
    const given = (await features.batch(0)).target.features!;
    expect(runs).toBe(3);
    // The distance from 0 is 1: errors are relative to the features' own power.
    let power = 0;
    logits.forEach((v, i) => {
      power += given.weights[Math.floor(i / width)] * v * v;
    });
    expect(power).toBeCloseTo(1, 4);
  });

  test('labels are asked for where the loss needs them', async () => {
    const training = {
      plain: { output: { name: 'y', dims: [4, width] } } as never,
      originalOn: async () => ({ fed: {}, output: logits }),
    };
    const data = new DistilledBatches(
      training,
      { count: 1, read: async () => ({ feeds: {} }) },
      { distil: 0 },
    );
    await expect(data.batch(0)).rejects.toThrow(/no labels/);
  });
});
