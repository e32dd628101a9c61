import { describe, expect, it } from 'vitest';
import type { StorageStyle, TensorSpec } from '../testing/onnx-builder.ts';
import { buildBlob, external, f32, i64, tensor, wire } from '../testing/onnx-builder.ts';
import { openOnnx } from './reader.ts';
import { readFloats, readInts, tensorBlob, tensorBytes } from './tensors.ts';
import type { Externals } from './types.ts';

async function only(spec: TensorSpec, externals?: Externals) {
  const model = await openOnnx(buildBlob({ initializers: [spec] }), externals);
  return { model, tensor: model.graph.initializers[0] };
}

const STYLES: StorageStyle[] = ['raw', 'typed', 'unpacked'];

describe.each(STYLES)('%s storage', (style) => {
  it.each<[TensorSpec, number[]]>([
    [f32('t', [3], [1, -2.5, 3e38], style), [1, -2.5, Math.fround(3e38)]],
    [tensor('t', 'double', [2], [1.5, -1e300], style), [1.5, Number.NEGATIVE_INFINITY]],
    [
      tensor('t', 'float16', [2, 3], [0x3c00, 0xc100, 0x0001, 0x7bff, 0x7c00, 0x8400], style),
      [1, -2.5, 2 ** -24, 65504, Number.POSITIVE_INFINITY, -(2 ** -14)],
    ],
    [tensor('t', 'bfloat16', [2], [0x3f80, 0xc020], style), [1, -2.5]],
  ])('reads floats %#', async (spec, values) => {
    const { model, tensor } = await only(spec);
    expect(Array.from(await readFloats(model, tensor))).toEqual(values);
  });

  it.each<[TensorSpec, number[]]>([
    [i64('t', [4], [-1, 8, 2 ** 40, -(2 ** 40)], style), [-1, 8, 2 ** 40, -(2 ** 40)]],
    [i64('t', [1], [9223372036854775807n], style), [2 ** 63]],
    [tensor('t', 'int32', [2], [-7, 2 ** 31 - 1], style), [-7, 2 ** 31 - 1]],
    [tensor('t', 'int16', [2], [-7, 300], style), [-7, 300]],
    [tensor('t', 'int8', [2], [-7, 100], style), [-7, 100]],
    [tensor('t', 'uint8', [2], [0, 255], style), [0, 255]],
    [tensor('t', 'bool', [3], [1, 0, 1], style), [1, 0, 1]],
    [tensor('t', 'uint32', [1], [4294967295], style), [4294967295]],
    [tensor('t', 'uint64', [1], [2n ** 63n], style), [2 ** 63]],
  ])('reads whole numbers %#', async (spec, values) => {
    const { model, tensor } = await only(spec);
    expect(await readInts(model, tensor)).toEqual(values);
    const blob = await tensorBlob(model, tensor);
    expect(new Uint8Array(await blob.arrayBuffer())).toEqual(await tensorBytes(model, tensor));
  });
});

describe('typed storage', () => {
  it('joins packed and unpacked runs in order', async () => {
    const one = (v: number) => new Uint8Array(Float32Array.of(v).buffer);
    const extra = wire.concat(
      wire.bytes(4, one(2)),
      wire.concat(wire.tag(4, 5), one(3)),
      wire.bytes(4, one(4)),
    );
    const { model, tensor } = await only({ ...f32('t', [4], [1], 'unpacked'), extra });
    expect(Array.from(await readFloats(model, tensor))).toEqual([1, 2, 3, 4]);
  });

  it.each<[string, TensorSpec, RegExp]>([
    ['too few', i64('t', [3], [1, 2], 'typed'), /does not have the 3 values that its shape 3 needs/],
    ['too many', i64('t', [1], [1, 2], 'typed'), /does not have the 1 values/],
    ['a shape that lies', i64('t', [2 ** 45], [1], 'typed'), /does not have the 35184372088832 values/],
    ['none', { ...f32('t', [2], []), style: 'none' }, /has the shape 2 but no values/],
    [
      'the wrong field',
      { ...tensor('t', 'double', [1], [], 'raw'), style: 'none', extra: wire.bytes(7, Uint8Array.of(1)) },
      /in field 7, which cannot hold them/,
    ],
  ])('refuses %s', async (_, spec, words) => {
    const { model, tensor } = await only(spec);
    await expect(tensorBytes(model, tensor)).rejects.toThrow(words);
    await expect(tensorBytes(model, tensor)).rejects.toMatchObject({ name: 'OnnxError', code: 'bad-data' });
  });

  it('reads a tensor without elements', async () => {
    const { model, tensor } = await only({ ...f32('t', [0, 4], []), style: 'none' });
    expect(await readFloats(model, tensor)).toHaveLength(0);
  });
});

describe('external storage', () => {
  const file = new Blob([new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)]);
  const spec = external('w', 'float', [2], { location: 'm.onnx.data', offset: 8, length: 8 });

  it('reads the range of the other file', async () => {
    const { model, tensor } = await only(spec, (location) => (location === 'm.onnx.data' ? file : undefined));
    expect(Array.from(await readFloats(model, tensor))).toEqual([3, 4]);
    expect((await tensorBlob(model, tensor)).size).toBe(8);
  });

  it('takes the length from the shape where the file does not say', async () => {
    const { model, tensor } = await only(
      external('w', 'float', [2], { location: 'f', offset: 4 }),
      async () => file,
    );
    expect(Array.from(await readFloats(model, tensor))).toEqual([2, 3]);
  });

  it('names the missing file', async () => {
    const { model, tensor } = await only(spec);
    await expect(tensorBytes(model, tensor)).rejects.toMatchObject({
      code: 'missing-external',
      message:
        'The weights of "w" are in the file "m.onnx.data", which was not opened; open it together with the model.',
    });
  });

  it('refuses a file that is too short', async () => {
    const { model, tensor } = await only(spec, () => file.slice(0, 12));
    await expect(tensorBlob(model, tensor)).rejects.toThrow(
      'needs bytes 8 to 16 of "m.onnx.data", which has only 12',
    );
  });
});

describe('bounds', () => {
  it('reads no more integers than asked for', async () => {
    const { model, tensor } = await only(i64('t', [5], [1, 2, 3, 4, 5]));
    await expect(readInts(model, tensor, 4)).rejects.toMatchObject({ code: 'too-large' });
  });

  it('refuses numbers of another kind', async () => {
    const ints = await only(i64('t', [1], [1]));
    await expect(readFloats(ints.model, ints.tensor)).rejects.toThrow('is of int64, where floating-point');
    const floats = await only(f32('t', [1], [1]));
    await expect(readInts(floats.model, floats.tensor)).rejects.toThrow('is of float, where whole numbers');
  });
});
