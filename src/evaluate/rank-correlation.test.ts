import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rankCorrelation, ranks } from './rank-correlation.ts';

const pairs = fc.array(fc.tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 })), {
  minLength: 2,
  maxLength: 20,
});

describe('rankCorrelation', () => {
  test('values worked out by hand', () => {
    // No ties: 1 − 6·Σd²/(n(n²−1)), with d = (−1, 1, −1, 1, 0), so 1 − 24/120.
    expect(rankCorrelation([1, 2, 3, 4, 5], [20, 10, 40, 30, 50])).toBeCloseTo(0.8, 12);
    // Ties: ranks (1.5, 1.5, 3, 4) and (1, 2, 3, 4): 4.5 / √(4.5·5).
    expect(rankCorrelation([7, 7, 8, 9], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(22.5), 12);
    expect(rankCorrelation([3, 2, 1], [0.1, 0.5, 9])).toBe(-1);
  });

  test('ties share the mean of their ranks', () => {
    expect([...ranks([10, 20, 20, 5, 20])]).toEqual([2, 4, 4, 1, 4]);
    expect([...ranks([])]).toEqual([]);
  });

  test('is not defined for fewer than two pairs, for equal values, or with a NaN', () => {
    for (const [x, y] of [
      [[], []],
      [[1], [2]],
      [
        [1, 1, 1],
        [1, 2, 3],
      ],
      [
        [1, 2, 3],
        [1, Number.NaN, 3],
      ],
    ]) {
      expect(rankCorrelation(x, y)).toBeNaN();
    }
    expect(() => rankCorrelation([1, 2], [1])).toThrow(RangeError);
  });

  test('does not change under increasing functions, turns its sign under decreasing ones, and is symmetric', () => {
    fc.assert(
      fc.property(pairs, (points) => {
        const x = points.map((p) => p[0]);
        const y = points.map((p) => p[1]);
        const rho = rankCorrelation(x, y);
        expect(rankCorrelation(y, x)).toBe(rho);
        expect(rankCorrelation(x.map(Math.exp), y)).toBe(rho);
        if (Number.isNaN(rho)) return;
        expect(Math.abs(rho)).toBeLessThanOrEqual(1);
        expect(
          rankCorrelation(
            x.map((v) => -(v ** 3)),
            y,
          ),
        ).toBeCloseTo(-rho, 12);
        expect(rankCorrelation(x, x)).toBeCloseTo(1, 12);
        expect(rankCorrelation([...x].reverse(), [...y].reverse())).toBeCloseTo(rho, 12);
      }),
    );
  });
});
