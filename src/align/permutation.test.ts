import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../testing/random.ts';
import { Permutation, PermutationError } from './permutation.ts';

const permutations = fc.tuple(fc.integer(), fc.integer({ min: 0, max: 40 })).map(([seed, size]) => {
  return Permutation.from(createRandom(seed).permutation(size));
});

describe('Permutation', () => {
  it('names the first position at fault', () => {
    const faults: [number[], number, number][] = [
      [[0, 1, 1], 2, 1],
      [[0, 3, 1], 1, 3],
      [[0, -1, 1], 1, -1],
      [[0.5, 1], 0, 0.5],
      [[1, Number.NaN], 1, Number.NaN],
    ];
    for (const [values, index, value] of faults) {
      let error: unknown;
      try {
        Permutation.from(values);
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(PermutationError);
      expect(error).toMatchObject({ index, value });
      expect(String(error)).toContain(`position ${index}`);
    }
  });

  it('copies what it is made of', () => {
    const source = Uint32Array.of(1, 0);
    const permutation = Permutation.from(source);
    source[0] = 0;
    expect([...permutation.indices]).toEqual([1, 0]);
  });

  it('is undone by its inverse, from both sides', () => {
    fc.assert(
      fc.property(permutations, (p) => {
        expect(p.compose(p.inverse()).isIdentity).toBe(true);
        expect(p.inverse().compose(p).isIdentity).toBe(true);
        expect(p.compose(Permutation.identity(p.size)).equals(p)).toBe(true);
      }),
    );
  });

  it('composes as gathering twice does', () => {
    const random = createRandom(5);
    const first = Permutation.from(random.permutation(9));
    const next = Permutation.from(random.permutation(9));
    const gather = (x: number[], p: Permutation) => [...p.indices].map((u) => x[u]);
    const x = [...random.normals(9)];
    expect(gather(gather(x, first), next)).toEqual(gather(x, first.compose(next)));
    expect(() => first.compose(Permutation.identity(8))).toThrow(RangeError);
  });
});
