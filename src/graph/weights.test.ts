/** Weights as matrices, whatever shape the file gives them. */
import { describe, expect, test } from 'vitest';
import { type FfnWeight, unitOrder, type WeightRole, weightShape } from './weights.ts';

const weight = (role: WeightRole, dims: number[], hiddenAxis: number | null, halves?: 2) =>
  ({ role, source: { dims }, hiddenAxis, ...(halves && { halves }) }) as unknown as FfnWeight;

describe('a weight as a matrix', () => {
  test.each([
    ['w_in', [4, 8], 1, undefined, { rows: 4, cols: 8, unitAxis: 1, halves: 1 }],
    ['w_in', [1, 8], 1, undefined, { rows: 1, cols: 8, unitAxis: 1, halves: 1 }],
    ['w_in', [8, 4, 1, 1], 0, undefined, { rows: 8, cols: 4, unitAxis: 0, halves: 1 }],
    ['w_in', [4, 16], 1, 2, { rows: 4, cols: 16, unitAxis: 1, halves: 2 }],
    ['b_in', [1, 1, 8], 2, undefined, { rows: 1, cols: 8, unitAxis: 1, halves: 1 }],
    ['b_in', [16], 0, 2, { rows: 1, cols: 16, unitAxis: 1, halves: 2 }],
    ['unit_0', [8, 1, 1], 0, undefined, { rows: 1, cols: 8, unitAxis: 1, halves: 1 }],
    ['b_out', [4], null, undefined, { rows: 1, cols: 4, unitAxis: null, halves: 1 }],
  ] as const)('%s of shape %j', (role, dims, axis, halves, expected) => {
    expect(weightShape(weight(role, [...dims], axis, halves))).toEqual(expected);
  });

  test('a permutation acts on both halves alike', () => {
    const order = Uint32Array.of(2, 0, 1);
    expect([...unitOrder(order, 1)]).toEqual([2, 0, 1]);
    expect([...unitOrder(order, 2)]).toEqual([2, 0, 1, 5, 3, 4]);
  });
});
