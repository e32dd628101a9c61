import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSeeded } from '../tensor/seeded.ts';
import { randomWindows } from './random-windows.ts';

const sizesIn = (layers: number) => fc.array(fc.integer({ min: 2, max: layers }), { maxLength: 4 });

describe('randomWindows', () => {
  test('are adjacent layers, disjoint, of the sizes asked, and the same for the same seed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }).chain((n) => fc.tuple(fc.constant(n), sizesIn(n), fc.integer())),
        ([layers, sizes, seed]) => {
          const total = sizes.reduce((a, b) => a + b, 0);
          if (total > layers) {
            expect(() => randomWindows(layers, sizes, createSeeded(seed))).toThrow(RangeError);
            return;
          }
          const windows = randomWindows(layers, sizes, createSeeded(seed));
          expect(windows.map((w) => w.length)).toEqual(sizes);
          for (const w of windows) expect(w).toEqual(w.map((_, k) => w[0] + k));
          expect(new Set(windows.flat()).size).toBe(total);
          expect(windows.flat().every((l) => l >= 0 && l < layers)).toBe(true);
          expect(randomWindows(layers, sizes, createSeeded(seed))).toEqual(windows);
        },
      ),
    );
  });

  test('all placements are equally likely', () => {
    // A window of 2 and one of 3 in 7 layers: two orders, and C(4, 2) places for each.
    const counts = new Map<string, number>();
    const random = createSeeded(5);
    const draws = 12_000;
    for (let k = 0; k < draws; k++) {
      const key = randomWindows(7, [2, 3], random).join('|');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(12);
    const expected = draws / 12;
    const chiSquare = [...counts.values()].reduce((s, c) => s + (c - expected) ** 2 / expected, 0);
    // 11 degrees of freedom, p = 0.001.
    expect(chiSquare).toBeLessThan(31.3);
  });
});
