import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { similaritySuite } from '../testing/similarity-suite.ts';
import {
  allPairs,
  correlationBytes,
  debiasedCkaBytes,
  exactCkaBytes,
  MemoryBudgetError,
  planPasses,
} from './memory.ts';

similaritySuite('similarity on the CPU', { create: () => createCpuBackend(), cka: 1e-6, correlation: 1e-6 });

describe('memory', () => {
  it('counts the bytes of the accumulators', () => {
    expect(exactCkaBytes({ accumulatorBytes: 4 }, 12, 128)).toBe(78 * 128 * 128 * 4);
    expect(correlationBytes({ accumulatorBytes: 8 }, 3, 512)).toBe(3 * 512 * 512 * 8);
    expect(debiasedCkaBytes(12)).toBe(12 * 256 * 256 * 4 + 12 * 12 * 8);
  });

  it('plans the fewest passes that keep to the budget, leaving out no pair', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 10, max: 500 }), (layers, budget) => {
        const pairs = allPairs(layers);
        const passes = planPasses(pairs, 10, budget);
        expect(passes.flat()).toEqual(pairs);
        expect(passes.length).toBe(Math.ceil(pairs.length / Math.floor(budget / 10)));
        for (const pass of passes) {
          expect(pass.length).toBeGreaterThan(0);
          expect(pass.length * 10).toBeLessThanOrEqual(budget);
        }
      }),
    );
  });

  it('says what one pair needs where not even one fits', () => {
    expect(() => planPasses([1, 2], 3 * 2 ** 20, 2 ** 20)).toThrow(MemoryBudgetError);
    expect(() => planPasses([1, 2], 3 * 2 ** 20, 2 ** 20)).toThrow(/3\.0 MiB .* 1\.0 MiB/);
  });
});
