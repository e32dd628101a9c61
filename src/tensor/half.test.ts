/** All bit patterns there and back, and rounding against the definition: the nearest value, ties to the even one. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from './half.ts';

const formats = [
  ['binary16', toHalf, fromHalf, 0x7c00],
  ['bfloat16', toBfloat16, fromBfloat16, 0x7f80],
] as const;

test.each(formats)('%s: every bit pattern comes back, and NaN stays NaN', (_, to, from, infinity) => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = from(bits);
    if ((bits & 0x7fff) > infinity) {
      expect(value).toBeNaN();
      expect(to(value) & 0x7fff).toBeGreaterThan(infinity);
    } else if (to(value) !== bits) expect([bits, to(value)]).toEqual([bits, bits]);
  }
});

test.each(formats)('%s: rounds to the nearest, ties to even', (_, to, from, infinity) => {
  const largest = from(infinity - 1);
  fc.assert(
    fc.property(fc.float({ noNaN: true, min: Math.fround(-largest), max: Math.fround(largest) }), (value) => {
      const bits = to(value);
      const error = Math.abs(from(bits) - value);
      for (const other of [bits - 1, bits + 1].filter((b) => (b & 0x7fff) < infinity && b >= 0)) {
        const otherError = Math.abs(from(other) - value);
        if (Number.isNaN(otherError)) continue;
        expect(error).toBeLessThanOrEqual(otherError);
        if (error === otherError && from(other) !== from(bits)) expect(bits & 1).toBe(0);
      }
    }),
    { numRuns: 2000, seed: 2026 },
  );
});

test('halves between two values go to the even one', () => {
  expect(toHalf(1 + 2 ** -11)).toBe(0x3c00);
  expect(toHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
  expect(toHalf(65520)).toBe(0x7c00);
  expect(toHalf(2 ** -25)).toBe(0);
  expect(toBfloat16(1 + 2 ** -8)).toBe(0x3f80);
  expect(toBfloat16(1 + 3 * 2 ** -8)).toBe(0x3f82);
  expect(toBfloat16(3.4e38)).toBe(0x7f80);
  expect(fromBfloat16(0xbf80)).toBe(-1);
});
