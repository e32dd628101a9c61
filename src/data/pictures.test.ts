/** Picture files against what Pillow and the image processors of transformers make of them. */
import { encode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { DataType } from '../tensor/dtype.ts';
import { fromHalf } from '../tensor/half.ts';
import reference from '../testing/fixtures/pictures/pictures.json' with { type: 'json' };
import { readBatch } from './dataset.ts';
import { decodePng, formatOf, type ImageDecoder, pngSize, toChannels } from './decode.ts';
import type { NamedBlob } from './files.ts';
import { createImageDataset, type ImageSources } from './images.ts';

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const named = (path: string, bytes: BlobPart): NamedBlob =>
  Object.assign(new Blob([bytes]), { name: path.split('/').at(-1)!, path });
const json = (name: string, value: unknown) => named(name, JSON.stringify(value));
const grey = (path: string, width: number, height: number, level = 7) =>
  named(
    path,
    encode({ width, height, channels: 1, data: new Uint8Array(width * height).fill(level) }) as BlobPart,
  );
const input = { name: 'pixel_values', elemType: DataType.float, dims: ['n', 3, 4, 4], classes: 2 };
const make = (sources: Partial<ImageSources>, change = {}) =>
  createImageDataset({ images: [], labels: [], ...sources }, { ...input, ...change });
const some = (count: number) => Array.from({ length: count }, (_, k) => grey(`${k}.png`, 4, 4, k));

describe('PNG files', () => {
  test.each(reference.decoded)('of kind $name are read as Pillow does', ({ name, width, height, ...of }) => {
    const bytes = bytesOf(of.png);
    expect(formatOf(bytes)).toBe('image/png');
    expect(pngSize(bytes, name)).toEqual({ width, height });
    const image = decodePng(bytes, name);
    expect(toChannels(image, 3)).toEqual({ width, height, channels: 3, data: bytesOf(of.rgb) });
    expect(toChannels(image, 1)).toEqual({ width, height, channels: 1, data: bytesOf(of.grey) });
  });

  test.each([1, 2, 4, 16] as const)('of %i bits a sample fill 0–255', (depth) => {
    const most = 2 ** depth - 1;
    const [width, height] = [5, 3];
    const values = Array.from({ length: 15 }, (_, k) => (k * most) % (most + 1) || k % 2);
    const data =
      depth === 16
        ? Uint16Array.from(values)
        : Uint8Array.from({ length: Math.ceil((width * depth) / 8) * height }, (_, at) => {
            const rowBytes = Math.ceil((width * depth) / 8);
            let byte = 0;
            for (let k = 0; k < 8 / depth; k++) {
              const x = (at % rowBytes) * (8 / depth) + k;
              const value = x < width ? values[Math.floor(at / rowBytes) * width + x] : 0;
              byte |= value << (8 - depth * (k + 1));
            }
            return byte;
          });
    const image = decodePng(encode({ width, height, channels: 1, depth, data }), 'x.png');
    expect([...image.data]).toEqual(values.map((v) => (depth === 16 ? v >> 8 : (v * 255) / most)));
  });

  test('that are cut short or damaged are named', async () => {
    const whole = bytesOf(reference.decoded[0].png);
    await expect(make({ images: [named('a/x.png', whole.slice(0, 90))] })).rejects.toThrow(
      '“a/x.png” is cut short: its PNG data has no end. Copy or download it again.',
    );
    const damaged = whole.slice();
    damaged.fill(0x55, 60, 100);
    const images = [1, 2, 3].map((k) => named(`${k}.png`, damaged));
    const dataset = await make({ images });
    expect(() => dataset.batch('calibrate', 0, 1)).toThrow(
      /^“1.png” could not be decoded as PNG: .+\. Save it again, or leave it out\.$/,
    );
  });
});

describe('preprocessing', () => {
  test.each(reference.processed.map((p, k) => [k, p.config.image_processor_type, p] as const))(
    'case %i is what %s does',
    async (_, __, { config, png, shape, values }) => {
      const dataset = await make(
        {
          images: ['a', 'b', 'c'].map((n) => named(`${n}.png`, bytesOf(png))),
          preprocessor: json('preprocessor_config.json', config),
        },
        { dims: ['n', ...shape] },
      );
      const { feeds } = dataset.batch('report', 0, 5);
      expect(feeds.pixel_values.dims).toEqual([1, ...shape]);
      const wanted = new Float32Array(bytesOf(values).buffer);
      const data = feeds.pixel_values.data as Float32Array;
      // A level is at least 0.0078: these are the same levels.
      const worst = wanted.reduce((w, v, k) => Math.max(w, Math.abs(v - data[k])), 0);
      expect(worst).toBeLessThan(1e-6);
    },
  );

  const pre = async (config: object, size: [number, number], change = {}) => {
    const images = [1, 2, 3].map((k) => grey(`${k}.png`, ...size));
    const dataset = await make(
      { images, preprocessor: json('preprocessor_config.json', config) },
      { dims: ['n', 'c', 'h', 'w'], ...change },
    );
    return dataset.batch('calibrate', 0, 1).feeds.pixel_values;
  };
  test.each([
    [{ size: 6 }, [9, 5], [6, 6]],
    [{ size: 6, feature_extractor_type: 'CLIPFeatureExtractor' }, [9, 5], [6, 10]],
    [{ size: { shortest_edge: 6, longest_edge: 8 } }, [5, 9], [8, 4]],
    [{ size: [6, 7] }, [9, 5], [6, 7]],
    [{ size: 6, do_resize: false }, [9, 5], [5, 9]],
    [{ size: 8, do_center_crop: true, crop_size: 4 }, [9, 5], [4, 4]],
    [{ size: { shortest_edge: 7 }, crop_pct: 0.5 }, [9, 5], [7, 7]],
    [{ size: { shortest_edge: 384 }, crop_pct: 0.5 }, [9, 5], [384, 384]],
  ] as const)('%j makes %j into %j', async (config, size, made) => {
    expect((await pre(config, [...size])).dims.slice(2)).toEqual(made);
  });

  test('knows half precision and channels last', async () => {
    const config = { do_normalize: true, image_mean: [0.5], image_std: [0.25] };
    const { type, dims, data } = await pre(config, [4, 5], {
      elemType: DataType.float16,
      dims: ['n', 5, 4, 3],
    });
    expect([type, dims]).toEqual(['float16', [1, 5, 4, 3]]);
    expect(fromHalf(Number(data[0]))).toBeCloseTo((7 / 255 - 0.5) / 0.25, 3);
  });

  test('says what it does not understand', async () => {
    await expect(pre({ size: { max_height: 4 } }, [4, 4])).rejects.toThrow(
      '“preprocessor_config.json” has size = {"max_height":4}, which is not understood. Resize the images yourself and give them as .npy.',
    );
    await expect(pre({ size: 4, resample: 9 }, [4, 4])).rejects.toThrow('has resample = 9, which');
    await expect(pre({ size: { shortest_edge: 4 } }, [4, 6], { dims: ['n', 3, 4, 4] })).rejects.toThrow(
      '“1.png” comes out as 3×6×4 by preprocessor_config.json, but the model takes 3×4×4. Check that it belongs to this model, or crop the images first.',
    );
    await expect(
      make({ images: some(1), preprocessor: named('preprocessor_config.json', '{') }),
    ).rejects.toThrow('“preprocessor_config.json” is not valid JSON.');
  });
});

describe('picture files', () => {
  test('without a preprocessor are resized to the model’s size, and that is told', async () => {
    const dataset = await make({ images: [grey('1.png', 9, 7), ...some(2)] });
    expect(dataset.notes[0]).toBe(
      'No preprocessor_config.json: images are resized to 4×4 (bilinear), pixels of 0–255 are scaled to 0–1 and not normalised.',
    );
    expect(dataset.picture!('calibrate', 0)).toMatchObject({ width: 4, height: 4 });
  });

  test('of different sizes need a preprocessor where the model takes any', async () => {
    const images = [grey('a.png', 4, 4), grey('b.png', 5, 4)];
    await expect(make({ images }, { dims: ['n', 3, 'h', 'w'] })).rejects.toThrow(
      '“b.png” comes out 5×4 and “a.png” 4×4, but images of one batch must be of one size. Drop the preprocessor_config.json that was saved with the model, or resize them first.',
    );
  });

  test('are split and labelled by folders, classes in turn', async () => {
    const images = ['train/cat', 'train/dog', 'val/cat', 'val/dog', 'test/dog', 'test/cat'].flatMap((f, k) =>
      [0, 1].map((n) => grey(`set/${f}/${n}.png`, 4, 4, k * 2 + n)),
    );
    const dataset = await make({ images });
    expect(dataset.labelled).toBe(true);
    expect(dataset.rule).toBe("Each file's name says its split: calibrate, select and report.");
    expect(dataset.batch('calibrate', 0, 9).targets).toEqual({
      kind: 'class',
      labels: Int32Array.of(0, 1, 0, 1),
    });
    expect(dataset.notes).toContain(
      'Labels are from the folders, numbered in alphabetic order: cat = 0, dog = 1.',
    );
  });

  test('decoded elsewhere are decoded for their batch, by their bytes and not their names', async () => {
    const seen: string[] = [];
    const decoder: ImageDecoder = async (bytes, type) => {
      seen.push(type);
      if (bytes.length > 20) throw new Error('no such marker');
      return { width: 4, height: 4, channels: 4, data: new Uint8Array(64).fill(bytes[3]) };
    };
    const jpeg = (n: number, length = 12) =>
      named(
        `${n}.png`,
        Uint8Array.from({ length }, (_, k) => [0xff, 0xd8, 0xff][k] ?? n),
      );
    const images = [1, 2, 3].map((n) => jpeg(n));
    const dataset = await make({ images, decoder });
    // The first is decoded at once, to tell early what cannot be read.
    expect(seen).toEqual(['image/jpeg']);
    expect(() => dataset.batch('report', 0, 1)).toThrow('“3.png” was not loaded before its batch was made.');
    for (const split of ['report', 'report'] as const)
      expect((await readBatch(dataset, split, 0, 1)).feeds.pixel_values.data[0]).toBeCloseTo(3 / 255, 6);
    expect(seen).toEqual(['image/jpeg', 'image/jpeg']);
    const broken = [jpeg(1), jpeg(2), jpeg(3, 30)];
    await expect(readBatch(await make({ images: broken, decoder }), 'report', 0, 1)).rejects.toThrow(
      '“3.png” could not be decoded as JPEG: no such marker.',
    );
    // Where the size is the picture's own, it is told when the files are dropped.
    const free = { dims: ['n', 3, 'h', 'w'] };
    seen.length = 0;
    await make({ images, decoder }, free);
    expect(seen).toHaveLength(3);
    await expect(make({ images })).rejects.toThrow(
      '“1.png” is JPEG, which only a browser can decode. Save it as PNG.',
    );
    await expect(make({ images: [jpeg(1, 30)], decoder })).rejects.toThrow(
      '“1.png” could not be decoded as JPEG: no such marker. Save it again, or leave it out.',
    );
    await expect(make({ images: [named('x.webp', 'hello')], decoder })).rejects.toThrow(
      '“x.webp” is not a picture that is known here. Use PNG, JPEG or WebP, or leave it out.',
    );
  });

  test('are told apart by content and order, not by when they were dropped', async () => {
    const images = some(4);
    const key = (await make({ images })).key;
    expect((await make({ images: images.toReversed() })).key).toBe(key);
    expect((await make({ images: images.slice(1) })).key).not.toBe(key);
    expect((await make({ images }, { dims: ['n', 1, 4, 4] })).key).not.toBe(key);
  });
});
