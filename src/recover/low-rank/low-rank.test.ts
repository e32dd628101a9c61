/**
 * R5: a full rank gives back each layer's own matrices, a small one the best that there is (Eckart and Young in the
 * metric of the activations), and nothing where a delta does not help.
 */
import { describe, expect, test } from 'vitest';
import { symmetricEigen } from '../../kernels/dense.ts';
import { compare } from '../../testing/compare.ts';
import { createCpuAlgebra } from '../../testing/cpu-algebra.ts';
import { createRandom } from '../../testing/random.ts';
import { plantedStack, randomDelta } from '../../testing/recover-models.ts';
import { type CalibrationBatch, inMemory } from '../calibration.ts';
import type { Dense } from '../linear-algebra.ts';
import type { RecoveryInput } from '../method.ts';
import { outputError, outputPowers } from '../statistics.ts';
import { type LowRank, outputOf, type TiedFfn } from '../tied-ffn.ts';
import { truncated } from './leading-rows.ts';
import { lowRank } from './low-rank.ts';

const algebra = createCpuAlgebra();

function inputOf(planted: ReturnType<typeof plantedStack>): RecoveryInput {
  return { ffn: planted.merged, originals: planted.originals, data: inMemory(planted.batches), algebra };
}

async function errorOf({ data }: RecoveryInput, ffn: TiedFfn): Promise<number> {
  return (await outputError(algebra, ffn, data, await outputPowers(data), { holdOut: 0 })).fit;
}

function sum(m: Dense, { a, b }: LowRank): Float32Array {
  return m.data.map((v, at) => {
    const [r, c] = [Math.floor(at / m.cols), at % m.cols];
    let total = v;
    for (let k = 0; k < b.rows; k++) total += a.data[r * a.cols + k] * b.data[k * b.cols + c];
    return total;
  });
}

describe.each([false, true])('gated: %s', (gated) => {
  test('a full rank gives back the matrices and the outputs of each layer', async () => {
    // More output features than units would leave W_out undetermined by the data; here it is determined.
    const planted = plantedStack({ gated, activation: 'silu', dModel: 6, dFf: 9, rows: 150 });
    const input = inputOf(planted);
    const options = { rank: 9, lambdas: [1e-9] };
    const { ffn, before, after } = await lowRank.recover(input, options);
    expect(after).toBeLessThan(1e-6 * before);
    for (const [i, original] of planted.originals.entries()) {
      const { inDelta, gateDelta, outDelta } = ffn.layers[i];
      const pairs: [Dense, LowRank, Dense, number][] = [
        [ffn.shared.wIn, inDelta!, original.wIn, 1e-5],
        [ffn.shared.wOut, outDelta!, original.wOut, 2e-3],
      ];
      if (gated) pairs.push([ffn.shared.wGate!, gateDelta!, original.wGate!, 1e-5]);
      for (const [shared, delta, wanted, absolute] of pairs) {
        const report = compare(sum(shared, delta), wanted.data, { absolute });
        expect(report.ok, report.message).toBe(true);
      }
      const { x, y } = planted.batches[1];
      const given = await outputOf(ffn, i, algebra, x[i]);
      const report = compare(given.data, y[i].data, { absolute: 1e-3 });
      expect(report.ok, report.message).toBe(true);
    }
  });

  test('a small rank helps, more rank helps more, and each layer alone decides', async () => {
    const planted = plantedStack({ gated, rows: 200 });
    const input = inputOf(planted);
    const errors = [await errorOf(input, input.ffn)];
    for (const rank of [1, 3, 8]) {
      const done = await lowRank.recover(input, { rank });
      expect(await errorOf(input, done.ffn)).toBeCloseTo(done.after, 5);
      for (const { inDelta, outDelta } of done.ffn.layers) {
        if (inDelta) expect(inDelta.b.rows).toBe(rank);
        if (outDelta) expect(outDelta.a.cols).toBe(rank);
      }
      errors.push(done.after);
    }
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(errors[3]).toBeLessThan(0.2 * errors[0]);
  });
});

