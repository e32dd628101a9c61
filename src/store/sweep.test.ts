import { describe, expect, it } from 'vitest';
import { opened } from '../testing/studio-setup.ts';
import { rankedEntries } from './sweep.ts';

const WINDOWS = 11 + 10 + 9;

describe('a sweep', () => {
  it('shows windows as they are scored, best first, and ends with what predicts them', async () => {
    const { now, store } = await opened({ delay: 40 });
    const counts: number[] = [];
    const stop = store.subscribe(({ sweeps }) => counts.push(sweeps.decoder?.entries.length ?? 0));
    await now().runSweep(2, 4);
    stop();
    expect(new Set(counts).size).toBeGreaterThan(2);
    const run = now().sweeps.decoder;
    const values = rankedEntries(run).map(({ value }) => value);
    expect(values).toHaveLength(WINDOWS);
    expect(values).toEqual([...values].sort((a, b) => a - b));
    expect(run.finished?.predictions).toHaveLength(4);
    expect(now().view.stripWidth).toBe(2);
  });

  it('keeps what is done when cancelled, and goes on without scoring it again', async () => {
    const { now, api, store } = await opened({ delay: 40 });
    const sweeping = now().runSweep(2, 4);
    await new Promise<void>((resolve) => {
      const stop = store.subscribe(({ sweeps }) => {
        if ((sweeps.decoder?.entries.length ?? 0) < 10) return;
        stop();
        resolve();
      });
    });
    now().cancel();
    await sweeping;
    const kept = now().sweeps.decoder.entries.length;
    expect(kept).toBeGreaterThanOrEqual(10);
    expect(kept).toBeLessThan(WINDOWS);
    expect(now().status?.text).toBe(
      `Cancelled. ${kept} of 30 windows are scored and kept; sweep again to go on from there.`,
    );
    expect(now().sweeps.decoder.finished).toBeNull();
    await now().runSweep(2, 4);
    expect(now().sweeps.decoder.entries).toHaveLength(WINDOWS);
    expect(api.scored).toHaveLength(WINDOWS);
    expect(new Set(api.scored).size).toBe(WINDOWS);
  });

  it('keeps what is done when it fails', async () => {
    const { now } = await opened({ failing: { sweep: 'The device was lost: sweep again.' } });
    await now().runSweep(2, 4);
    expect(now().errors).toMatchObject([{ step: 'sweep', sentence: 'The device was lost: sweep again.' }]);
    expect(now().sweeps.decoder.entries.length).toBeGreaterThan(10);
  });

  it('shows other widths of the same settings beside nothing else, and keeps them for later', async () => {
    const { now, api } = await opened();
    await now().runSweep(2, 4);
    await now().runSweep(5, 5);
    expect(rankedEntries(now().sweeps.decoder)).toHaveLength(8);
    expect(now().view.stripWidth).toBe(5);
    await now().runSweep(2, 2);
    expect(rankedEntries(now().sweeps.decoder)).toHaveLength(11);
    expect(api.scored).toHaveLength(WINDOWS + 8);
  });

  it('starts anew with another method, and leaves the sweep before it until then', async () => {
    const { now } = await opened();
    await now().runSweep(2, 2);
    const before = now().sweeps.decoder;
    now().setMethod('vanilla');
    const again = now().runSweep(2, 2);
    expect(now().sweeps.decoder).toBe(before);
    await again;
    expect(now().sweeps.decoder.request.method).toBe('vanilla');
    expect(now().sweeps.decoder.entries).toHaveLength(11);
  });

  it.each([
    [1, 3],
    [2, 13],
    [4, 3],
    [Number.NaN, 3],
  ])('refuses widths %d to %d', async (narrowest, widest) => {
    const { now, api } = await opened();
    await now().runSweep(narrowest, widest);
    expect(now().errors).toMatchObject([{ step: 'sweep' }]);
    expect(api.calls).not.toContain('sweep');
  });

  it('puts a picked window in place of those that share a layer with it', async () => {
    const { now } = await opened();
    now().pickWindow(1, 2);
    now().pickWindow(4, 7);
    now().pickInstead('decoder', 6, 8);
    expect(now().picks.sets.map(({ layers }) => layers[0])).toEqual([1, 6]);
  });

  it('writes a table with full precision', async () => {
    const { now, saved } = await opened();
    await now().runSweep(2, 3);
    now().saveSweep();
    expect(saved[0].name).toBe('sweep-decoder.csv');
    const [header, ...rows] = (await saved[0].blob.text()).trim().split('\n');
    expect(header).toBe('first,last,value,original,standardError,bytesAfter,blockRuns');
    expect(rows).toHaveLength(21);
    const [best] = rankedEntries(now().sweeps.decoder);
    expect(rows[0].split(',').map(Number)).toEqual([
      best.first,
      best.last,
      best.value,
      best.original,
      best.standardError,
      best.bytesAfter,
      best.blockRuns,
    ]);
  });
});
