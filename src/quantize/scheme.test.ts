/** What surrounds the codes: labels, zero points at the middle, errors, packing, and refusals. */
import { describe, expect, test } from 'vitest';
import { DataType, type DataTypeName } from '../tensor/dtype.ts';
import { BLOCKS, base, blocks, LINEAR, tensorwise } from '../testing/quantized.ts';
import { readCodes, writeCodes } from './bytes.ts';
import { requantizationError } from './error.ts';
import { dequantize, quantize, settle } from './quantize.ts';
import { type BlockScheme, codeRange, type LinearScheme, labelOf, QuantizeError } from './scheme.ts';

const { int8, uint8, int4 } = DataType;

describe('what surrounds it', () => {
  test('labels', () => {
    expect([...new Set([...LINEAR, ...BLOCKS].map(labelOf))]).toEqual(
      expect.arrayContaining([
        'int8, one scale a tensor',
        'int8, one scale a channel',
        'uint4 in blocks of 32',
        '4 bits in blocks of 32',
      ]),
    );
  });

  test('zero points at the middle make a scheme symmetric', () => {
    const scheme = { ...base, dims: [4, 4], dataType: int4, scaleDims: [4], axis: 0, symmetric: false };
    expect(settle(scheme, undefined).symmetric).toBe(true);
    expect(settle(scheme, Uint8Array.of(0, 0)).symmetric).toBe(true);
    expect(settle(scheme, Uint8Array.of(0, 16)).symmetric).toBe(false);
    const nbits: BlockScheme = {
      ...blocks,
      bits: 4,
      blockSize: 16,
      inSize: 48,
      outSize: 2,
      symmetric: false,
    };
    expect(settle(nbits, Uint8Array.of(0x88, 0x08, 0x88, 0xf8)).symmetric).toBe(true);
    expect(settle(nbits, Uint8Array.of(0x88, 0x08, 0x78, 0x08)).symmetric).toBe(false);
  });

  test('the error of two tensors is that of one long vector', () => {
    const { rms, relative } = requantizationError([
      [Float32Array.of(3, 0), Float32Array.of(3, 1)],
      [Float32Array.of(0, 4), Float32Array.of(2, 4)],
    ]);
    expect(rms).toBeCloseTo(Math.sqrt(5 / 4), 12);
    expect(relative).toBeCloseTo(Math.sqrt(5) / 5, 12);
    expect(requantizationError([[new Float32Array(3), new Float32Array(3)]])).toEqual({
      rms: 0,
      relative: 0,
    });
  });

  const plain: LinearScheme = { ...tensorwise, dims: [4], dataType: int8, symmetric: true };
  const parts = { values: new Uint8Array(4), scales: new Uint8Array(4) };
  test.each<[string, () => unknown, string]>([
    [
      'a type',
      () => dequantize({ ...plain, dataType: DataType.float8e5m2 }, parts),
      'its codes are float8e5m2',
    ],
    ['scales', () => dequantize({ ...plain, scaleType: DataType.double }, parts), 'its scales are double'],
    ['a shape', () => dequantize({ ...plain, axis: 0, scaleDims: [3] }, parts), 'have the shape 3, not 4'],
    ['an axis', () => dequantize({ ...plain, axis: 4 }, parts), 'axis 4 is none of 4'],
    [
      'a size',
      () => dequantize(plain, { ...parts, values: new Uint8Array(3) }),
      'take 3 bytes, where 4 needs 4',
    ],
    ['bits', () => quantize({ ...BLOCKS[0], bits: 3 }, new Float32Array(1)), 'have 3 bits, where 2, 4 and 8'],
    ['a block', () => quantize({ ...BLOCKS[0], blockSize: 24 }, new Float32Array(1)), 'blocks of 24 are not'],
    ['NaN', () => quantize(plain, Float32Array.of(1, 2, Number.NaN, 3)), 'not finite (NaN)'],
    ['a count', () => quantize(plain, new Float32Array(3)), '3 values were to be quantized as 4'],
    [
      'a sign',
      () => quantize({ ...plain, dataType: uint8 }, Float32Array.of(1, -2, 3, 4)),
      'negative values',
    ],
  ])('refuses %s', (_, act, sentence) => {
    expect(act).toThrow(QuantizeError);
    expect(act).toThrow(sentence);
  });

  test('4-bit codes are packed low half first', () => {
    const codes = Int8Array.of(1, -2, 7);
    expect([...writeCodes(int4, codes)]).toEqual([0xe1, 0x07]);
    expect([...readCodes(int4, Uint8Array.of(0xe1, 0x07), 3)]).toEqual([1, -2, 7]);
    const names: DataTypeName[] = ['int4', 'uint4'];
    expect(names.map((n) => codeRange({ ...plain, dataType: DataType[n] }))).toEqual([
      { min: -8, max: 7 },
      { min: 0, max: 15 },
    ]);
  });
});