test('finds a delta of the output that one layer had, and leaves the others alone', async () => {
  const { merged, originals, batches, random } = plantedStack({ spread: 0, rows: 300 });
  const delta = randomDelta(random, 20, 2, 8);
  const planted: TiedFfn = {
    ...merged,
    layers: merged.layers.map((l, i) => (i === 1 ? { ...l, outDelta: delta } : l)),
  };
  const data: CalibrationBatch[] = [];
  for (const { x } of batches) {
    data.push({ x, y: await Promise.all(x.map((m, i) => outputOf(planted, i, algebra, m))) });
  }
  const input = { ffn: merged, originals, data: inMemory(data), algebra };
  const done = await lowRank.recover(input, { rank: 2, of: ['out'], lambdas: [1e-8] });
  expect(done.after).toBeLessThan(1e-4 * done.before);
  const zero: Dense = { rows: 20, cols: 8, data: new Float32Array(160) };
  const report = compare(sum(zero, done.ffn.layers[1].outDelta!), sum(zero, delta), { absolute: 2e-3 });
  expect(report.ok, report.message).toBe(true);
  expect(done.chosen).toMatchObject({ of: ['out'], inTaken: ['', '', ''] });
});

test('a refreshed layer is fitted to what its pre-activations were', async () => {
  const planted = plantedStack({ layers: 1, spread: 0, rows: 200 });
  const moved = planted.batches.map(
    (b): CalibrationBatch => ({
      ...b,
      x: b.x.map((m) => ({ ...m, data: m.data.map((v) => 0.5 * v + 1) })),
      originalX: b.x,
    }),
  );
  // X′ = X/2 + 1 is undone by a delta that is the matrix once more, and a bias.
  const input = { ...inputOf(planted), data: inMemory(moved) };
  const done = await lowRank.recover(input, { rank: 8, of: ['in'], lambdas: [1e-9] });
  const { wIn } = planted.merged.shared;
  const report = compare(
    sum(wIn, done.ffn.layers[0].inDelta!),
    wIn.data.map((v) => 2 * v),
    { absolute: 1e-3 },
  );
  expect(report.ok, report.message).toBe(true);
  expect(done.after).toBeLessThan(1e-5 * done.before);
});

describe('the truncation', () => {
  const random = createRandom(4);
  const [p, m] = [12, 30];
  const b: Dense = { rows: p, cols: m, data: random.normals(p * m) };
  // C = RᵀR + I.
  const root = random.normals(p * p);
  const metric = Float32Array.from({ length: p * p }, (_, at) => {
    const [i, j] = [Math.floor(at / p), at % p];
    let total = i === j ? 1 : 0;
    for (let k = 0; k < p; k++) total += root[k * p + i] * root[k * p + j];
    return total;
  });

  test('leaves what the discarded singular values say, at every rank', async () => {
    const k = await algebra.matmul({ rows: p, cols: p, data: metric }, b);
    const s = await algebra.matmul(b, k, { transA: true });
    const { values } = symmetricEigen(s.data, m);
    for (const rank of [1, 2, 5, 11]) {
      const delta = await truncated(algebra, b, k, rank, 1);
      const zero: Dense = { rows: p, cols: m, data: new Float32Array(p * m) };
      const close = sum(zero, delta);
      const rest: Dense = { ...b, data: b.data.map((v, at) => v - close[at]) };
      const weighed = await algebra.matmul({ rows: p, cols: p, data: metric }, rest);
      const left = rest.data.reduce((t, v, at) => t + v * weighed.data[at], 0);
      const wanted = values.subarray(rank).reduce((t, v) => t + Math.max(0, v), 0);
      expect(left / wanted).toBeCloseTo(1, 3);
    }
  });

  test('is the same for the same seed, and nearly for another', async () => {
    const k = await algebra.matmul({ rows: p, cols: p, data: metric }, b);
    const [one, again, other] = [
      await truncated(algebra, b, k, 3, 1),
      await truncated(algebra, b, k, 3, 1),
      await truncated(algebra, b, k, 3, 2),
    ];
    expect(one).toEqual(again);
    const zero: Dense = { rows: p, cols: m, data: new Float32Array(p * m) };
    const report = compare(sum(zero, other), sum(zero, one), { absolute: 1e-2 });
    expect(report.ok, report.message).toBe(true);
  });
});

test('refuses a rank that is none', async () => {
  const input = inputOf(plantedStack());
  await expect(lowRank.recover(input, { rank: 0 })).rejects.toThrow('whole number from 1 up; it was 0');
});
