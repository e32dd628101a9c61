import { describe, expect, it } from 'vitest';
import { DEFAULT_RECOVERY } from '../pipeline/recover-types.ts';
import { merged, opened } from '../testing/studio-setup.ts';
import { describePlan, describeRecovery } from './describe.ts';
import { mergeIsStale, pickedPlan } from './merge.ts';
import { cameBack, undoTarget, wasKept, withLoss } from './recovered.ts';
import { doneSteps } from './steps.ts';
import { triedPoints } from './tried.ts';
import type { LossCurve, RungOutcome, StudioState } from './types.ts';

type All = Awaited<ReturnType<typeof opened>>;

async function recovered(options = {}): Promise<All> {
  const all = await merged(options);
  all.now().chooseRecovery({ mode: 'chosen', rungs: ['R3', 'R2'] });
  await all.now().runRecover();
  return all;
}

/** Waits for a state of the store. */
function reached({ store }: All, is: (state: StudioState) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = store.subscribe((state) => {
      if (!is(state)) return;
      stop();
      resolve();
    });
  });
}

const rungsOf = (state: StudioState) => state.merge.asked?.recovery?.map(({ rung }) => rung) ?? [];

describe('a run of recovery', () => {
  it('becomes the variant that is shown, scored and saved, with what it adds counted', async () => {
    const { now, api, saved } = await merged();
    const plain = now().merge.result?.saving.bytesAfter ?? 0;
    now().chooseRecovery({ mode: 'chosen', rungs: ['R3', 'R2'] });
    await now().runRecover();
    const { run } = now().recover;
    // In the order of the ladder, whatever the order of the ticks.
    expect(run?.outcomes.map(({ rung }) => rung)).toEqual(['R2', 'R3']);
    expect(rungsOf(now())).toEqual(['R2', 'R3']);
    expect(api.variant()?.recovery).toEqual(now().merge.asked?.recovery);
    const added = run?.outcomes.reduce((sum, { addedBytes }) => sum + addedBytes, 0) ?? 0;
    expect(added).toBeGreaterThan(0);
    expect(now().merge.result?.saving.bytesAfter).toBe(plain + added);
    expect(mergeIsStale(now())).toBe(false);
    expect(doneSteps(now()).split(' ')).toContain('recover');
    const merges = api.calls.filter((call) => call === 'merge').length;
    await now().evaluate();
    await now().download();
    expect(saved).toHaveLength(1);
    // The worker held it already.
    expect(api.calls.filter((call) => call === 'merge')).toHaveLength(merges);
    expect(now().evaluation?.merged).toBeLessThan(run?.result?.start.report ?? 0);
  });

  it('asks for the best with a time, and for chosen rungs without', async () => {
    const { now, api } = await merged();
    const asked: unknown[] = [];
    const { recover } = api;
    api.recover = (request, options) => {
      asked.push(request);
      return recover(request, options);
    };
    now().chooseRecovery({ minutes: 0.5, steps: 40 });
    await now().runRecover();
    now().chooseRecovery({ mode: 'chosen', rungs: ['refresh', 'R0b'] });
    await now().runRecover();
    expect(asked).toEqual([
      { ...DEFAULT_RECOVERY, rungs: 'best', minutes: 0.5, steps: 40 },
      { ...DEFAULT_RECOVERY, rungs: ['R0b', 'refresh'], steps: 40 },
    ]);
  });

  it('shows rungs and the loss as they come in', async () => {
    const all = await merged({ delay: 40 });
    const { now, store } = all;
    const seen = new Set<string>();
    const stop = store.subscribe(({ recover: { run } }) => {
      if (run && !run.result) seen.add(`${run.outcomes.length} ${(run.curves[0]?.points.length ?? 0) > 0}`);
    });
    now().chooseRecovery({ mode: 'chosen', rungs: ['R2', 'R3', 'R6'], steps: 200 });
    await now().runRecover();
    stop();
    expect([...seen]).toEqual(expect.arrayContaining(['1 false', '2 false', '2 true']));
    const [curve] = now().recover.run?.curves ?? [];
    expect(curve).toMatchObject({ rung: 'R6', steps: 200, ended: true });
    expect(curve.points.at(-1)?.step).toBeLessThan(200);
  });

  it('goes on from the one before it, and counts from the merge without any', async () => {
    const { now } = await recovered();
    const first = now().recover.run;
    now().chooseRecovery({ rungs: ['R4'] });
    await now().runRecover();
    const second = now().recover.run;
    expect(rungsOf(now())).toEqual(['R2', 'R3', 'R4']);
    expect(second?.result?.start).toEqual(first?.result?.end);
    expect(second?.merged).toEqual(first?.result?.start);
    expect(now().recover.history).toHaveLength(2);
  });

  it('that gains nothing leaves the merge, and nothing to undo', async () => {
    const { now } = await merged();
    const { asked } = now().merge;
    now().chooseRecovery({ mode: 'chosen', rungs: ['R1'] });
    await now().runRecover();
    expect(now().recover.run?.outcomes[0].kept).toBe(false);
    expect(now().merge.asked).toBe(asked);
    expect(now().merge.held).toBe(asked);
    expect(undoTarget(now())).toBeNull();
    expect(now().status?.text).toContain('no rung improved the select split');
  });

  it('that fails leaves the merge, which is carried out again before it is used', async () => {
    const { now, api } = await merged({ failing: { recover: 'The device was lost: recover again.' } });
    const { asked } = now().merge;
    await now().runRecover();
    expect(now().errors).toMatchObject([
      { step: 'recover', sentence: 'The device was lost: recover again.' },
    ]);
    expect(now().recover.run).toBeNull();
    const merges = api.calls.filter((call) => call === 'merge').length;
    await now().evaluate();
    expect(api.variant()).toBe(asked);
    expect(api.calls.filter((call) => call === 'merge')).toHaveLength(merges + 1);
  });

  it('does not bring a merge back whose picks were cleared meanwhile', async () => {
    const all = await merged({ delay: 60 });
    const { now, api } = all;
    const running = now().runRecover();
    await reached(all, ({ recover }) => (recover.run?.outcomes.length ?? 0) > 0);
    now().clearWindows();
    await running;
    expect(now().merge.result).toBeNull();
    expect(now().recover.run).toBeNull();
    await now().download();
    expect(api.variant()).toBeNull();
  });

  it.each([
    [{ minutes: 0 }, /^Minutes/],
    [{ minutes: Number.NaN }, /^Minutes/],
    [{ mode: 'chosen', rungs: [] }, /^No rung is chosen/],
    [{ steps: 1.5 }, /^Steps/],
    [{ rank: 0 }, /^The rank/],
    [{ seed: -1 }, /^The seed/],
  ] as const)('refuses %o', async (part, sentence) => {
    const { now, api } = await merged();
    now().chooseRecovery(part);
    await now().runRecover();
    expect(now().errors).toMatchObject([{ step: 'recover', sentence: expect.stringMatching(sentence) }]);
    expect(api.calls).not.toContain('recover');
  });

  it('refuses where nothing is merged, where FFNs were left out, and without data', async () => {
    const { now, api } = await opened();
    await now().runRecover();
    now().pickWindow(4, 7);
    now().setMethod('ffn-drop');
    await now().runMerge();
    await now().runRecover();
    expect(now().errors.map(({ sentence }) => sentence)).toEqual([
      expect.stringMatching(/^FFNs or layers that were left out/),
    ]);
    expect(api.calls).not.toContain('recover');
    const bare = await opened({ needsData: true });
    bare.now().pickWindow(4, 7);
    bare.now().setScore(['input-weights', 'output-weights']);
    await bare.now().runMerge();
    await bare.now().runRecover();
    expect(bare.now().errors[0].sentence).toMatch(/^Recovery needs calibration data/);
  });
});

