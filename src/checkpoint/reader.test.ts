/** What an independent encoder wrote is read back; the trained fixture as Python reads it; every damage in words. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildSafetensors, f32, named, type TensorSpec, withHeader } from '../testing/safetensors-builder.ts';
import { isCheckpointFile, openSafetensors, readAsFloats, readRange } from './reader.ts';

const SIZES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I8: 1, BOOL: 1, U16: 2 } as const;
type TestDtype = keyof typeof SIZES;

const tensorSpec: fc.Arbitrary<TensorSpec> = fc
  .tuple(
    fc.constantFrom(...(Object.keys(SIZES) as TestDtype[])),
    fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  )
  .chain(([dtype, shape]) => {
    const length = shape.reduce((a, b) => a * b, 1) * SIZES[dtype];
    return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => ({ dtype, shape, bytes }));
  });
const name = fc.string({ maxLength: 12, unit: 'grapheme' }).filter((n) => n !== '__metadata__');

const open = (bytes: Uint8Array<ArrayBuffer>, as = 'model.safetensors') =>
  openSafetensors([named(as, bytes)]);
const refusal = async (files: Parameters<typeof openSafetensors>[0]) =>
  openSafetensors(files).then(
    () => 'opened',
    (error: Error) => `${error.name}: ${error.message}`,
  );

test('headers come back as they were written', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.tuple(name, tensorSpec), { selector: ([n]) => n, maxLength: 6 }),
      fc.option(fc.dictionary(name, fc.string({ unit: 'grapheme' })), { nil: undefined }),
      fc.integer({ min: 0, max: 9 }),
      async (entries, metadata, spaces) => {
        const specs = Object.fromEntries(entries);
        const { shards, tensors } = await open(buildSafetensors(specs, metadata, spaces));
        expect(Object.fromEntries(shards[0].metadata)).toEqual({ ...metadata });
        expect([...tensors.keys()].sort()).toEqual(Object.keys(specs).sort());
        for (const { name, dtype, shape, file, start, end } of tensors.values()) {
          const bytes = new Uint8Array(await file.slice(start, end).arrayBuffer());
          expect({ dtype, shape, bytes }).toEqual({
            ...specs[name],
            bytes: new Uint8Array(specs[name].bytes),
          });
        }
      },
    ),
    { numRuns: 200, seed: 2026 },
  );
});

test('opening reads headers only', async () => {
  const bytes = buildSafetensors({ a: f32([1000], new Float32Array(1000)) });
  const file = named('model.safetensors', bytes);
  const ranges: (number | undefined)[][] = [];
  const slice = file.slice.bind(file);
  file.slice = (start, end) => {
    ranges.push([start, end]);
    return slice(start, end);
  };
  await openSafetensors([file]);
  expect(ranges).toEqual([
    [0, 8],
    [8, bytes.length - 4000],
  ]);
});

test('values of every floating type become f32', async () => {
  const { tensors } = await open(
    buildSafetensors({
      double: { dtype: 'F64', shape: [2], bytes: new Uint8Array(Float64Array.of(0.1, -3).buffer) },
      single: f32([2, 1], [0.1, -3]),
      half: { dtype: 'F16', shape: [3], bytes: new Uint8Array(Uint16Array.of(0x3c01, 0xc200, 1).buffer) },
      brain: { dtype: 'BF16', shape: [2], bytes: new Uint8Array(Uint16Array.of(0x3f81, 0xc040).buffer) },
      whole: { dtype: 'I64', shape: [1], bytes: new Uint8Array(8) },
    }),
  );
  const read = async (n: string) => Array.from(await readAsFloats(tensors.get(n)!));
  expect(await read('double')).toEqual([Math.fround(0.1), -3]);
  expect(await read('single')).toEqual([Math.fround(0.1), -3]);
  expect(await read('half')).toEqual([1 + 2 ** -10, -3, 2 ** -24]);
  expect(await read('brain')).toEqual([1 + 2 ** -7, -3]);
  expect(Array.from(await readRange(tensors.get('half')!, 1, 3))).toEqual([-3, 2 ** -24]);
  await expect(read('whole')).rejects.toThrow(/Tensor “whole” in “model.safetensors” is I64; only/);
});

describe('damage is said in a sentence', () => {
  const entry = (more: object) => ({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...more } });
  const two = (first: [number, number], second: [number, number]) => ({
    a: { dtype: 'U8', shape: [first[1] - first[0]], data_offsets: first },
    b: { dtype: 'U8', shape: [second[1] - second[0]], data_offsets: second },
  });
  const long = withHeader('{}');
  long[4] = 1;
  test.each<[string, Uint8Array<ArrayBuffer>, string]>([
    ['short', new Uint8Array(5), 'has 5 bytes, and a safetensors file begins with 8'],
    ['huge header', long, 'claims a header of 4294967298 bytes, where safetensors allows 100 MB'],
    ['cut in the header', withHeader(entry({})).slice(0, 30), 'ends in its header: it has 30 bytes'],
    ['no JSON', withHeader('{"w":'), 'its header is not JSON'],
    ['no UTF-8', withHeader('{}').fill(0xff, 8), 'its header is not JSON'],
    ['a list', withHeader('[]'), 'its header is not a JSON object'],
    ['metadata', withHeader({ __metadata__: { n: 1 } }), 'has metadata “n” that is not text'],
    ['dtype', withHeader(entry({ dtype: 'Q4' }), new Uint8Array(8)), 'tensor “w” of type "Q4"'],
    ['shape', withHeader(entry({ shape: [-2] }), new Uint8Array(8)), 'with shape [-2], which is no list'],
    ['overflow', withHeader(entry({ shape: [2 ** 40, 2 ** 40] }), new Uint8Array(8)), 'takes Infinity'],
    [
      'no range',
      withHeader(entry({ data_offsets: [8, 0] }), new Uint8Array(8)),
      'at [8,0], which is no range',
    ],
    [
      'cut in the values',
      withHeader(entry({}), new Uint8Array(4)),
      'bytes 0 to 8 of its values, but holds only 4',
    ],
    ['size', withHeader(entry({ shape: [3] }), new Uint8Array(8)), '8 bytes, but F32 of shape 3 takes 12'],
    ['overlap', withHeader(two([0, 4], [3, 6]), new Uint8Array(6)), 'the same bytes to tensors “a” and “b”'],
    ['hole', withHeader(two([0, 4], [5, 6]), new Uint8Array(6)), 'has 1 bytes before tensor “b”'],
    ['more', withHeader(two([0, 4], [4, 6]), new Uint8Array(9)), 'has 3 bytes at its end'],
  ])('%s', async (_, bytes, words) => {
    const message = await refusal([named('x.safetensors', bytes)]);
    expect(message).toContain('CheckpointError: “x.safetensors” ');
    expect(message).toContain(words);
    expect(message).toMatch(/\.$/);
  });

  test('a file that changed on disk', async () => {
    const file = named('model.safetensors', buildSafetensors({}));
    const gone = { arrayBuffer: () => Promise.reject(new Error('gone')) } as unknown as Blob;
    file.slice = () => gone;
    expect(await refusal([file])).toContain('could not be read (gone); it may have been changed or moved');
  });
});

describe('shards', () => {
  const shard = (k: number, n: number, tensor = `t${k}`) =>
    named(`model-0000${k}-of-0000${n}.safetensors`, buildSafetensors({ [tensor]: f32([1], [k]) }));
  const index = (map: Record<string, string>) =>
    named('model.safetensors.index.json', JSON.stringify({ metadata: { total_size: 8 }, weight_map: map }));
  const map = { t1: 'model-00001-of-00002.safetensors', t2: 'model-00002-of-00002.safetensors' };

  test('open together, in any order, with the index or without', async () => {
    for (const more of [[], [index(map)]]) {
      const checkpoint = await openSafetensors([
        shard(2, 2),
        ...more,
        named('config.json', '{}'),
        shard(1, 2),
      ]);
      expect(checkpoint.shards.map(({ file }) => file.name)).toEqual(Object.values(map));
      expect(Array.from(await readAsFloats(checkpoint.tensors.get('t2')!))).toEqual([2]);
    }
  });

  test.each<[string, Parameters<typeof openSafetensors>[0], string]>([
    ['none', [named('config.json', '')], 'none of their names ends in .safetensors'],
    [
      'one missing',
      [shard(2, 2)],
      'is one of 2 and needs “model-00001-of-00002.safetensors”, which is not among',
    ],
    [
      'many missing',
      [shard(2, 9)],
      '“model-00003-of-00009.safetensors”, “model-00004-of-00009.safetensors” and 5 more, which are not among',
    ],
    [
      'only the index',
      [index(map)],
      '“model.safetensors.index.json” names “model-00001-of-00002.safetensors”, “',
    ],
    [
      'the index and one',
      [index(map), shard(1, 2)],
      'names “model-00002-of-00002.safetensors”, which is not',
    ],
    [
      'strangers',
      [named('a.safetensors', ''), named('b.safetensors', '')],
      '“a.safetensors” and “b.safetensors”',
    ],
    ['of two', [shard(1, 2), shard(2, 3)], 'are not parts of one checkpoint'],
    ['twice', [shard(1, 2), shard(1, 2)], 'two files named “model-00001-of-00002.safetensors”'],
    [
      'number',
      [shard(1, 2), shard(2, 2), shard(3, 2)],
      '“model-00003-of-00002.safetensors” is not one of 1 to 2',
    ],
    ['the same tensor', [shard(1, 2, 'x'), shard(2, 2, 'x')], 'Tensor “x” is in “model-00001-of-00002'],
    [
      'a wrong index',
      [index({ ...map, u: map.t1 }), shard(1, 2), shard(2, 2)],
      'tensor “u” is in “model-00001',
    ],
    [
      'not in the index',
      [index({ t1: map.t1 }), shard(1, 2), shard(2, 2)],
      'not one of the files that “model.s',
    ],
    ['index of nothing', [named('model.safetensors.index.json', '{}')], 'has no weight_map'],
    ['index no JSON', [named('model.safetensors.index.json', '{')], 'is not JSON'],
  ])('%s', async (_, files, words) => {
    expect(await refusal(files)).toContain(words);
  });
});

test('aliases of an earlier merge are read and checked', async () => {
  const file = (tied: string) => buildSafetensors({ a: f32([1], [1]) }, { 'layerfold.tied': tied });
  expect([...(await open(file('{"b":"a"}'))).tied]).toEqual([['b', 'a']]);
  for (const wrong of ['{"b":"c"}', '{"a":"a"}', '{', '[1]', '{"b":1}']) {
    expect(await refusal([named('m.safetensors', file(wrong))])).toContain('says in layerfold.tied that “');
  }
});

test('names are told apart', () => {
  expect(
    ['a.safetensors', 'a.safetensors.index.json', 'a.safetensors.index.fp16.json'].map(isCheckpointFile),
  ).toEqual([true, true, true]);
  expect(['a.safetensors.txt', 'index.json', 'model.onnx'].some(isCheckpointFile)).toBe(false);
});
