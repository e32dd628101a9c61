/** Undo and redo: the page goes back at once, the worker before it is used. */
import { describe, expect, test } from 'vitest';
import { opened } from '../testing/studio-setup.ts';

const names = (sets: readonly { readonly layers: readonly number[] }[]) =>
  sets.map(({ layers }) => `${layers[0]}–${layers.at(-1)}`).join(' ');

describe('undo and redo', () => {
  test('of picks, in both directions, and a new pick ends redo', async () => {
    const { now } = await opened();
    now().pickWindow(4, 5);
    now().pickWindow(7, 9);
    now().undo();
    expect(names(now().picks.sets)).toBe('4–5');
    now().undo();
    expect(now().picks.sets).toEqual([]);
    now().undo();
    expect(now().picks.sets).toEqual([]);
    now().redo();
    now().redo();
    expect(names(now().picks.sets)).toBe('4–5 7–9');
    now().undo();
    now().pickWindow(1, 2);
    now().redo();
    expect(names(now().picks.sets)).toBe('1–2 4–5');
  });

  test('of a merge: what is saved next is the variant that is shown', async () => {
    const { now, api } = await opened();
    now().pickWindow(4, 5);
    await now().runMerge();
    await now().evaluate();
    const { result } = now().merge;
    const { evaluation } = now();
    now().pickInstead('decoder', 5, 6);
    now().setReference('last');
    await now().runMerge();
    now().undo();
    // The picks of the second merge, with the first merge still in place.
    expect(now().merge.result).toBe(result);
    expect(names(now().picks.sets)).toBe('5–6');
    now().undo();
    expect(names(now().picks.sets)).toBe('4–5');
    expect(now().merge.reference).toBe('first');
    expect(now().evaluation).toBe(evaluation);
    expect(names(api.variant()?.sets ?? [])).toBe('5–6');
    await now().download();
    expect(names(api.variant()?.sets ?? [])).toBe('4–5');
    now().undo();
    expect(now().merge.result).toBeNull();
    expect(now().evaluation).toBeNull();
    await now().download();
    expect(api.variant()).toBeNull();
  });

  test('of picks that were cleared, with their merge', async () => {
    const { now } = await opened();
    now().pickWindow(4, 5);
    await now().runMerge();
    const { result } = now().merge;
    now().clearWindows();
    expect(now().merge.result).toBeNull();
    now().undo();
    expect(now().merge.result).toBe(result);
    expect(names(now().picks.sets)).toBe('4–5');
  });

  test('of a recovery, whose steps come and go', async () => {
    const { now } = await opened();
    now().pickWindow(4, 5);
    await now().runMerge();
    now().chooseRecovery({ mode: 'chosen', rungs: ['R3'] });
    await now().runRecover();
    const steps = now().merge.asked?.recovery?.length ?? 0;
    expect(steps).toBeGreaterThan(0);
    now().undo();
    expect(now().merge.asked?.recovery ?? []).toHaveLength(0);
    expect(now().recover.run).toBeNull();
    now().redo();
    expect(now().merge.asked?.recovery).toHaveLength(steps);
    expect(now().recover.run?.result).not.toBeNull();
  });

  test('what a job changed is one step, and nothing is undone while one runs', async () => {
    const { now } = await opened({ delay: 60 });
    now().pickWindow(4, 5);
    await now().runMerge();
    await now().evaluate();
    now().pickInstead('decoder', 5, 6);
    await now().useAgain(1);
    expect(names(now().picks.sets)).toBe('4–5');
    now().undo();
    expect(names(now().picks.sets)).toBe('5–6');
    const merging = now().runMerge();
    now().undo();
    expect(names(now().picks.sets)).toBe('5–6');
    await merging;
  });

  test('another model starts afresh', async () => {
    const { now } = await opened();
    now().pickWindow(4, 5);
    await now().openSample('shakespeare-gpt2');
    now().undo();
    expect(now().picks.sets).toEqual([]);
    expect(now().history.past).toEqual([]);
  });
});
