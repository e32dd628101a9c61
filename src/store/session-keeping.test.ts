/** The session over a reload: two stores that share a place are the page before and after. */
import { expect, test, vi } from 'vitest';
import type { FakeOptions } from '../testing/fake-api.ts';
import { memoryPlace } from '../testing/memory-place.ts';
import { studio } from '../testing/studio-setup.ts';
import { keepSession } from './session-keeping.ts';

type Place = ReturnType<typeof memoryPlace>;

/** A page that has just been loaded. */
async function page(place: Place, options: FakeOptions = {}) {
  const all = studio(options, async () => place);
  await all.now().lookForSession();
  const keeping = keepSession(all.store, all.api, place, 5);
  return { ...all, ...keeping };
}

const sample = 'shakespeare-gpt2';

async function worked(place: Place) {
  const all = await page(place);
  const { now } = all;
  await now().openSample(sample);
  await now().measure();
  now().pickWindow(4, 7);
  await now().runMerge();
  await now().evaluate();
  await all.flush();
  all.stop();
  return all;
}

test('nothing is found at first, and an open model alone is not kept', async () => {
  const place = memoryPlace();
  const { now, flush } = await page(place);
  expect(now().session.was).toBeNull();
  await now().openSample(sample);
  await flush();
  expect(place.writes).toBe(0);
});

test('tells what there was, and gives all of it back to the same model', async () => {
  const place = memoryPlace();
  const before = (await worked(place)).now();
  const { now, api } = await page(place);
  expect(now().session.was).toMatchObject({ fileName: 'model.onnx', sample, stage: 'model', sentence: null });
  expect(now().session.was?.what.join('; ')).toMatch(/similarity.*the merge of .*4–7.*1 variant tried/);
  await now().openSample(sample);
  expect(now().status?.text).toBe('Opened model.onnx. Everything is as you left it.');
  for (const part of ['similarity', 'sweeps', 'evaluation', 'tried'] as const)
    expect(now()[part]).toEqual(before[part]);
  expect(now().picks.sets).toEqual(before.picks.sets);
  expect(now().merge.result).toEqual(before.merge.result);
  // By the recipe, and held: a download needs no further merge.
  expect(api.calls).toContain('mergeRecipe');
  expect(now().merge.held).toBe(now().merge.asked);
  expect(now().session.was).toBeNull();
});

test('a merge that was recovered is fitted again when it is used, not when it is shown', async () => {
  const place = memoryPlace();
  const first = await page(place);
  await first.now().openSample(sample);
  first.now().pickWindow(4, 7);
  await first.now().runMerge();
  first.now().chooseRecovery({ mode: 'chosen', rungs: ['R3'] });
  await first.now().runRecover();
  await first.flush();
  first.stop();
  const { now, api } = await page(place);
  await now().openSample(sample);
  expect(now().merge.asked?.recovery?.length).toBeGreaterThan(0);
  expect(api.calls).not.toContain('mergeRecipe');
  await now().download();
  expect(api.calls).toContain('mergeRecipe');
  expect(api.variant()?.recovery).toEqual(now().merge.asked?.recovery);
});

test('a sweep that was cut off goes on where it was', async () => {
  const place = memoryPlace();
  const first = await page(place, { delay: 200 });
  await first.now().openSample(sample);
  const sweeping = first.now().runSweep(2, 2);
  await vi.waitFor(() => expect(first.now().sweeps.decoder?.entries.length).toBeGreaterThan(2));
  await first.flush();
  first.stop();
  first.now().cancel();
  await sweeping;

  const second = await page(place);
  expect(second.now().session.was?.what[0]).toMatch(/windows of a sweep that was not finished$/);
  await second.now().openSample(sample);
  const back = second.now().sweeps.decoder.entries.length;
  expect(back).toBeGreaterThan(2);
  await second.now().runSweep(2, 2);
  expect(second.now().sweeps.decoder.entries).toHaveLength(11);
  expect(second.api.scored.length).toBeLessThanOrEqual(11 - back);
  expect(second.api.scored.length).toBeGreaterThan(0);
});

test('another model gets a sentence, and takes its place once something is made of it', async () => {
  const place = memoryPlace();
  await worked(place);
  const { now, flush } = await page(place);
  await now().openFiles([new File(['x'], 'other.onnx')]);
  expect(now().session.was?.sentence).toMatch(/^This is for the file “model\.onnx”/);
  expect(now().merge.result).toBeNull();
  await flush();
  expect(now().session.was).not.toBeNull();
  now().pickWindow(1, 2);
  await flush();
  expect(now().session.was).toBeNull();
  const { now: next } = await page(place);
  expect(next().session.was?.fileName).toBe('other.onnx');
});

test('without the data the merge comes back, and the measurements with the data', async () => {
  const place = memoryPlace();
  await worked(place);
  const writes = place.writes;
  const { now, flush } = await page(place, { needsData: true });
  await now().openFiles([new File(['x'], 'model.onnx')]);
  expect(now().merge.result).not.toBeNull();
  expect(now().similarity.byGroup).toEqual({});
  expect(now().session.was?.stage).toBe('data');
  await flush();
  // Written now, the measurements would be lost.
  expect(place.writes).toBe(writes);
  await now().addData([new File(['x'], 'calibrate.txt')]);
  expect(now().similarity.byGroup.decoder).toBeDefined();
  expect(now().session.was).toBeNull();
});

test('what was forgotten does not come back', async () => {
  const place = memoryPlace();
  await worked(place);
  const { now } = await page(place);
  await now().forgetSession();
  expect(now().session.was).toBeNull();
  const { now: next } = await page(place);
  expect(next().session.was).toBeNull();
  await now().openSample(sample);
  expect(now().merge.result).toBeNull();
});

test('a place that keeps nothing is said once and stops nothing', async () => {
  const place = memoryPlace();
  place.failing = 'This browser’s storage is full.';
  const { now, flush } = await page(place);
  await now().openSample(sample);
  now().pickWindow(4, 7);
  await flush();
  expect(now().errors.map(({ sentence }) => sentence)).toEqual([place.failing]);
});
