/** Tensors by input name: what fits is fed as it is, what does not is named with its shape. */
import { describe, expect, test } from 'vitest';
import { DataType } from '../tensor/dtype.ts';
import { fromHalf, toHalf } from '../tensor/half.ts';
import { SPLITS } from './files.ts';
import { createTensorDataset, missingInputs, type TensorInput } from './tensors.ts';

type Data = Uint8Array | Int32Array | Float32Array | Float64Array | BigInt64Array;
const DESCRIPTIONS = new Map<unknown, string>([
  [Uint8Array, '|u1'],
  [Int32Array, '<i4'],
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
  [BigInt64Array, '<i8'],
]);
const npy = (name: string, shape: number[], data: Data) => {
  const descr = DESCRIPTIONS.get(data.constructor);
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.map((d) => `${d},`).join('')}), }`;
  const start = new Uint8Array([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  return Object.assign(new Blob([start, header.padEnd(118), data as BlobPart]), { name });
};
const ramp = (count: number) => Float32Array.from({ length: count }, (_, k) => k);
const ids: TensorInput = { name: 'ids', elemType: DataType.int64, dims: ['batch', 'time'] };
const mask: TensorInput = { name: 'mask', elemType: DataType.float, dims: ['batch', 'time'] };
const idsFile = (samples: number, length = 3, name = 'ids.npy') =>
  npy(name, [samples, length], BigInt64Array.from(ramp(samples * length), BigInt));
const maskFile = (samples: number, length = 3, name = 'mask.npy') =>
  npy(name, [samples, length], ramp(samples * length));

describe('tensors', () => {
  test('are fed by name, in batches, whole and in order', async () => {
    const dataset = await createTensorDataset([maskFile(9), idsFile(9)], [ids, mask]);
    expect(dataset).toMatchObject({ kind: 'tensors', unit: 'samples', labelled: false });
    expect(SPLITS.map((s) => dataset.size(s).items)).toEqual([5, 2, 2]);
    let next = 0;
    for (const split of SPLITS) {
      for (let b = 0; b < dataset.batches(split, 2); b++) {
        const { feeds, items, targets } = dataset.batch(split, b, 2);
        expect(targets).toEqual({ kind: 'none', items });
        expect(feeds.ids).toMatchObject({ type: 'int64', dims: [items, 3] });
        expect([...(feeds.mask.data as Float32Array)]).toEqual(
          [...(feeds.ids.data as BigInt64Array)].map(Number),
        );
        for (const v of feeds.mask.data) expect(v).toBe(next++);
      }
    }
    expect(next).toBe(27);
    expect(() => dataset.batch('report', 9, 2)).toThrow('The split report has no batch 9.');
  });

  test('may come in a file a split, of different lengths, under names that files can have', async () => {
    const odd: TensorInput = { name: 'model/ids:0', elemType: DataType.int64, dims: [null, 'time'] };
    const files = SPLITS.map((s, k) => idsFile(k + 1, k + 2, `${s}-model_ids_0.npy`));
    const dataset = await createTensorDataset(files, [odd]);
    expect(SPLITS.map((s) => dataset.batch(s, 0, 8).feeds['model/ids:0'].dims)).toEqual([
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
  });

  test('that begin as a split does are still found by their whole name', () => {
    const inputs = [{ name: 'report' }, { name: 'select_ids' }];
    const left = missingInputs([idsFile(1, 1, 'select_ids.npy')], inputs);
    expect(left).toEqual([{ name: 'report' }]);
  });

  test('of a fixed first dimension make whole batches; a fixed array beside free ones goes with all', async () => {
    const fixed: TensorInput = { name: 'x', elemType: DataType.float, dims: [2, 3] };
    const dataset = await createTensorDataset([npy('x.npy', [14, 3], ramp(42))], [fixed]);
    expect(SPLITS.map((s) => dataset.size(s).items)).toEqual([6, 4, 2]);
    expect(dataset.notes[1]).toBe(
      'The model takes exactly 2 samples at once: 2 that do not fill a batch are left out.',
    );
    expect(dataset.batch('select', 1, 1).feeds.x.dims).toEqual([2, 3]);
    const both = await createTensorDataset([npy('x.npy', [2, 3], ramp(6)), idsFile(4)], [fixed, ids]);
    expect(both.batch('report', 0, 8).feeds.x).toEqual({ type: 'float32', dims: [2, 3], data: ramp(6) });
    await expect(createTensorDataset([npy('x.npy', [4, 3], ramp(12))], [fixed])).rejects.toThrow(
      'The model takes exactly 2 samples at once, and the split select has 1. Give at least 6 samples, or a file for each split.',
    );
  });

  test('are made the type that the input takes', async () => {
    const make = async (elemType: number, data: Data) =>
      (await createTensorDataset([npy('x.npy', [4], data)], [{ name: 'x', elemType, dims: ['n'] }])).batch(
        'calibrate',
        0,
        8,
      ).feeds.x;
    expect(await make(DataType.float16, Float64Array.of(1, -2, 0, 0))).toEqual({
      type: 'float16',
      dims: [2],
      data: Uint16Array.of(0x3c00, 0xc000),
    });
    expect((await make(DataType.int64, Int32Array.of(5, 6, 7, 8))).data).toEqual(BigInt64Array.of(5n, 6n));
    expect((await make(DataType.bool, Uint8Array.of(2, 0, 1, 1))).data).toEqual(Uint8Array.of(1, 0));
    expect((await make(DataType.float, BigInt64Array.of(5n, 6n, 7n, 8n))).data).toEqual(
      Float32Array.of(5, 6),
    );
  });

  test('have as many rows as the output has positions, where that can be told', async () => {
    const rows = async (output?: (number | string | null)[]) =>
      (await createTensorDataset([idsFile(4), maskFile(4)], [ids, mask], output)).batch('calibrate', 0, 8)
        .targets;
    expect(await rows(['batch', 'time', 50])).toEqual({ kind: 'none', items: 6 });
    expect(await rows(['batch', 7, 50])).toEqual({ kind: 'none', items: 14 });
    expect(await rows(['batch', 'other', 50])).toEqual({ kind: 'none', items: 2 });
    expect(await rows(['batch', 50])).toEqual({ kind: 'none', items: 2 });
  });

  test('are known by values, shapes and inputs', async () => {
    const key = async (files: Parameters<typeof createTensorDataset>[0], inputs = [mask]) =>
      (await createTensorDataset(files, inputs)).key;
    const keys = await Promise.all([
      key([maskFile(6)]),
      key([maskFile(9, 2)]),
      key([maskFile(6)], [{ ...mask, elemType: DataType.float16 }]),
      key([
        npy(
          'mask.npy',
          [6, 3],
          ramp(18).map((v) => -v),
        ),
      ]),
    ]);
    expect(new Set(keys).size).toBe(4);
    expect(await key([maskFile(6)])).toBe(keys[0]);
  });

  const fixed: TensorInput = { name: 'x', elemType: DataType.float, dims: ['batch', 4, 'time'] };
  test.each([
    [
      [idsFile(4)],
      [ids, mask],
      '“ids.npy” is there, but “mask.npy” is not. Drop the arrays of all inputs together.',
    ],
    [
      [idsFile(4), maskFile(4), idsFile(2, 3, 'select-ids.npy')],
      [ids, mask],
      '“select-ids.npy” is there, but “select-mask.npy” is not.',
    ],
    [
      [idsFile(4), maskFile(5)],
      [ids, mask],
      '“mask.npy” has 5 samples and “ids.npy” has 4. Give as many of each.',
    ],
    [
      [idsFile(4), maskFile(4, 2)],
      [ids, mask],
      '“mask.npy” has shape (4, 2), but the input “mask” takes batch×time: “time” is 3 in “ids.npy” and 2 here.',
    ],
    [
      [npy('x.npy', [6, 4], ramp(24))],
      [fixed],
      '“x.npy” has shape (6, 4), but the input “x” takes batch×4×time: it needs 3 axes, not 2.',
    ],
    [
      [npy('x.npy', [6, 2, 2], ramp(24))],
      [fixed],
      '“x.npy” has shape (6, 2, 2), but the input “x” takes batch×4×time: axis 1 must be 4.',
    ],
    [
      [npy('x.npy', [5, 1], ramp(5))],
      [{ ...fixed, dims: [2, 1] }],
      '“x.npy” has shape (5, 1), but the input “x” takes 2×1: the first axis must be a multiple of 2.',
    ],
    [
      [maskFile(4, 3, 'ids.npy')],
      [ids],
      '“ids.npy” holds <f4, but the input “ids” takes whole numbers (int64). Save array.astype("int64").',
    ],
    [
      [maskFile(4)],
      [{ ...mask, elemType: DataType.string }],
      'The input “mask” is of type string, which cannot be fed from a file yet.',
    ],
    [
      [npy('x.npy', [], ramp(1))],
      [{ ...fixed, dims: [] }],
      'None of the inputs counts samples: “x”. Such a model cannot be measured.',
    ],
  ])('case %# is refused with a sentence', async (files, inputs, sentence) => {
    await expect(createTensorDataset(files, inputs)).rejects.toThrow(sentence);
  });
});

describe('half precision', () => {
  test('goes both ways for all bits, and rounds to even', () => {
    for (let h = 0; h < 0x10000; h++) {
      const value = fromHalf(h);
      if (Number.isNaN(value)) expect(fromHalf(toHalf(value))).toBeNaN();
      else expect(toHalf(value)).toBe(h);
    }
    // Halfway between neighbours: the one with an even last bit, also below the normal numbers and at the top.
    for (const h of [0x0000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0x3c01, 0x7bfe]) {
      const middle = (fromHalf(h) + fromHalf(h + 1)) / 2;
      expect(toHalf(middle)).toBe(h + (h & 1));
      expect(toHalf(-middle)).toBe(0x8000 + h + (h & 1));
    }
    expect([65519, 65520, 1e9].map(toHalf)).toEqual([0x7bff, 0x7c00, 0x7c00]);
  });
});
