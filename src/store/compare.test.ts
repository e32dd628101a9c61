import { describe, expect, it } from 'vitest';
import { merged, opened } from '../testing/studio-setup.ts';
import { describePlan, stackName } from './describe.ts';
import { sharedPrefix } from './examples.ts';
import { mergeIsStale } from './merge.ts';
import { damageOf, formatDifference } from './metrics.ts';
import { triedPoints } from './tried.ts';

describe('baselines', () => {
  it('are scored at the same number of FFNs, and give the person’s own merge back', async () => {
    const { now, api } = await merged();
    await now().evaluate();
    const { result, asked } = now().merge;
    await now().runBaselines();
    const methods = now().tried.map(({ plan }) => plan.method);
    expect(methods).toEqual([
      'permute',
      'vanilla',
      'copy',
      'random',
      'random',
      'random',
      'ffn-drop',
      'layer-drop',
    ]);
    expect(now().merge.result).toBe(result);
    expect(now().evaluation?.merged).toBe(now().tried[0].scores[0].merged);
    expect(api.variant()).toBe(asked);
    expect(mergeIsStale(now())).toBe(false);
  });

  it('leave the original where nothing was merged', async () => {
    const { now, api } = await opened();
    now().pickWindow(4, 7);
    await now().runBaselines();
    expect(now().tried).toHaveLength(7);
    expect(api.variant()).toBeNull();
    expect(now().merge.result).toBeNull();
  });

  it('keep those that are done when cancelled; the own merge is back before it is used', async () => {
    const { now, api, store, saved } = await merged({ delay: 60 });
    const running = now().runBaselines();
    await new Promise<void>((resolve) => {
      const stop = store.subscribe(({ tried }) => {
        if (tried.length < 2) return;
        stop();
        resolve();
      });
    });
    now().cancel();
    await running;
    expect(now().tried).toHaveLength(2);
    expect(now().status?.text).toMatch(/^Cancelled\. 2 of 7 baselines/);
    await now().download();
    expect(api.variant()).toBe(now().merge.asked);
    expect(saved).toHaveLength(1);
  });
});

describe('variants tried', () => {
  it('come back with their picks, options and score', async () => {
    const { now, api } = await merged();
    await now().evaluate();
    const score = now().evaluation?.merged;
    now().clearWindows();
    now().pickLayers('1, 9, 10');
    now().setMethod('random');
    now().setSeed(3);
    await now().runMerge();
    await now().evaluate();
    expect(now().tried).toHaveLength(2);
    await now().useAgain(1);
    expect(now().picks.sets).toEqual([{ groupId: 'decoder', layers: [4, 5, 6, 7] }]);
    expect(now().merge.method).toBe('permute');
    expect(now().evaluation?.merged).toBe(score);
    expect(mergeIsStale(now())).toBe(false);
    await now().useAgain(2);
    // Drawn again with its seed, from what was asked for.
    expect(api.variant()).toMatchObject({ method: 'random', seed: 3, sets: [{ layers: [1, 9, 10] }] });
    expect(mergeIsStale(now())).toBe(false);
  });

  it('keep one row a variant, and a score a metric', async () => {
    const { now } = await merged();
    await now().evaluate();
    await now().setMetric({ metric: 'kl' });
    expect(now().evaluation).toBeNull();
    expect(triedPoints(now().tried, now().metric.chosen)).toEqual([]);
    await now().evaluate();
    expect(now().tried).toHaveLength(1);
    expect(now().tried[0].scores.map(({ metric }) => metric)).toEqual(['perplexity', 'kl']);
    await now().setMetric({ metric: 'perplexity' });
    expect(now().evaluation?.metric).toBe('perplexity');
    expect(triedPoints(now().tried, now().metric.chosen)).toHaveLength(2);
  });

  it('remember the score that “best” found', async () => {
    const { now } = await opened();
    now().pickWindow(4, 7);
    now().setScore('best');
    await now().runMerge();
    await now().evaluate();
    expect(now().tried[0].asked.score).toEqual(['preactivation', 'output-weights']);
  });
});

