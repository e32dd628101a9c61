import { describe, expect, it } from 'vitest';
import { opened } from '../testing/studio-setup.ts';
import { listSets } from './describe.ts';
import { mergeIsStale } from './merge.ts';

describe('plans', () => {
  it('become the picks, with the settings that they were scored with', async () => {
    const { now } = await opened();
    now().pickWindow(8, 9);
    await now().proposePlans(3);
    const candidates = now().plan?.result.candidates ?? [];
    expect(candidates.length).toBeGreaterThan(2);
    now().setMethod('vanilla');
    now().applyPlan(candidates[1]);
    expect(now().picks.sets).toEqual(candidates[1].sets);
    expect(now().merge.method).toBe('permute');
  });

  it.each([0, 12, 1.5, Number.NaN])('refuse %d FFNs', async (removed) => {
    const { now, api } = await opened();
    await now().proposePlans(removed);
    expect(now().errors).toMatchObject([{ step: 'plan' }]);
    expect(api.calls).not.toContain('plan');
  });

  it('are written as lists of layers', async () => {
    const { now, saved } = await opened();
    await now().proposePlans(2);
    now().savePlans();
    expect(saved[0].name).toBe('plans-decoder.json');
    const [best] = JSON.parse(await saved[0].blob.text());
    expect(Object.keys(best)).toEqual(['sets', 'estimate', 'value', 'bytesAfter']);
    expect(best.sets[0].length).toBeGreaterThanOrEqual(2);
  });

  it('keep the proposals before them when cancelled', async () => {
    const { now } = await opened({ delay: 60 });
    await now().proposePlans(2);
    const before = now().plan;
    const asking = now().proposePlans(3);
    now().cancel();
    await asking;
    expect(now().plan).toBe(before);
  });
});

describe('the best of a size', () => {
  it('is picked, merged, scored on select, and small enough', async () => {
    const { now, api } = await opened();
    await now().findBestOfSize(20);
    const { plan, picks, merge, model } = now();
    expect(plan?.sized?.evaluation.split).toBe('select');
    expect(picks.sets).toEqual(plan?.sized?.candidate.sets);
    expect(merge.result?.saving.bytesAfter).toBeLessThanOrEqual(0.8 * (model?.bytes ?? 0));
    expect(mergeIsStale(now())).toBe(false);
    expect(api.variant()?.sets).toEqual(picks.sets);
    expect(now().status?.text).toContain(`Picked and merged ${listSets(picks.sets)}`);
  });

  it('leaves picks and merge alone when it fails half-way', async () => {
    const { now, api } = await opened({ failing: { evaluate: 'Out of memory: close other tabs.' } });
    now().pickWindow(4, 7);
    await now().runMerge();
    const { result } = now().merge;
    await now().findBestOfSize(20);
    expect(now().errors).toHaveLength(1);
    expect(now().picks.sets.map(({ layers }) => layers[0])).toEqual([4]);
    expect(now().merge.result).toBe(result);
    await now().download();
    expect(api.variant()?.sets).toEqual(now().picks.sets);
  });

  it('says what can be had where nothing is that small', async () => {
    const { now, api } = await opened();
    const { plan } = api;
    api.plan = async (...args) => ({ ...(await plan(...args)), candidates: [] });
    await now().findBestOfSize(80);
    expect(now().errors[0].sentence).toMatch(/^No merge of this group makes the file 80 % smaller/);
  });
});
