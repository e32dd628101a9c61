import { describe, expect, it } from 'vitest';
import { compare, expectClose } from './compare.ts';
import { createRandom } from './random.ts';

describe('compare', () => {
  it('passes equal and nearly equal arrays', () => {
    expect(compare([1, 2, 3], [1, 2, 3], {}).ok).toBe(true);
    expect(compare([1.001, 200.1], [1, 200], { absolute: 0.01, relative: 1e-3 }).ok).toBe(true);
    expect(compare([], [], {}).ok).toBe(true);
  });

  it('reports the worst index and its error', () => {
    const result = compare([1, 2.5, 3.1, 4], [1, 2, 3, 4], { absolute: 0.01 });
    expect(result).toMatchObject({ ok: false, worstIndex: 1, worstError: 0.5, failures: 2 });
    expect(compare([1, 2, 3, 5], [1, 2, 3, 4], { cols: 2 }).message).toContain('row 1, column 1');
  });

  it('weighs a relative tolerance by the expected value', () => {
    expect(compare([100.5, 1.5], [100, 1], { relative: 0.01 })).toMatchObject({ worstIndex: 1, failures: 1 });
  });

  it('fails on lengths, NaN and infinities', () => {
    expect(compare([1], [1, 2], { absolute: 9 }).ok).toBe(false);
    expect(compare([Number.NaN], [0], { absolute: 9 })).toMatchObject({ ok: false, worstIndex: 0 });
    expect(compare([0], [Number.NaN], { absolute: 9 }).ok).toBe(false);
    expect(compare([Number.POSITIVE_INFINITY], [0], { absolute: 9 }).ok).toBe(false);
    expect(compare([Number.POSITIVE_INFINITY], [Number.NEGATIVE_INFINITY], { absolute: 9 }).ok).toBe(false);
    expect(compare([0], [Number.POSITIVE_INFINITY], { relative: 1 }).ok).toBe(false);
  });

  it('lets NaN equal NaN, and an infinity itself', () => {
    expect(
      compare([Number.NaN, Number.POSITIVE_INFINITY], [Number.NaN, Number.POSITIVE_INFINITY], {}).ok,
    ).toBe(true);
    expect(compare([0], [-0], {}).ok).toBe(true);
  });

  it('throws its sentence as an expectation', () => {
    expect(() => expectClose([1, 9], [1, 2], { absolute: 1 })).toThrow(
      /1 of 2 values .* index 1: 9 against 2/,
    );
  });
});

describe('createRandom', () => {
  it('repeats with the seed and differs without', () => {
    expect(createRandom(7).normals(8)).toEqual(createRandom(7).normals(8));
    expect(createRandom(7).normals(8)).not.toEqual(createRandom(8).normals(8));
  });

  it('has the moments of a standard normal', () => {
    const x = createRandom(1).normals(20000);
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });

  it('permutes without loss', () => {
    const sorted = [...createRandom(3).permutation(50)].sort((a, b) => a - b);
    expect(sorted).toEqual(Array.from({ length: 50 }, (_, u) => u));
  });
});