describe('the metric', () => {
  it('is told to the worker before the next score, with its stride', async () => {
    const { now, api } = await merged();
    await now().setMetric({ metric: 'strided-perplexity', stride: 64 });
    now().setStride(32);
    await now().evaluate();
    expect(now().evaluation).toMatchObject({ metric: 'strided-perplexity', stride: 32 });
    expect(api.calls.filter((call) => call === 'setMetric')).toHaveLength(2);
  });

  it('refuses a stride that is none', async () => {
    const { now, api } = await merged();
    await now().setMetric({ metric: 'strided-perplexity', stride: 64 });
    now().setStride(Number.NaN);
    await now().evaluate();
    expect(now().errors).toMatchObject([{ step: 'compare' }]);
    expect(api.calls).not.toContain('evaluate');
  });

  it('points damage the same way for all', () => {
    expect(damageOf('perplexity', { value: 5.5, original: 5 })).toBeCloseTo(0.5, 12);
    expect(damageOf('accuracy', { value: 0.9, original: 0.95 })).toBeCloseTo(0.05, 12);
    expect(formatDifference('accuracy', -0.018, 0.004)).toBe('−1.8 ± 0.4 points');
  });
});

describe('outputs side by side', () => {
  const request = { prompt: 'ROMEO:', tokens: 120, temperature: 0, seed: 1 };

  it('are of the merge that is shown, and stay when the next run is cancelled', async () => {
    const { now } = await merged({ delay: 40 });
    await now().compareExamples(request);
    const before = now().examples;
    expect(before?.of).toBe(now().merge.asked);
    const again = now().compareExamples({ ...request, seed: 2 });
    now().cancel();
    await again;
    expect(now().examples).toBe(before);
  });

  it('refuse settings that make no sense', async () => {
    const { now, api } = await merged();
    await now().compareExamples({ ...request, temperature: -1 });
    await now().compareExamples({ ...request, tokens: 1.5 });
    await now().compareExamples({ ...request, seed: Number.NaN });
    expect(now().errors).toHaveLength(3);
    expect(api.calls).not.toContain('examples');
  });

  it('part at the first character that differs, never inside one', () => {
    expect(sharedPrefix('to be', 'to bring')).toBe(4);
    expect(sharedPrefix('same', 'same')).toBe(4);
    expect(sharedPrefix('', 'x')).toBe(0);
    expect(sharedPrefix('a\u{1F600}', 'a\u{1F601}')).toBe(1);
  });
});

describe('words', () => {
  const sets = [
    { groupId: 'decoder', layers: [1, 4, 5] },
    { groupId: 'decoder', layers: [8, 9] },
  ];
  const plan = { sets, method: 'permute', reference: 'first', score: 'default' } as const;

  it('describe plans', () => {
    expect(describePlan(plan)).toBe('1, 4, 5; 8–9, permuted, averaged, first layer as reference');
    expect(describePlan({ ...plan, method: 'layer-drop' }, [{ groupId: 'decoder', layers: [2, 9] }])).toBe(
      'layers 2, 9 left out whole',
    );
  });

  it('tell stacks apart where there are several', () => {
    const groups = [
      { id: 'g0', name: 'encoder.encoder.layers.*' },
      { id: 'g1', name: 'decoder.model.decoder.layers.*' },
    ];
    const both = [
      { groupId: 'g0', layers: [0, 1] },
      { groupId: 'g1', layers: [0, 1] },
    ];
    expect(describePlan({ ...plan, sets: both }, undefined, groups)).toMatch(
      /^encoder 0–1 and decoder 0–1, /,
    );
    const dropped = [
      { groupId: 'g0', layers: [1, 2] },
      { groupId: 'g1', layers: [3] },
    ];
    expect(describePlan({ ...plan, method: 'layer-drop' }, dropped, groups)).toBe(
      'layers encoder 1, 2; decoder 3 left out whole',
    );
    const towers = ['model.text.layers.*', 'model.vision.layers.*'].map((name) => ({ id: name, name }));
    expect(stackName(towers, 'model.vision.layers.*')).toBe('vision');
    expect(stackName(towers.slice(1), 'model.vision.layers.*')).toBe('');
    const nested = ['a.b.h.*', 'a.c.h.*', 'a.b.g.*'].map((name) => ({ id: name, name }));
    expect(nested.map(({ id }) => stackName(nested, id))).toEqual(['b.h', 'c.h', 'b.g']);
    const alike = [
      { id: 'g0', name: 'h.*' },
      { id: 'g1', name: 'h.*' },
    ];
    expect(stackName(alike, 'g1')).toBe('h.*');
  });
});
