/**
 * The rungs on planted stacks: exact identities, a direct solve, and that no rung makes its own objective worse,
 * plain and gated, over random options.
 */
import { describe, expect, test } from 'vitest';
import { compare } from '../testing/compare.ts';
import { createCpuAlgebra } from '../testing/cpu-algebra.ts';
import { naiveLoss, naiveOutput, plantedStack, withEverything } from '../testing/recover-models.ts';
import { type CalibrationBatch, inMemory } from './calibration.ts';
import { type RecoveryInput, recoveryMethods } from './method.ts';
import { outputError, outputPowers } from './statistics.ts';
import { foldScales, rolesOf, storageOf } from './storage.ts';
import {
  averageLayers,
  checkTied,
  deltaRoles,
  type LayerFfn,
  outputOf,
  type TiedFfn,
  withVectors,
} from './tied-ffn.ts';

const algebra = createCpuAlgebra();

function inputOf(planted: ReturnType<typeof plantedStack>): RecoveryInput {
  return { ffn: planted.merged, originals: planted.originals, data: inMemory(planted.batches), algebra };
}

/** A rung with its defaults, distillation for a few steps. */
function run(id: keyof typeof recoveryMethods, input: RecoveryInput) {
  if (id === 'R6') return recoveryMethods.R6.recover(input, { steps: 20, tokens: 60, lookEvery: 10 });
  return recoveryMethods[id].recover(input, {});
}

/** Σ mean‖Ŷ − Y‖²/v on all rows. */
async function errorOf(input: RecoveryInput, ffn: TiedFfn): Promise<number> {
  const powers = await outputPowers(input.data);
  return (await outputError(algebra, ffn, input.data, powers, { holdOut: 0 })).fit;
}

const KINDS = [
  { gated: false, biases: true },
  { gated: true, biases: false },
  { gated: true, biases: true },
];

describe('the forward pass', () => {
  test.each(KINDS)('agrees with plain loops, scales and deltas included: %o', async (kind) => {
    const { merged, batches, random } = plantedStack(kind);
    const ffn = withEverything(merged, random);
    checkTied(ffn);
    const [x] = batches[0].x;
    const got = await outputOf(ffn, 1, algebra, x);
    const report = compare(got.data, naiveOutput(ffn.activation, ffn.shared, ffn.layers[1], x).data, {
      absolute: 1e-5,
    });
    expect(report.ok, report.message).toBe(true);
    const powers = [1, 2, 3];
    const whole = await outputError(algebra, ffn, inMemory([batches[0]]), powers, { holdOut: 0 });
    expect(whole.fit).toBeCloseTo(naiveLoss(ffn, batches[0], powers), 4);
  });

  test('powers are the variances of the targets', async () => {
    const { batches } = plantedStack();
    const [power] = await outputPowers(inMemory(batches));
    const rows = batches.flatMap(({ y: [y] }) =>
      Array.from({ length: y.rows }, (_, r) => [...y.data.subarray(r * 8, r * 8 + 8)]),
    );
    const mean = rows[0].map((_, c) => rows.reduce((s, r) => s + r[c], 0) / rows.length);
    const expected = rows.reduce((s, r) => s + r.reduce((t, v, c) => t + (v - mean[c]) ** 2, 0), 0);
    expect(power).toBeCloseTo(expected / rows.length, 5);
  });
});

describe('R0b, own biases', () => {
  test.each(KINDS)('makes the mean error of every output zero: %o', async (kind) => {
    const planted = plantedStack(kind);
    for (const inputBiases of [false, true]) {
      const { ffn, before, after } = await recoveryMethods.R0b.recover(inputOf(planted), { inputBiases });
      expect(after).toBeLessThan(before);
      for (let i = 0; i < 3; i++) {
        const sums = new Float64Array(8);
        for (const { x, y } of planted.batches) {
          const given = await outputOf(ffn, i, algebra, x[i]);
          given.data.forEach((v, t) => {
            sums[t % 8] += (v - y[i].data[t]) / 180;
          });
        }
        expect(Math.max(...sums.map(Math.abs))).toBeLessThan(1e-6);
      }
    }
  });
});

