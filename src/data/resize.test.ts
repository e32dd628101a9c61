/** Resizing against values that Pillow made, and against the filter's definition in f64. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import pillow from '../testing/fixtures/resize/pillow.json' with { type: 'json' };
import { type Raster, Resample, resize } from './resize.ts';

/** Pixels as the script that made the fixture computed them. */
function pixelsOf({
  width,
  height,
  channels,
  kind,
  seed,
}: Omit<Raster, 'data'> & { kind: string; seed: number }) {
  return Uint8Array.from({ length: width * height * channels }, (_, k) => {
    if (kind === 'noise') return Number(((BigInt(k) * 2654435761n + BigInt(seed) * 40503n) >> 24n) & 255n);
    const c = k % channels;
    const x = ((k - c) / channels) % width;
    const y = Math.floor(k / (channels * width));
    return (x * (5 + (seed % 7)) + y * (3 + (seed % 5)) + c * 40 + Math.floor((x * y) / 7)) % 256;
  });
}

describe('resizing', () => {
  test.each(Object.entries(Resample))('%s is Pillow’s, level for level', (_, code) => {
    const cases = pillow.cases.filter((c) => c.resample === code);
    expect(cases.length).toBeGreaterThan(5);
    for (const c of cases) {
      const [width, height] = c.to;
      const { data } = resize({ ...c, data: pixelsOf(c) }, width, height, code);
      const wanted = Uint8Array.from(Buffer.from(c.levels, 'base64'));
      expect({ of: [c.width, c.height], to: c.to, data }).toEqual({
        of: [c.width, c.height],
        to: c.to,
        data: wanted,
      });
    }
  });

  test.each([
    [Resample.bilinear, 1, (d: number) => 1 - d],
    [
      Resample.bicubic,
      2,
      (d: number) => (d < 1 ? 1.5 * d ** 3 - 2.5 * d ** 2 + 1 : -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2),
    ],
  ] as const)(
    'number %i is its filter’s convolution within a level, at any size',
    (code, support, kernel) => {
      const size = fc.integer({ min: 1, max: 40 });
      fc.assert(
        fc.property(size, size, fc.infiniteStream(fc.nat(255)), (from, to, levels) => {
          const data = Uint8Array.from({ length: from }, () => levels.next().value!);
          // One row: only the pass over x runs.
          const resized = resize({ width: from, height: 1, channels: 1, data }, to, 1, code).data;
          const scale = from / to;
          const wide = Math.max(1, scale);
          resized.forEach((value, o) => {
            let sum = 0;
            let total = 0;
            for (let i = 0; i < from; i++) {
              const d = Math.abs(i + 0.5 - (o + 0.5) * scale) / wide;
              if (d >= support) continue;
              sum += data[i] * kernel(d);
              total += kernel(d);
            }
            expect(Math.abs(value - Math.min(255, Math.max(0, sum / total)))).toBeLessThanOrEqual(1);
          });
        }),
        { numRuns: 200 },
      );
    },
  );

  test('keeps an even colour and an unchanged size', () => {
    const even = { width: 13, height: 11, channels: 3, data: new Uint8Array(13 * 11 * 3).fill(201) };
    for (const code of Object.values(Resample)) {
      expect(new Set(resize(even, 5, 29, code).data)).toEqual(new Set([201]));
      expect(resize(even, 13, 11, code)).toBe(even);
    }
  });

  test('refuses sizes and codes that are none', () => {
    const dot = { width: 1, height: 1, channels: 1, data: new Uint8Array(1) };
    expect(() => resize(dot, 0, 3, 2)).toThrow('An image cannot be 0×3.');
    expect(() => resize(dot, 2, 2, 6)).toThrow('There is no resampling number 6.');
  });
});
