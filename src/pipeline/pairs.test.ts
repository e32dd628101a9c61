/** Alignment scores on a small gated model with made-up data: terms against naive f64, and how often the model runs. */
import { expect, test } from 'vitest';
import { solveAssignment } from '../align/assignment.ts';
import type { Dataset } from '../data/dataset.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import type { HostTensor } from '../runtime/session.ts';
import { expectClose } from '../testing/compare.ts';
import { ffnModel } from '../testing/ffn-models.ts';
import { createRandom } from '../testing/random.ts';
import type { StageContext } from './context.ts';
import { LiveModel } from './live-model.ts';
import { openModel } from './opened.ts';
import { alignPairs, alignScores, PairStore } from './pairs.ts';
import { Job } from './progress.ts';

const N = 10;
const x: HostTensor = { type: 'float32', dims: [5, 8, 6], data: createRandom(2).normals(240) };

async function gatedContext(): Promise<StageContext> {
  const bytes = ffnModel({ layers: 3, gated: true, activation: 'silu-decomposed', dFf: N });
  const opened = await openModel(new Blob([bytes]), 'gated.onnx');
  return {
    opened,
    live: await LiveModel.create(opened, await loadNodeFactory(), new Job()),
    // One batch, of which only the feeds are read.
    dataset: { itemsPerBatch: 5, batches: () => 1, batch: () => ({ feeds: { x } }) } as unknown as Dataset,
    backend: createCpuBackend(),
    solve: async (score, size) => solveAssignment(score, size),
    pairs: new PairStore(),
    job: new Job(),
  };
}

async function valuesOf({ live }: StageContext, name: string): Promise<Float32Array> {
  const out = await live.run({ x }, [name]);
  const values = ((await out[name].read()) as Float32Array).slice();
  out[name].release();
  return values;
}

function pearson(a: Float32Array, b: Float32Array): number[] {
  const rows = a.length / N;
  const column = (m: Float32Array, u: number) => {
    const c = Array.from({ length: rows }, (_, t) => m[t * N + u]);
    const mean = c.reduce((s, v) => s + v, 0) / rows;
    return c.map((v) => v - mean);
  };
  const dot = (p: number[], q: number[]) => p.reduce((s, v, t) => s + v * q[t], 0);
  return Array.from({ length: N * N }, (_, k) => {
    const [p, q] = [column(a, Math.floor(k / N)), column(b, k % N)];
    return dot(p, q) / Math.sqrt(dot(p, p) * dot(q, q));
  });
}

test('each term is its formula, sums are means, and all come from the same runs', async () => {
  const context = await gatedContext();
  const { live, pairs: store } = context;
  const [group] = context.opened.search.groups;
  const runs = live.blockRuns;
  const scores = ['default', ['preactivation'], ['hidden', 'output-weights']] as const;
  await alignScores(
    context,
    group,
    [
      [0, 1],
      [0, 2],
      [0, 1],
    ],
    scores,
  );
  expect(live.blockRuns - runs).toBeLessThanOrEqual(live.blockCount);

  const [a, b] = group.ffns;
  const up = pearson(await valuesOf(context, a.preActivation), await valuesOf(context, b.preActivation));
  const gate = pearson(
    await valuesOf(context, a.gatePreActivation!),
    await valuesOf(context, b.gatePreActivation!),
  );
  const hidden = pearson(await valuesOf(context, a.hidden), await valuesOf(context, b.hidden));
  const mean = up.map((v, k) => (v + gate[k]) / 2);
  expectClose(store.correlation(group.id, 0, 1)!, mean, { absolute: 1e-5 });
  expectClose(store.correlation(group.id, 0, 1, 'preactivation')!, up, { absolute: 1e-5 });
  expectClose(store.term(group.id, 0, 1, 'hidden')!.data, hidden, { absolute: 1e-5 });
  const pair = store.get(group.id, 0, 1, 'hidden+output-weights')!;
  const matrix = store.correlation(group.id, 0, 1, 'hidden+output-weights')!;
  expect(pair.objective).toBeCloseTo(
    pair.permutation.indices.reduce((sum, v, u) => sum + matrix[u * N + v], 0),
    6,
  );
  expect(pair.samples).toBe(40);

  // Another sum of kept terms runs nothing; nor does one of weights alone.
  const before = live.blockRuns;
  await alignPairs(context, group, [[0, 1]], ['gate', 'hidden']);
  await alignPairs(context, group, [[1, 2]], ['input-weights'], true);
  expect(live.blockRuns).toBe(before);
  expect(store.get(group.id, 1, 2, 'input-weights')!.samples).toBe(0);
  expect(store.get(group.id, 1, 2)).toBeUndefined();
  expect(store.matrix(group).values[1]).toBeCloseTo(store.get(group.id, 0, 1)!.objective / N, 12);
  expect(store.matrix(group, ['input-weights']).values[1]).toBeNaN();
  await live.release();
});