describe('R1, the up-projection', () => {
  test('finds a projection that all layers share, own biases apart', async () => {
    const { originals, batches, random } = plantedStack({ gated: true });
    const shared = originals[0];
    const layers: LayerFfn[] = originals.map((l) => ({
      ...shared,
      bIn: l.bIn!,
      bGate: random.normals(20),
    }));
    const merged = averageLayers('silu', layers);
    const wrong = {
      ...merged,
      shared: { ...merged.shared, wIn: originals[1].wIn, wGate: originals[2].wGate! },
    };
    const input = { ffn: wrong, originals: layers, data: inMemory(batches), algebra };
    const { ffn, before, after } = await recoveryMethods.R1.recover(input, { lambdas: [0] });
    expect(after).toBeLessThan(1e-6 * before);
    expect(compare(ffn.shared.wIn.data, shared.wIn.data, { absolute: 1e-4 }).ok).toBe(true);
    expect(compare(ffn.shared.wGate!.data, shared.wGate!.data, { absolute: 1e-4 }).ok).toBe(true);
    expect(compare(ffn.layers[2].bIn!, layers[2].bIn!, { absolute: 1e-4 }).ok).toBe(true);
    expect(compare(ffn.layers[1].bGate!, layers[1].bGate!, { absolute: 1e-4 }).ok).toBe(true);
  });

  test('one bias for all, and none', async () => {
    const planted = plantedStack();
    const tied = await recoveryMethods.R1.recover(inputOf(planted), { bias: 'tied' });
    expect(new Set(tied.ffn.layers.map((l) => l.bIn)).size).toBe(1);
    const none = await recoveryMethods.R1.recover(inputOf(planted), { bias: 'none' });
    expect(none.ffn.layers.every((l) => l.bIn === undefined)).toBe(true);
    const own = await recoveryMethods.R1.recover(inputOf(planted), { lambdas: [0] });
    const one = await recoveryMethods.R1.recover(inputOf(planted), { bias: 'tied', lambdas: [0] });
    const no = await recoveryMethods.R1.recover(inputOf(planted), { bias: 'none', lambdas: [0] });
    expect(own.after).toBeLessThan(one.after);
    expect(one.after).toBeLessThan(no.after);
  });
});

describe('R2, scales of pre-activations', () => {
  test.each(KINDS)('gives every unit the mean and deviation of the original: %o', async (kind) => {
    const planted = plantedStack(kind);
    const { ffn, before, after } = await recoveryMethods.R2.recover(inputOf(planted));
    expect(after).toBeLessThan(1e-9 * before);
    // A unit's statistics by plain loops.
    const unit = 5;
    const statistics = (w: Float32Array, scale: number, shift: number) => {
      const z: number[] = [];
      for (const { x } of planted.batches) {
        for (let r = 0; r < 60; r++) {
          let sum = 0;
          for (let c = 0; c < 8; c++) sum += x[1].data[r * 8 + c] * w[c * 20 + unit];
          z.push(sum * scale + shift);
        }
      }
      const mean = z.reduce((s, v) => s + v, 0) / z.length;
      return [mean, Math.sqrt(z.reduce((s, v) => s + (v - mean) ** 2, 0) / z.length)];
    };
    const [layer, original] = [ffn.layers[1], planted.originals[1]];
    const got = statistics(ffn.shared.wIn.data, layer.inScale![unit], layer.bIn![unit]);
    const wanted = statistics(original.wIn.data, 1, original.bIn?.[unit] ?? 0);
    expect(got[0]).toBeCloseTo(wanted[0], 5);
    expect(got[1]).toBeCloseTo(wanted[1], 5);
  });

  test('a dead unit keeps its scale', async () => {
    const planted = plantedStack();
    const { wIn } = planted.merged.shared;
    const dead = { ...wIn, data: wIn.data.map((v, i) => (i % 20 === 3 ? 0 : v)) };
    const ffn = { ...planted.merged, shared: { ...planted.merged.shared, wIn: dead } };
    const done = await recoveryMethods.R2.recover({ ...inputOf(planted), ffn });
    expect(done.ffn.layers[0].inScale![3]).toBe(1);
    expect(done.after).toBeLessThan(done.before);
  });
});

describe('R3, the down-projection', () => {
  test.each(KINDS)('agrees with the normal equations solved directly: %o', async (kind) => {
    const planted = plantedStack(kind);
    const input = inputOf(planted);
    const lambda = 0.02;
    const { ffn } = await recoveryMethods.R3.recover(input, { lambdas: [lambda], holdOut: 0 });
    const expected = directRidge(planted, await outputPowers(input.data), lambda);
    const report = compare(ffn.shared.wOut.data, expected, { absolute: 2e-5, cols: 8 });
    expect(report.ok, report.message).toBe(true);
  });

  test('brings planted layers that differ in W_out of one down-projection to zero error', async () => {
    const { originals, merged, batches } = plantedStack({ spread: 0 });
    const wrong = { ...merged.shared.wOut, data: merged.shared.wOut.data.map((v) => -v) };
    const ffn = { ...merged, shared: { ...merged.shared, wOut: wrong } };
    const input = { ffn, originals, data: inMemory(batches), algebra };
    const done = await recoveryMethods.R3.recover(input, { lambdas: [1e-9] });
    expect(await errorOf(input, done.ffn)).toBeLessThan(1e-6 * (await errorOf(input, ffn)));
  });

  test('keeps the matrix that is there where the refit does worse on held-out rows', async () => {
    const planted = plantedStack({ spread: 0 });
    const done = await recoveryMethods.R3.recover(inputOf(planted), { lambdas: [0.5] });
    expect(done.ffn.shared.wOut).toBe(planted.merged.shared.wOut);
    expect(done.notes.join()).toContain('held-out rows');
  });

  test('says that it raised λ where units are doubled', async () => {
    const planted = plantedStack({ spread: 0.1 });
    const doubled = (m: { rows: number; cols: number; data: Float32Array }) => ({
      ...m,
      data: m.data.map((_, i) => m.data[i - (i % 2)]),
    });
    const { shared } = planted.merged;
    const ffn = withVectors({ ...planted.merged, shared: { ...shared, wIn: doubled(shared.wIn) } }, () => ({
      bIn: new Float32Array(20),
    }));
    const done = await recoveryMethods.R3.recover({ ...inputOf(planted), ffn }, { lambdas: [0] });
    expect(done.notes.join()).toContain('could not be factored; λ was raised to');
    expect(done.after).toBeLessThan(done.before);
  });
});

