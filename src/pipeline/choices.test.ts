/** What is chosen by evaluation: layers to leave out, and the best score. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resolveBestScore } from './best-score.ts';
import { chooseLayers } from './choose-layers.ts';
import { candidateScores, scoreKey, termsOf } from './score-terms.ts';

describe('chooseLayers', () => {
  test('is the best where damages add up, and as good as every window otherwise', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 2, maxLength: 7 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 3 }),
        async (costs, wanted, coupling) => {
          const remove = Math.min(wanted, costs.length);
          const layers = costs.map((_, l) => l);
          const damage = (some: readonly number[]) =>
            some.reduce((sum, l) => sum + costs[l] - (some.includes(l + 1) ? coupling : 0), 0);
          const seen: string[] = [];
          const choice = await chooseLayers(layers, remove, async (some) => {
            seen.push(some.join());
            return damage(some);
          });
          expect(new Set(seen).size).toBe(seen.length);
          expect(choice.layers).toHaveLength(remove);
          expect(choice.value).toBe(damage(choice.layers));
          for (let first = 0; first + remove <= layers.length; first++) {
            expect(choice.value).toBeLessThanOrEqual(damage(layers.slice(first, first + remove)));
          }
          if (coupling > 0) return;
          const least = [...costs].sort((a, b) => a - b).slice(0, remove);
          expect(choice.value).toBe(least.reduce((a, b) => a + b, 0));
        },
      ),
    );
  });

  test('windows do not jump over layers that cannot be left out; the count told is never exceeded', async () => {
    const told: number[][] = [];
    const seen = new Set<string>();
    await chooseLayers(
      [0, 1, 3, 4],
      2,
      async (some) => seen.add(some.join()).size,
      async (done, most) => void told.push([done, most]),
    );
    expect(seen).toContain('3,4');
    expect(told.at(-1)).toEqual([9, 9]);
    await expect(chooseLayers([1], 2, async () => 0)).rejects.toThrow(RangeError);
  });
});

describe('resolveBestScore', () => {
  const build = async (terms: unknown) => JSON.stringify(terms);

  test('keeps the best, the first among equals, and releases every other', async () => {
    const candidates = candidateScores([{ gated: false }], true);
    const values = [3, Number.NaN, 1, 1, 2];
    const released: string[] = [];
    let at = 0;
    const best = await resolveBestScore(
      candidates,
      build,
      async () => values[at++],
      (v) => released.push(v),
    );
    expect(best).toMatchObject({ terms: candidates[2], value: 1 });
    expect(released).toHaveLength(candidates.length - 1);
    expect(released).not.toContain(best.variant);
  });

  test('releases what it holds where scoring fails', async () => {
    const released: string[] = [];
    const score = async (v: string) => {
      if (v !== '"default"') throw new Error('cancelled');
      return 1;
    };
    await expect(
      resolveBestScore(['default', ['hidden']], build, score, (v) => released.push(v)),
    ).rejects.toThrow('cancelled');
    expect(released.sort()).toEqual(['"default"', '["hidden"]']);
  });
});

test('scores: one name for equal sums, every candidate can be had', () => {
  for (const gated of [false, true]) {
    const group = { gated };
    expect(scoreKey(termsOf('default', group), group)).toBe('default');
    expect(scoreKey(termsOf(['output-weights', 'hidden', 'hidden'], group), group)).toBe(
      'hidden+output-weights',
    );
    const keys = candidateScores([group], true).map((c) => scoreKey(termsOf(c, group), group));
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys[0]).toBe('default');
  }
  // The paper's score is the default of plain FFNs only.
  expect(scoreKey(['preactivation'], { gated: true })).toBe('preactivation');
  expect(candidateScores([{ gated: false }], false)).toEqual([['input-weights', 'output-weights']]);
});
