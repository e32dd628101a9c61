/** The engine stops (a GPU that is lost, a worker that died): what is shown waits for the same files. */
import { expect, test } from 'vitest';
import type { FakeOptions } from '../testing/fake-api.ts';
import { memoryPlace } from '../testing/memory-place.ts';
import { studio } from '../testing/studio-setup.ts';
import { keepSession } from './session-keeping.ts';

const file = () => new File(['x'], 'model.onnx');

function named(name: string): Error {
  return Object.assign(new Error('The engine is gone. Open the model again to go on.'), { name });
}

/** A page on which layers were measured and scored; the next merge ends the engine. */
async function beforeTheEnd(name: string) {
  const failing: Record<string, Error> = {};
  const place = memoryPlace();
  const all = studio({ failing } satisfies FakeOptions, async () => place);
  const keeping = keepSession(all.store, all.api, place, 5);
  const { now } = all;
  await now().probe('off');
  await now().openFiles([file()]);
  await now().measure();
  await now().runSweep(2, 2);
  now().pickWindow(4, 7);
  await keeping.flush();
  failing.merge = named(name);
  return { ...all, ...keeping, place, failing };
}

const waiting = (now: Awaited<ReturnType<typeof beforeTheEnd>>['now']) =>
  expect.poll(() => now().session.was?.stage).toBe('stopped');

test.each(['GpuLostError', 'WorkerDied'])(
  '%s: the same files bring back what was made of them',
  async (name) => {
    const { now, api, failing, stop } = await beforeTheEnd(name);
    // A worker that died knows nothing: what was kept last is taken.
    if (name === 'WorkerDied') failing.identity = new Error('No model is open.');
    const { similarity, sweeps, picks } = now();
    await now().runMerge();
    expect(now().errors.map(({ sentence }) => sentence)).toEqual([failing.merge.message]);
    expect(now()).toMatchObject({ similarity, sweeps, picks });
    await waiting(now);
    expect(now().engine.status).toBe('stopped');
    delete failing.merge;
    delete failing.identity;
    await now().openFiles([file()]);
    expect(now().status?.text).toBe('Opened model.onnx. Everything is as you left it.');
    expect(now().engine.status).toBe('ready');
    expect(now().similarity).toEqual(similarity);
    expect(now().sweeps).toEqual(sweeps);
    expect(now().picks.sets).toEqual(picks.sets);
    expect(now().session.was).toBeNull();
    expect(api.calls).toContain('useSweepSeed');
    await now().runMerge();
    expect(now().merge.result).not.toBeNull();
    stop();
  },
);

test('a merge that was there is carried out again on the new engine before it is saved', async () => {
  const { now, api, failing, stop } = await beforeTheEnd('GpuLostError');
  delete failing.merge;
  await now().runMerge();
  const { asked, result } = now().merge;
  failing.evaluate = named('GpuLostError');
  await now().evaluate();
  await waiting(now);
  delete failing.evaluate;
  await now().openFiles([file()]);
  expect(api.variant()).toBeNull();
  expect(now().merge.result).toEqual(result);
  await now().download();
  expect(api.variant()).toEqual(asked);
  stop();
});

test('another error leaves the engine as it is', async () => {
  const { now, failing, stop } = await beforeTheEnd('GpuError');
  await now().runMerge();
  expect(now().errors).toHaveLength(1);
  expect([now().engine.status, now().session.was]).toEqual(['ready', null]);
  delete failing.merge;
  await now().runMerge();
  expect(now().merge.result).not.toBeNull();
  stop();
});

test('what is kept for a reload is not let go while the same files are waited for', async () => {
  const { now, flush, stop, place } = await beforeTheEnd('GpuLostError');
  await now().runMerge();
  await waiting(now);
  now().pickWindow(1, 2);
  await flush();
  expect(now().session.was?.stage).toBe('stopped');
  stop();
  const next = studio({}, async () => place);
  await next.now().lookForSession();
  expect(next.now().session.was?.what.join()).toMatch(/similarity/);
});

test('another model starts afresh, and asks for the one that was open', async () => {
  const { now, failing, stop } = await beforeTheEnd('GpuLostError');
  await now().runMerge();
  await waiting(now);
  delete failing.merge;
  await now().openFiles([new File(['y'], 'other.onnx')]);
  expect(now().similarity.byGroup).toEqual({});
  expect(now().session.was?.sentence).toMatch(/^This is for the file “model\.onnx”/);
  stop();
});