describe('R4, gains', () => {
  test('finds gains that one layer had', async () => {
    const { merged, batches, random, originals } = plantedStack({ spread: 0, rows: 200 });
    const planted = random.normals(20).map((v) => 1 + 0.3 * v);
    const y = batches.map(({ x }) =>
      x.map((m, i) =>
        naiveOutput(
          merged.activation,
          merged.shared,
          i === 1 ? { ...merged.layers[1], hiddenScale: planted } : merged.layers[i],
          m,
        ),
      ),
    );
    const data = batches.map(({ x }, b): CalibrationBatch => ({ x, y: y[b] }));
    const input = { ffn: merged, originals, data: inMemory(data), algebra };
    const done = await recoveryMethods.R4.recover(input, { lambdas: [1e-7], downLambdas: [1e-7] });
    expect(done.after).toBeLessThan(1e-4 * done.before);
    expect(await errorOf(input, done.ffn)).toBeCloseTo(done.after, 6);
  });
});

describe('every rung', () => {
  test.each(KINDS)('brings its own objective down or leaves it, whatever its options: %o', async (kind) => {
    for (let seed = 1; seed <= 3; seed++) {
      const planted = plantedStack({
        ...kind,
        seed,
        activation: seed % 2 ? 'silu' : 'relu',
        layers: 2 + (seed % 3),
      });
      const lambdas = [planted.random.uniform() ** 4, planted.random.uniform()];
      const holdOut = 0.3 * planted.random.uniform();
      let input = inputOf(planted);
      for (const rung of [
        recoveryMethods.R0b.recover(input, { inputBiases: seed % 2 === 0 }),
        recoveryMethods.R1.recover(input, {
          lambdas,
          holdOut,
          bias: (['own', 'tied', 'none'] as const)[seed % 3],
        }),
        recoveryMethods.R2.recover(input),
        recoveryMethods.R3.recover(input, { lambdas, holdOut, towards: seed % 2 ? 'zero' : 'current' }),
        recoveryMethods.R4.recover(input, { lambdas, downLambdas: lambdas, holdOut }),
        recoveryMethods.R5.recover(input, { lambdas, holdOut, rank: 1 + planted.random.integer(9), seed }),
        recoveryMethods.R6.recover(input, {
          steps: 20,
          tokens: 40,
          seed,
          rate: 10 ** -planted.random.integer(4),
          lookEvery: 5,
        }),
      ]) {
        const { before, after } = await rung;
        expect(after).toBeLessThanOrEqual(before * (1 + 1e-9) + 1e-12);
      }
      // One on the other, by the error that all bring down.
      for (const id of ['R0b', 'R3', 'R4', 'R5', 'R4'] as const) {
        const done = await run(id, input);
        const was = await errorOf(input, input.ffn);
        // R3 weighs its error against the size of its matrix.
        if (id !== 'R3') expect(await errorOf(input, done.ffn)).toBeLessThanOrEqual(was * (1 + 1e-5));
        input = { ...input, ffn: done.ffn };
      }
      expect(await errorOf(input, input.ffn)).toBeLessThan(0.9 * (await errorOf(input, planted.merged)));
    }
  });

  test('stores what it says, and nothing else', async () => {
    // Rows enough that a delta of each matrix holds on those held out.
    const planted = plantedStack({ gated: true, biases: false, rows: 200 });
    const input = inputOf(planted);
    for (const method of Object.values(recoveryMethods)) {
      const { ffn } = await run(method.id as keyof typeof recoveryMethods, input);
      const deltas = deltaRoles.filter((role) => ffn.layers.some((l) => l[role]));
      const roles = [...rolesOf(ffn), ...deltas].sort();
      expect(roles, method.id).toEqual([...method.stores(input.ffn)].sort());
      const storage = storageOf(ffn, rolesOf(planted.merged));
      expect(storage.matrixElements).toBe(3 * 8 * 20);
      for (const { role, ...v } of storage.own) {
        const size = role.endsWith('Delta') ? 4 * (8 + 20) : role === 'bOut' ? 8 : 20;
        expect(v).toMatchObject({ tied: false, newNode: true, elements: 3 * size });
      }
    }
  });

  test('gains of a gated FFN fold into the scale of its up projection', async () => {
    const { merged, batches, random } = plantedStack({ gated: true });
    const ffn = withEverything(merged, random);
    const folded = foldScales(ffn);
    expect(folded.layers[0].hiddenScale).toBeUndefined();
    const [a, b] = [
      await outputOf(ffn, 1, algebra, batches[0].x[1]),
      await outputOf(folded, 1, algebra, batches[0].x[1]),
    ];
    const report = compare(b.data, a.data, { absolute: 1e-5 });
    expect(report.ok, report.message).toBe(true);
  });

  test('data that is refreshed keeps the original’s inputs for R1 and R2', async () => {
    const planted = plantedStack();
    const moved = planted.batches.map(
      (b): CalibrationBatch => ({
        ...b,
        x: b.x.map((m) => ({ ...m, data: m.data.map((v) => 0.5 * v + 1) })),
        originalX: b.x,
      }),
    );
    const input = { ...inputOf(planted), ffn: averageLayers('gelu-tanh', [planted.originals[0]]) };
    const one = (b: CalibrationBatch): CalibrationBatch => ({
      x: [b.x[0]],
      y: [b.y[0]],
      originalX: [b.originalX![0]],
    });
    const done = await recoveryMethods.R1.recover(
      { ...input, originals: [planted.originals[0]], data: inMemory(moved.map(one)) },
      { lambdas: [0] },
    );
    // X′ = X/2 + 1 of one layer is undone exactly by twice the weights and a bias.
    const wanted = planted.originals[0].wIn.data.map((v) => 2 * v);
    const report = compare(done.ffn.shared.wIn.data, wanted, { absolute: 1e-4 });
    expect(report.ok, report.message).toBe(true);
  });

  test('ends where it is cancelled', async () => {
    const input = { ...inputOf(plantedStack()), signal: AbortSignal.abort() };
    for (const method of Object.values(recoveryMethods)) {
      await expect(method.recover(input, {}), method.id).rejects.toThrow(/abort/i);
    }
  });
});

