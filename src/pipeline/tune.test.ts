/**
 * Tuning through the studio on the gated model, with a small part of its texts: never worse on select, done again by
 * its plan, paused and resumed as if it had not been, also by another studio from what the first one put away.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RuntimeFailure } from '../runtime/session.ts';
import { openShort } from '../testing/short-texts.ts';
import { DEFAULT_RECOVERY } from './recover-types.ts';
import type { Studio } from './studio.ts';
import type { TuneCheckpoint, TunePlace } from './tune-checkpoint.ts';
import type { MergePlan, RecoverRequest, TunePoint, TuneRequest } from './types.ts';

const LLAMA = 'src/testing/fixtures/shakespeare-llama';
const TUNE = { ...DEFAULT_RECOVERY.tune, steps: 12, rate: 3e-3, batch: 1 };
const ask = (tune: Partial<TuneRequest> = {}): RecoverRequest => ({
  ...DEFAULT_RECOVERY,
  rungs: ['tune'],
  tune: { ...TUNE, ...tune },
});

let kept: unknown;
const place: TunePlace = {
  load: async () => kept,
  save: async (checkpoint) => {
    kept = structuredClone(checkpoint);
  },
  clear: async () => {
    kept = undefined;
  },
};

let studio: Studio;
let merge: MergePlan;

beforeAll(async () => {
  const opened = await openShort(LLAMA, { tuning: { place } });
  studio = opened.studio;
  merge = {
    sets: [{ groupId: opened.groupId, layers: [2, 3, 4] }],
    method: 'permute',
    reference: 'first',
    score: 'default',
  };
});
afterAll(() => studio.dispose());

async function bytesOf(of: Studio): Promise<Buffer> {
  return Buffer.from(await (await of.download()).blob.arrayBuffer());
}

test('brings the select split down, is kept with its step, and done again by its plan', {
  timeout: 120_000,
}, async () => {
  await studio.merge(merge);
  const points: TunePoint[] = [];
  const result = await studio.recover(ask(), {
    onProgress: ({ partial }) => {
      if (partial?.tune) points.push(partial.tune);
    },
  });
  expect(result.end.select).toBeLessThan(result.start.select);
  expect(result.outcomes).toMatchObject([{ rung: 'tune', kept: true }]);
  const looks = points.flatMap(({ select }) => select ?? []);
  expect(result.end.select).toBe(Math.min(...looks, result.start.select));
  expect(points.map(({ step }) => step)).toEqual(Array.from(points, (_, i) => i + 1));
  const first = await bytesOf(studio);
  expect((await studio.evaluate('select')).merged).toBe(result.end.select);

  const { studio: again } = await openShort(LLAMA);
  await again.merge(result.plan);
  expect(Buffer.compare(await bytesOf(again), first)).toBe(0);
  await again.dispose();
});

test('paused at any step and resumed by another studio, it gives the same', {
  timeout: 120_000,
}, async () => {
  await studio.merge(merge);
  const whole = await studio.recover(ask());
  const wanted = await bytesOf(studio);
  await studio.merge(merge);
  const cancel = new AbortController();
  const pauseAt = 1 + Math.floor(Math.random() * (TUNE.steps - 2));
  const cancelled = studio.recover(ask(), {
    signal: cancel.signal,
    onProgress: ({ partial }) => {
      if (partial?.tune?.step === pauseAt) cancel.abort();
    },
  });
  await expect(cancelled).rejects.toThrow();
  const paused = studio.recovery()!;
  expect(paused).toMatchObject({ stopped: 'cancelled', paused: { step: pauseAt, steps: TUNE.steps } });
  expect(paused.end.select).toBeLessThanOrEqual(paused.start.select);
  expect(await studio.tuning(paused.plan)).toEqual({ step: pauseAt, steps: TUNE.steps });
  // A merge of other layers is another matter.
  expect(await studio.tuning({ ...merge, reference: 'last' })).toBeNull();

  const { studio: later } = await openShort(LLAMA, { tuning: { place } });
  await later.merge(merge);
  expect(await later.tuning(merge)).toEqual({ step: pauseAt, steps: TUNE.steps });
  const resumed = await later.recover(ask({ resume: true }));
  expect(resumed.end.select).toBeCloseTo(whole.end.select, 3);
  expect(resumed.plan).toEqual(whole.plan);
  expect(Buffer.compare(await bytesOf(later), wanted)).toBe(0);
  expect(kept).toBeUndefined();
  await later.dispose();
});

test('what cannot be tuned or resumed is said, and nothing is lost', { timeout: 120_000 }, async () => {
  const other: MergePlan = { ...merge, reference: 'last' };
  await studio.merge(other);
  const before = await bytesOf(studio);
  kept = { of: 'something else', before: [], options: {}, state: {} } as unknown as TuneCheckpoint;
  const notesOf = async (tune: Partial<TuneRequest>) =>
    (await studio.recover(ask(tune))).outcomes.flatMap(({ sets }) => sets.flatMap(({ notes }) => notes));
  expect(await notesOf({ resume: true })).toEqual([expect.stringContaining('no paused tuning')]);
  expect(await notesOf({ rate: -1 })).toEqual([expect.stringContaining('“rate”; it was -1')]);
  await expect(studio.recover(ask({ distil: 2 }))).rejects.toThrow('from 0 to 1; it was 2');
  await expect(studio.recover(ask({ batch: 1.5 }))).rejects.toThrow('it was 1.5');
  expect(Buffer.compare(await bytesOf(studio), before)).toBe(0);
});

test('a runtime that refuses ends the tuning, and what other rungs gained stays', async () => {
  const differentiables = async () => {
    throw new RuntimeFailure('out-of-memory', 'There is not enough memory to tune.', '');
  };
  const { studio: short } = await openShort(LLAMA, { tuning: { differentiables } });
  await short.merge(merge);
  const { outcomes, end } = await short.recover({ ...ask(), rungs: ['R3', 'tune'] });
  expect(outcomes.map(({ rung, kept }) => [rung, kept])).toEqual([
    ['R3', true],
    ['tune', false],
  ]);
  expect(outcomes[1].sets[0].notes).toEqual(['There is not enough memory to tune.']);
  expect((await short.evaluate('select')).merged).toBe(end.select);
  await short.dispose();
});