describe('cancelling a run', () => {
  it('keeps what was gained, and says so', async () => {
    const all = await merged({ delay: 60 });
    const { now, api } = all;
    now().chooseRecovery({ mode: 'chosen', rungs: ['R2', 'R3', 'R4', 'R6'] });
    const running = now().runRecover();
    await reached(all, ({ recover }) => recover.run?.outcomes.length === 2);
    now().cancel();
    await running;
    expect(now().status).toEqual({
      kind: 'cancelled',
      text: 'Cancelled. What was gained so far is kept.',
    });
    expect(now().errors).toEqual([]);
    expect(now().recover.run?.result?.stopped).toBe('cancelled');
    expect(rungsOf(now())).toEqual(['R2', 'R3']);
    expect(api.variant()?.recovery).toEqual(now().merge.asked?.recovery);
    expect(now().merge.held).toBe(now().merge.asked);
    expect(now().recover.history).toHaveLength(1);
  });

  it('before anything was gained leaves what was shown', async () => {
    const { now } = await recovered({ delay: 60 });
    const { run } = now().recover;
    const { asked } = now().merge;
    const running = now().runRecover();
    now().cancel();
    await running;
    expect(now().status?.text).toBe('Cancelled. The merge is as it was.');
    expect(now().recover.run).toBe(run);
    expect(now().merge.asked).toBe(asked);
  });

  it('leaves the merge where the worker cannot tell what it kept', async () => {
    const all = await merged({ delay: 60, failing: { recovery: 'The engine stopped.' } });
    const { now, api } = all;
    const { asked } = now().merge;
    const running = now().runRecover();
    await reached(all, ({ recover }) => recover.run?.outcomes.length === 2);
    now().cancel();
    await running;
    expect(now().status?.text).toBe('Cancelled. The merge is as it was.');
    await now().download();
    expect(api.variant()).toBe(asked);
  });
});

