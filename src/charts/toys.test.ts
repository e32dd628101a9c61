import { describe, expect, it } from 'vitest';
import { ckaToy, linearCka } from './cka-toy.ts';
import { type Order, swapped, toyLines, toyValues } from './permute-toy.ts';

const orders: Order[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

describe('the FFN whose hidden units are put in another order', () => {
  it('computes what a hand computes', () => {
    const { hidden, output } = toyValues([0, 1, 2], true);
    // 1.2 · 0.8 + 0.7 · 0.6 + 0.1; 0.4 + 0.54 − 0.2; 0.72 − 0.24 + 0.3
    expect(hidden.map((value) => value.toFixed(4))).toEqual(['1.4800', '0.7400', '0.7800']);
    expect(output[0]).toBeCloseTo(0.9 * 1.48 - 1.1 * 0.74 + 0.5 * 0.78 + 0.2, 12);
    expect(output[1]).toBeCloseTo(-0.4 * 1.48 + 0.7 * 0.74 + 1.3 * 0.78 - 0.1, 12);
  });

  it('gives the same output in every order, if the outgoing weights go along', () => {
    const [reference] = orders.map((order) => toyValues(order, true).output);
    for (const order of orders) {
      toyValues(order, true).output.forEach((value, index) => {
        expect(value).toBeCloseTo(reference[index], 12);
      });
    }
  });

  it('gives another output in every other order, if they stay', () => {
    const outputs = orders.map((order) => toyValues(order, false).output[0].toFixed(3));
    expect(new Set(outputs).size).toBe(6);
  });

  it('draws each weight once, from or to the place of its unit', () => {
    const order = swapped(swapped([0, 1, 2], 0), 1);
    expect(order).toEqual([1, 2, 0]);
    const lines = toyLines(order, true);
    expect(new Set(lines.map(({ key }) => key)).size).toBe(12);
    for (const { unit, x1, y1, x2, y2 } of lines) {
      expect(x1 === 130 ? y1 : x2 === 130 ? y2 : null).toBe([125, 25, 75][unit]);
    }
  });
});

describe('CKA of two clouds', () => {
  it('is 1 however the second is turned and scaled', () => {
    for (const turn of [0, 37, 90, 211])
      for (const scale of [0.4, 1, 1.3]) expect(ckaToy(turn, scale, 0).cka).toBeCloseTo(1, 12);
  });

  it('falls as another cloud is mixed in, also when turned', () => {
    const values = [0, 0.25, 0.5, 0.75, 1].map((mix) => ckaToy(60, 1, mix).cka);
    expect(values).toEqual([...values].sort((a, b) => b - a));
    expect(values[4]).toBeLessThan(0.3);
    expect(ckaToy(0, 1, 0.5).cka).toBeCloseTo(ckaToy(123, 0.6, 0.5).cka, 12);
  });

  it('is 0 for clouds that say nothing of each other', () => {
    const square = [
      { x: -1, y: 0 },
      { x: 1, y: 0 },
      { x: -1, y: 0 },
      { x: 1, y: 0 },
    ];
    const across = [
      { x: 0, y: -1 },
      { x: 0, y: -1 },
      { x: 0, y: 1 },
      { x: 0, y: 1 },
    ];
    expect(linearCka(square, across)).toBeCloseTo(0, 12);
  });
});
