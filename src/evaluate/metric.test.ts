/** Metrics against closed forms and identities. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Targets } from '../data/dataset.ts';
import { createRandom } from '../testing/random.ts';
import {
  combine,
  damage,
  higherIsBetter,
  type Metric,
  needsOriginal,
  pairedStandardError,
  scoreBatch,
  scoreOfItself,
} from './metric.ts';

const text = (ids: number[][], from?: number[]): Targets => ({
  kind: 'next-token',
  ids: Int32Array.from(ids.flat()),
  items: ids.length,
  length: ids[0].length,
  ...(from && { from: Int32Array.from(from) }),
});
const score = (metric: Metric, logits: Float32Array, targets: Targets, original?: Float32Array) =>
  combine([scoreBatch(metric, logits, targets, original)], metric);

const rows = fc
  .record({ items: fc.integer({ min: 1, max: 4 }), width: fc.integer({ min: 1, max: 9 }) })
  .chain(({ items, width }) => {
    const logits = fc
      .array(fc.float({ min: -1e4, max: 1e4, noNaN: true }), {
        minLength: items * width,
        maxLength: items * width,
      })
      .map((v) => Float32Array.from(v));
    return fc.record({ items: fc.constant(items), p: logits, q: logits });
  });

describe('perplexity', () => {
  test('of uniform logits is the vocabulary', () => {
    for (const vocabulary of [1, 7, 1000]) {
      const logits = new Float32Array(2 * 4 * vocabulary).fill(3.25);
      const scored = score(
        'perplexity',
        logits,
        text([
          [0, 0, 0, 0],
          [0, 0, 0, 0],
        ]),
      );
      expect(scored.value).toBeCloseTo(vocabulary, 3);
      expect(scored.samples).toBe(6);
    }
  });

  test('is the same for shifted logits, and finite for logits of ±1e4', () => {
    const z = Float32Array.from([1e4, -1e4, 0, -1e4, 1e4, 0]);
    const scored = score('perplexity', z, text([[0, 1]]));
    expect(scored.items[0]).toBe(2e4);
    expect(score('perplexity', z, text([[1, 0]])).value).toBe(1);
  });

  test('counts only positions from `from` on, for each item', () => {
    const logits = createRandom(4).normals(2 * 4 * 3);
    const ids = [
      [0, 1, 2, 1],
      [2, 2, 0, 1],
    ];
    const all = scoreBatch('perplexity', logits, text(ids));
    expect(scoreBatch('strided-perplexity', logits, text(ids, [3, 2]))).toEqual(
      Float32Array.from([all[2], all[4], all[5]]),
    );
    expect(scoreBatch('token-accuracy', logits, text(ids, [0, 1])).length).toBe(6);
  });
});

describe('accuracies', () => {
  test('count hits; of equal logits the lowest id wins', () => {
    const logits = Float32Array.from([1, 1, 0, 0, 2, 2, 5, 5, 5]);
    const labels = Int32Array.from([0, 1, 1]);
    expect([...scoreBatch('accuracy', logits, { kind: 'class', labels })]).toEqual([1, 1, 0]);
    expect([...scoreBatch('token-accuracy', logits, text([[2, 0, 1]]))]).toEqual([1, 1]);
  });
});

describe('KL and agreement', () => {
  test('KL(p‖p) = 0 and agreement 1, KL ≥ 0 and finite, for logits up to ±1e4', () => {
    fc.assert(
      fc.property(rows, ({ items, p, q }) => {
        const targets: Targets = { kind: 'none', items };
        const own = score('kl', p, targets, p);
        expect(own).toEqual(scoreOfItself('kl', items));
        expect(score('agreement', p, targets, p)).toEqual(scoreOfItself('agreement', items));
        for (const v of scoreBatch('kl', q, targets, p)) {
          expect(v).toBeGreaterThanOrEqual(0);
          expect(v).toBeLessThan(Number.POSITIVE_INFINITY);
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  test('KL is what two coins give, at every position of a text', () => {
    const logit = (p: number) => Math.log(p / (1 - p));
    const p = Float32Array.from([logit(0.9), 0, logit(0.5), 0]);
    const q = Float32Array.from([logit(0.6), 0, logit(0.5), 0]);
    const kl = scoreBatch('kl', q, text([[0, 1]]), p);
    expect(kl).toHaveLength(2);
    expect(kl[0]).toBeCloseTo(0.9 * Math.log(0.9 / 0.6) + 0.1 * Math.log(0.1 / 0.4), 6);
    expect(kl[1]).toBe(0);
  });

  test('masked ids (−∞) add nothing where both mask them', () => {
    const masked = Float32Array.from([0, 0, Number.NEGATIVE_INFINITY]);
    const open = Float32Array.from([0, 0, 0]);
    expect(scoreBatch('kl', masked, { kind: 'none', items: 1 }, masked)[0]).toBe(0);
    expect(scoreBatch('kl', open, { kind: 'none', items: 1 }, masked)[0]).toBeCloseTo(Math.log(1.5), 6);
    expect(scoreBatch('kl', masked, { kind: 'none', items: 1 }, open)[0]).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('comparison', () => {
  const logits = createRandom(1).normals(5 * 6);
  const other = createRandom(2).normals(5 * 6);
  const targets = text([[1, 2, 3, 4, 5]]);

  test('of a score with itself has no error and no damage', () => {
    for (const metric of ['perplexity', 'strided-perplexity', 'token-accuracy', 'kl', 'agreement'] as const) {
      const scored = score(metric, logits, targets, other);
      expect(pairedStandardError(scored, scored)).toBe(0);
      expect(damage(scored, scored)).toBe(0);
    }
  });

  test('the paired error is that of the mean of the differences', () => {
    const make = (items: number[]) => combine([Float32Array.from(items)], 'token-accuracy');
    // Differences 1, 0, 1, 0: variance 1/3.
    const error = pairedStandardError(make([0, 0, 0, 1]), make([1, 0, 1, 1]));
    expect(error).toBeCloseTo(Math.sqrt(1 / 3 / 4), 12);
  });

  test('damage grows with the loss whichever way the metric runs', () => {
    const half = (metric: Metric, a: number, b: number) =>
      damage(combine([Float32Array.from([a])], metric), combine([Float32Array.from([b])], metric));
    expect(half('perplexity', 1, 1.5)).toBe(0.5);
    expect(half('strided-perplexity', 1, 1.5)).toBe(0.5);
    expect(half('accuracy', 1, 0.25)).toBe(0.75);
    expect(half('token-accuracy', 1, 0.25)).toBe(0.75);
    expect(damage(scoreOfItself('kl', 1), combine([Float32Array.from([0.5])], 'kl'))).toBe(0.5);
    expect(damage(scoreOfItself('agreement', 1), combine([Float32Array.from([0.75])], 'agreement'))).toBe(
      0.25,
    );
    expect((['accuracy', 'token-accuracy', 'agreement'] as const).every(higherIsBetter)).toBe(true);
    expect((['perplexity', 'strided-perplexity', 'kl'] as const).some(higherIsBetter)).toBe(false);
  });

  test('refuses what cannot be compared', () => {
    expect(() => scoreBatch('kl', logits, targets)).toThrow("needs the original's outputs");
    expect(() => scoreBatch('accuracy', logits, targets)).toThrow('Accuracy needs a label');
    expect(() => scoreBatch('perplexity', logits, { kind: 'none', items: 5 })).toThrow('needs text');
    expect(() => scoreBatch('perplexity', logits.subarray(1), targets)).toThrow('do not fit');
    expect(() => scoreBatch('kl', logits, targets, other.subarray(6))).toThrow('cannot be compared');
    const one = score('perplexity', logits, targets);
    expect(() => damage(one, score('token-accuracy', logits, targets))).toThrow('same metric');
    expect(needsOriginal('kl') && needsOriginal('agreement') && !needsOriginal('accuracy')).toBe(true);
  });
});

describe('the angle between output vectors', () => {
  test('is 0 for the same direction, 1 for a right angle, 2 for the opposite', () => {
    const a = Float32Array.of(1, 0, 3, 4, 1, 1, 0, 0, 0, 0);
    const b = Float32Array.of(0, 2, 6, 8, -2, -2, 1, 0, 0, 0);
    const items = scoreBatch('cosine', b, { kind: 'none', items: 5 }, a);
    [1, 0, 2, 1, 0].forEach((wanted, k) => {
      expect(items[k]).toBeCloseTo(wanted, 6);
    });
    expect(scoreOfItself('cosine', 2)).toEqual(combine([Float32Array.of(0, 0)], 'cosine'));
    expect(needsOriginal('cosine') && !higherIsBetter('cosine')).toBe(true);
    expect(damage(scoreOfItself('cosine', 1), combine([Float32Array.of(0.25)], 'cosine'))).toBe(0.25);
  });

  test('is taken over rows of a known width', () => {
    const of = (width: number) =>
      scoreBatch(
        'cosine',
        Float32Array.of(1, 1, 1, 1),
        { kind: 'none', items: 1, width },
        Float32Array.of(1, 1, 1, 1),
      );
    expect([of(4).length, of(2).length, of(1).length]).toEqual([1, 2, 4]);
    expect(() => of(3)).toThrow('do not fit');
  });
});

describe('rows that are not real', () => {
  const z = Float32Array.of(0, 9, 9, 0, 0, 9, 9, 0);
  const shifted = z.map((v, k) => (k < 4 ? v : -v));

  test('are not scored against tokens, nor compared', () => {
    const targets: Targets = {
      kind: 'token',
      ids: Int32Array.of(1, -1, 1, -1),
      items: 2,
      length: 2,
      real: Uint8Array.of(1, 0, 1, 0),
    };
    expect([...scoreBatch('token-accuracy', z, targets)]).toEqual([1, 1]);
    expect([...scoreBatch('agreement', shifted, targets, z)]).toEqual([1, 0]);
    expect(scoreBatch('kl', z, { ...targets, real: Uint8Array.of(1, 0) }, z)).toHaveLength(2);
    expect(() => scoreBatch('kl', z, { ...targets, real: new Uint8Array(3) }, z)).toThrow('A mask of 3');
  });

  test('are not counted among classes', () => {
    const targets: Targets = {
      kind: 'class',
      labels: Int32Array.of(1, 1, 1, 1),
      real: Uint8Array.of(1, 1, 1, 0),
    };
    expect([...scoreBatch('accuracy', z, targets)]).toEqual([1, 0, 1]);
  });
});
