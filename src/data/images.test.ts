/** Images without labels, their keys and pictures; digests. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DataType } from '../tensor/dtype.ts';
import { digestOf } from './digest.ts';
import type { NamedBlob } from './files.ts';
import { createImageDataset } from './images.ts';
import { pictureOf } from './picture.ts';

const npy = (name: string, descr: string, shape: number[], data: Uint8Array | Int32Array | Float32Array) => {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(
    118,
  );
  const start = new Uint8Array([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  return Object.assign(new Blob([start, header, data as BlobPart]), { name });
};
const pixels = Uint8Array.from({ length: 6 * 4 }, (_, k) => k * 10);
const images = (name: string, data = pixels) => npy(name, '|u1', [data.length / 4, 2, 2], data);
const labels = (name: string, values: number[]) => npy(name, '<i4', [values.length], Int32Array.from(values));
const input = { name: 'x', elemType: DataType.float, dims: [null, 1, 2, 2], classes: 3 };

describe('images', () => {
  test('without labels have nothing to hit, and say so', async () => {
    const dataset = await createImageDataset({ images: [images('images.npy')], labels: [] }, input);
    expect(dataset.labelled).toBe(false);
    expect(dataset.batch('calibrate', 0, 2).targets).toEqual({ kind: 'none', items: 2 });
    expect(dataset.notes.join(' ')).toContain('There are no labels');
    expect(dataset.picture!('report', 0)).not.toHaveProperty('label');
  });

  test('with labels give them with batches and pictures', async () => {
    const dataset = await createImageDataset(
      { images: [images('images.npy')], labels: [labels('labels.npy', [0, 1, 2, 0, 1, 2])] },
      input,
    );
    expect(dataset.labelled).toBe(true);
    expect(dataset.batch('calibrate', 0, 2).targets).toEqual({
      kind: 'class',
      labels: Int32Array.from([0, 1]),
    });
    const last = dataset.size('report').items - 1;
    const picture = dataset.picture!('report', last);
    expect(picture).toMatchObject({ width: 2, height: 2, label: 2 });
    expect([...picture.pixels.slice(0, 8)]).toEqual([200, 200, 200, 255, 210, 210, 210, 255]);
    expect(() => dataset.picture!('report', last + 1)).toThrow('has no image');
  });

  test('are known by pixels, labels and preprocessing, not by file names', async () => {
    const keyOf = async (files: NamedBlob[], marks: NamedBlob[] = [], pre?: NamedBlob) =>
      (await createImageDataset({ images: files, labels: marks, ...(pre && { preprocessor: pre }) }, input))
        .key;
    const preprocessor = Object.assign(new Blob(['{"image_mean": [0.5]}']), {
      name: 'preprocessor_config.json',
    });
    const key = await keyOf([images('images.npy')]);
    expect(await keyOf([images('others.npy')])).toBe(key);
    const changed = await Promise.all([
      keyOf([
        images(
          'images.npy',
          pixels.map((v) => v ^ 1),
        ),
      ]),
      keyOf([images('images.npy')], [labels('labels.npy', [0, 1, 2, 0, 1, 2])]),
      keyOf([images('images.npy')], [labels('labels.npy', [0, 1, 2, 0, 1, 1])]),
      keyOf([images('images.npy')], [], preprocessor),
    ]);
    expect(new Set([key, ...changed]).size).toBe(5);
  });
});

describe('a picture', () => {
  const base = { bytes: true, channelsLast: false, channels: 3, width: 2, height: 1 };

  test('has its colours from planes or from the last axis', () => {
    const planes = pictureOf({ ...base, pixels: Uint8Array.from([1, 2, 3, 4, 5, 6]) });
    expect([...planes.pixels]).toEqual([1, 3, 5, 255, 2, 4, 6, 255]);
    const last = pictureOf({ ...base, channelsLast: true, pixels: Uint8Array.from([1, 2, 3, 4, 5, 6]) });
    expect([...last.pixels]).toEqual([1, 2, 3, 255, 4, 5, 6, 255]);
  });

  test('of floats is stretched to 0–255; one without contrast is black', () => {
    const grey = { ...base, bytes: false, channels: 1 };
    expect([...pictureOf({ ...grey, pixels: Float32Array.from([-1, 1]) }).pixels]).toEqual([
      0, 0, 0, 255, 255, 255, 255, 255,
    ]);
    expect(pictureOf({ ...grey, pixels: Float32Array.from([2, 2]) }).pixels[0]).toBe(0);
  });

  test('of few levels is brightened', () => {
    const dim = { ...base, channels: 1, brightest: 16, pixels: Uint8Array.from([0, 16]) };
    expect([...pictureOf(dim).pixels].filter((_, k) => k % 4 === 0)).toEqual([0, 255]);
  });
});

describe('a digest', () => {
  test('is SHA-256 over the blocks’ digests and the settings, wherever the parts are cut', async () => {
    const bytes = Uint8Array.from({ length: (1 << 22) + 5 }, (_, k) => (k * 2654435761) >>> 24);
    const sha = (...parts: Uint8Array[]) => {
      const hash = createHash('sha256');
      for (const part of parts) hash.update(part);
      return hash.digest();
    };
    const settings = new TextEncoder().encode('{"a":1}');
    const expected = sha(sha(bytes.subarray(0, 1 << 22)), sha(bytes.subarray(1 << 22)), settings);
    const whole = await digestOf([bytes], { a: 1 });
    expect(whole).toBe(expected.toString('hex'));
    expect(await digestOf([bytes.subarray(0, 3), bytes.subarray(3)], { a: 1 })).toBe(whole);
    expect(await digestOf([bytes], { a: 2 })).not.toBe(whole);
  });
});
