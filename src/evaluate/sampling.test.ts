/** Drawing tokens: the published generator, the distribution, ties, and what is refused. */
import { expect, test } from 'vitest';
import { createUniform, likeliest, pickToken } from './sampling.ts';

test('the numbers are SplitMix64’s', () => {
  // First outputs for the seed 1234567, as published with many implementations.
  const uniform = createUniform(1234567);
  for (const output of [6457827717110365317n, 3203168211198807973n, 9817491932198370423n]) {
    expect(uniform()).toBe(Number(output >> 11n) / 2 ** 53);
  }
});

test('drawn shares are the probabilities, at any temperature', () => {
  const probabilities = [0.5, 0.2, 0, 0.3];
  for (const temperature of [0.5, 1, 2]) {
    const logits = Float32Array.from(probabilities, (p) => Math.log(p) * temperature);
    const uniform = createUniform(5);
    const counts = [0, 0, 0, 0];
    for (let k = 0; k < 20_000; k++) counts[pickToken(logits, temperature, uniform)]++;
    counts.forEach((count, id) => {
      expect(Math.abs(count / 20_000 - probabilities[id])).toBeLessThan(0.015);
    });
    expect(counts[2]).toBe(0);
  }
});

test('greedy takes the lowest of equal ids, and the same seed the same tokens', () => {
  expect(pickToken(Float32Array.from([1, 7, 7, 7]), 0, () => 0.9)).toBe(1);
  const logits = Float32Array.from({ length: 50 }, (_, k) => Math.sin(k));
  const draw = (seed: number) => {
    const uniform = createUniform(seed);
    return Array.from({ length: 30 }, () => pickToken(logits, 1, uniform));
  };
  expect(draw(8)).toEqual(draw(8));
  expect(draw(8)).not.toEqual(draw(9));
  expect(draw(-1)).toEqual(draw(-1));
});

test('a draw beyond the rounded sum takes the last possible id', () => {
  expect(pickToken(Float32Array.from([0, 0, Number.NEGATIVE_INFINITY]), 1, () => 1)).toBe(1);
});

test('logits that are not numbers are refused', () => {
  const logits = Float32Array.from([0, Number.NaN]);
  expect(() => pickToken(logits, 0, () => 0)).toThrow('not numbers');
  expect(() => pickToken(logits, 1, () => 0)).toThrow('not numbers');
});

test('the likeliest come first, equal ones by id', () => {
  const top = likeliest(Float32Array.from([0, 1, 1, -5]), 3);
  expect(top.map((t) => t.id)).toEqual([1, 2, 0]);
  expect(top[0].probability).toBe(top[1].probability);
});
