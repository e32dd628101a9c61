/** A sweep that was stopped goes on in another studio from what the first one scored, and only there. */
import { beforeAll, expect, test } from 'vitest';
import { combine } from '../evaluate/metric.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import { namedFile } from '../testing/studio-in-node.ts';
import type { StageContext } from './context.ts';
import { LiveModel } from './live-model.ts';
import { openModel } from './opened.ts';
import { PairStore } from './pairs.ts';
import { Job } from './progress.ts';
import type { Scorer } from './scoring.ts';
import { type SweepCache, sweepWindows } from './sweep.ts';
import { exportSweeps, importSweeps, sweepIdentity } from './sweep-seed.ts';
import type { SweepRequest } from './types.ts';

const files = [{ name: 'model.onnx', bytes: 1, sha256: 'a'.repeat(64) }];
const identity = sweepIdentity('0.1.0', files, 'data', { inference: 'wasm' });

/** Opened once: it knows nothing of what was scored. */
let model: Pick<StageContext, 'opened' | 'live'>;
beforeAll(async () => {
  const file = await namedFile('public/samples/digits-vit/model.onnx');
  const opened = await openModel(file, file.name);
  model = { opened, live: await LiveModel.create(opened, await loadNodeFactory(), new Job()) };
}, 120_000);

/** A studio's parts; scores are made up, each variant's its own, and counted. */
function studio() {
  const scored: string[] = [];
  const score = (loss: number) => combine([Float32Array.of(loss, 2 * loss)], 'perplexity');
  const scorer = {
    original: async () => score(0.1),
    variant: async (_split: string, _choice: unknown, key: string) => {
      scored.push(key);
      return score(0.2 + (key.includes('0.1.2') ? 0.1 : 0));
    },
    evaluator: () => async () => 0,
    plainBlockRuns: () => 1,
  } as unknown as Scorer;
  const context: StageContext = {
    ...model,
    dataset: null,
    backend: createCpuBackend(),
    solve: () => Promise.reject(new Error('aligned')),
    pairs: new PairStore(),
    job: new Job(),
  };
  const request: SweepRequest = {
    groupId: model.opened.search.groups[0].id,
    widths: [11],
    method: 'vanilla',
    reference: 'first',
    score: 'default',
  };
  const sweep = (cache: SweepCache, signal?: AbortSignal) =>
    sweepWindows(
      {
        ...context,
        job: new Job({ ...(signal && { signal }), onProgress: ({ partial }) => partial && stop.abort() }),
      },
      scorer,
      request,
      { metric: 'perplexity' },
      cache,
      () => [],
    );
  const stop = new AbortController();
  return { scored, sweep, stop };
}

test('a seed of a stopped sweep spares what was scored', async () => {
  const first = studio();
  const cache: SweepCache = new Map();
  await expect(first.sweep(cache, first.stop.signal)).rejects.toThrow(/abort/i);
  expect(first.scored).toHaveLength(1);
  // As it comes back from where it was kept.
  const seed = structuredClone(exportSweeps(cache, identity));

  const second = studio();
  const fresh: SweepCache = new Map();
  expect(importSweeps(fresh, seed, identity)).toBe(1);
  expect(importSweeps(fresh, seed, identity)).toBe(0);
  const resumed = await second.sweep(fresh);
  expect(second.scored).toHaveLength(1);
  expect(second.scored).not.toEqual(first.scored);
  expect(resumed.entries.map((e) => [e.first, e.last])).toEqual([
    [1, 11],
    [0, 10],
  ]);
  expect(resumed.entries.map((e) => e.value)).toEqual((await first.sweep(cache)).entries.map((e) => e.value));
});

test('a seed of anything else is not taken', () => {
  const entry = {
    groupId: 'g',
    first: 0,
    last: 1,
    value: 1,
    original: 1,
    standardError: 0,
    bytesAfter: 1,
    blockRuns: 1,
    damage: 0,
  };
  const seed = exportSweeps(new Map([['k', entry]]), identity);
  const others = [
    sweepIdentity('0.2.0', files, 'data', { inference: 'wasm' }),
    sweepIdentity('0.1.0', [{ ...files[0], sha256: 'b'.repeat(64) }], 'data', { inference: 'wasm' }),
    sweepIdentity('0.1.0', [...files, ...files], 'data', { inference: 'wasm' }),
    sweepIdentity('0.1.0', files, 'other', { inference: 'wasm' }),
    sweepIdentity('0.1.0', files, 'data', { inference: 'webgpu' }),
  ];
  for (const other of others) expect(importSweeps(new Map(), seed, other)).toBe(0);
  const renamed = [{ ...files[0], name: 'copy.onnx' }];
  expect(importSweeps(new Map(), seed, sweepIdentity('0.1.0', renamed, 'data', { inference: 'wasm' }))).toBe(
    1,
  );
});