describe('undo', () => {
  it('goes back run by run, to the merge without recovery', async () => {
    const { now, api } = await recovered();
    const first = now().recover.run;
    const bytes = now().merge.result?.saving.bytesAfter;
    await now().evaluate();
    const score = now().evaluation;
    now().chooseRecovery({ rungs: ['R4'] });
    await now().runRecover();
    await now().undoRecovery();
    expect(rungsOf(now())).toEqual(['R2', 'R3']);
    expect(now().recover.run).toBe(first);
    expect(now().merge.result?.saving.bytesAfter).toBe(bytes);
    expect(now().evaluation).toBe(score);
    await now().undoRecovery();
    expect(rungsOf(now())).toEqual([]);
    expect(api.variant()).toEqual(pickedPlan(now()));
    expect(now().recover).toMatchObject({ run: null, history: [] });
    expect(mergeIsStale(now())).toBe(false);
    await now().undoRecovery();
    expect(now().errors).toMatchObject([{ step: 'recover' }]);
  });

  it('is forgotten with another merge', async () => {
    const { now } = await recovered();
    await now().runMerge();
    expect(now().recover).toMatchObject({ run: null, history: [] });
    expect(rungsOf(now())).toEqual([]);
  });
});

describe('recovered variants', () => {
  it('are variants of their own among those tried, and come back', async () => {
    const { now, api } = await merged();
    await now().evaluate();
    now().chooseRecovery({ mode: 'chosen', rungs: ['R2', 'R3'] });
    await now().runRecover();
    expect(now().evaluation).toBeNull();
    await now().evaluate();
    const [plain, better] = now().tried;
    expect(describePlan(better.plan)).toBe(`${describePlan(plain.plan)} + R2, R3`);
    expect(triedPoints(now().tried, now().metric.chosen)).toHaveLength(3);
    expect(better.saving.bytesAfter).toBeGreaterThan(plain.saving.bytesAfter);
    expect(better.scores[0].merged).toBeLessThan(plain.scores[0].merged);
    await now().useAgain(plain.id);
    expect(api.variant()?.recovery).toBeUndefined();
    await now().useAgain(better.id);
    expect(api.variant()?.recovery).toHaveLength(2);
    expect(now().evaluation).toBe(better.scores[0]);
    expect(mergeIsStale(now())).toBe(false);
    // What it was before is known from its plan.
    await now().undoRecovery();
    expect(api.variant()?.recovery).toBeUndefined();
    expect(now().evaluation).toBe(plain.scores[0]);
  });

  it('stay what they are when picks change, and are stale then', async () => {
    const { now } = await recovered();
    now().pickInstead('decoder', 8, 9);
    expect(mergeIsStale(now())).toBe(true);
    expect(rungsOf(now())).toEqual(['R2', 'R3']);
  });

  it('are given back after baselines', async () => {
    const { now, api } = await recovered();
    const { asked } = now().merge;
    await now().runBaselines();
    expect(api.variant()).toBe(asked);
    expect(rungsOf(now())).toEqual(['R2', 'R3']);
  });

  it('are not mixed up with the score that “best” found', async () => {
    const { now } = await opened();
    now().pickWindow(4, 7);
    now().setScore('best');
    await now().runMerge();
    await now().runRecover();
    expect(mergeIsStale(now())).toBe(false);
    await now().evaluate();
    expect(now().tried[0].asked.score).toEqual(['preactivation', 'output-weights']);
    expect(now().tried[0].asked.recovery?.length).toBeGreaterThan(0);
  });
});