/** (Σ H̄ᵀH̄/v/T + λμI)⁻¹ Σ H̄ᵀȲ/v/T by Gaussian elimination in f64 over all rows at once. */
function directRidge(planted: ReturnType<typeof plantedStack>, powers: readonly number[], lambda: number) {
  const { merged, batches } = planted;
  const [n, d] = [20, 8];
  const rows = Array.from({ length: n }, () => new Float64Array(n + d));
  const identity = {
    rows: n,
    cols: n,
    data: Float32Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0)),
  };
  merged.layers.forEach((own, i) => {
    const { bOut: _, ...inner } = own;
    const h = batches.flatMap(({ x }) => {
      const m = naiveOutput(merged.activation, { ...merged.shared, wOut: identity }, inner, x[i]);
      return Array.from({ length: m.rows }, (_, r) => Float64Array.from(m.data.subarray(r * n, r * n + n)));
    });
    const y = batches.flatMap(({ y: ys }) =>
      Array.from({ length: ys[i].rows }, (_, r) => Float64Array.from(ys[i].data.subarray(r * d, r * d + d))),
    );
    const centred = (m: Float64Array[]) => {
      const mean = m[0].map((_, c) => m.reduce((s, r) => s + r[c], 0) / m.length);
      return m.map((r) => r.map((v, c) => v - mean[c]));
    };
    const [a, b] = [centred(h), centred(y)];
    a.forEach((row, t) => {
      for (let u = 0; u < n; u++) {
        const w = row[u] / powers[i] / a.length;
        for (let v = 0; v < n; v++) rows[u][v] += w * row[v];
        for (let c = 0; c < d; c++) rows[u][n + c] += w * b[t][c];
      }
    });
  });
  const mean = rows.reduce((s, r, u) => s + r[u], 0) / n;
  rows.forEach((r, u) => {
    r[u] += lambda * mean;
  });
  for (let u = 0; u < n; u++) {
    for (let v = 0; v < n; v++) {
      if (v === u) continue;
      const factor = rows[v][u] / rows[u][u];
      for (let c = u; c < n + d; c++) rows[v][c] -= factor * rows[u][c];
    }
  }
  return rows.flatMap((r, u) => [...r.subarray(n)].map((v) => v / r[u]));
}