describe('proposals that were refitted', () => {
  it('are asked for, and picked, merged and recovered in one go', async () => {
    const { now, api } = await opened();
    await now().proposePlans(3);
    expect(now().plan?.result.candidates[0].recovered).toBeUndefined();
    await now().proposePlans(3, true);
    expect(now().plan?.request.recover).toBe(true);
    const [best] = now().plan?.result.candidates ?? [];
    await now().applyPlan(best);
    expect(now().picks.sets).toEqual(best.sets);
    expect(api.variant()).toEqual(best.recovered?.plan);
    expect(now().merge.result?.saving.bytesAfter).toBe(best.recovered?.bytesAfter);
    expect(mergeIsStale(now())).toBe(false);
    await now().undoRecovery();
    expect(rungsOf(now())).toEqual([]);
  });

  it('reach a size with what their recovery adds', async () => {
    const { now } = await opened();
    await now().findBestOfSize(20, true);
    expect(now().plan?.sized?.candidate.recovered).toBeDefined();
    expect(rungsOf(now())).toContain('R3');
    const { bytesAfter = Number.NaN } = now().merge.result?.saving ?? {};
    expect(bytesAfter).toBeLessThanOrEqual(0.8 * (now().model?.bytes ?? 0));
  });
});

describe('numbers of recovery', () => {
  it('say which share of the loss is back, whichever way the metric points', () => {
    const at = (select: number, report: number) => ({ select, report });
    expect(cameBack('perplexity', at(4, 4), at(6, 8), at(5, 5), 'report')).toBeCloseTo(0.75, 12);
    expect(cameBack('accuracy', at(0.9, 0.9), at(0.8, 0.5), at(0.88, 0.6), 'select')).toBeCloseTo(0.8, 12);
    expect(cameBack('perplexity', at(4, 4), at(5, 5), at(6, 6), 'report')).toBeCloseTo(-1, 12);
    expect(cameBack('perplexity', at(4, 4), at(3.9, 4), at(3, 3), 'report')).toBeNull();
  });

  it('count a rung that is tried twice as kept where either was', async () => {
    const run = (await recovered()).now().recover.run!;
    const [any] = run.outcomes;
    const tries = (...outcomes: (readonly [RungOutcome['rung'], boolean])[]) => ({
      ...run,
      outcomes: outcomes.map(([rung, kept]) => ({ ...any, rung, kept })),
    });
    expect(wasKept(tries(['R5', true], ['R3', true], ['R5', false]), 'R5')).toBe(true);
    expect(wasKept(tries(['R5', false], ['R3', true], ['R5', true]), 'R5')).toBe(true);
    expect(wasKept(tries(['R5', false], ['R3', true], ['R5', false]), 'R5')).toBe(false);
    expect(wasKept(run, 'R5')).toBeNull();
    expect(wasKept(null, 'R3')).toBeNull();
  });

  it('part the loss into a curve a set', () => {
    const one = { groupId: 'decoder', layers: [4, 5] };
    const two = { groupId: 'decoder', layers: [8, 9] };
    const point = (set: typeof one, step: number) =>
      ({ rung: 'R6', set, step, steps: 9, heldOut: 1 }) as const;
    const points = [point(one, 0), point(one, 5), point(two, 0), point(two, 0), point(two, 5)];
    const curves = points.reduce<LossCurve[]>(withLoss, []);
    expect(curves.map(({ set, points: { length }, ended }) => [set.layers[0], length, ended])).toEqual([
      [4, 2, true],
      [8, 1, true],
      [8, 2, false],
    ]);
  });

  it('name rungs once, and how often', () => {
    const step = (rung: 'R2' | 'R3' | 'tune', set: number) => ({ rung, set, refreshed: false, options: {} });
    const steps = [step('R2', 0), step('R2', 1), step('R3', 0), step('R3', 0)];
    expect(describeRecovery(steps)).toBe('R2, R3 ×2');
    expect(describeRecovery([...steps, { ...step('R2', 0), refreshed: true }])).toBe('R2, R3 ×2, refreshed');
    expect(describeRecovery([...steps, step('tune', 0)])).toBe('R2, R3 ×2, tuned');
  });
});
