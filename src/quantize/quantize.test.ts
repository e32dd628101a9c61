/**
 * Every scheme against onnxruntime's own operators: what bytes stand for, and that writing keeps the errors small.
 */
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { DataType } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { buildModel, input, node, output, tensor } from '../testing/onnx-builder.ts';
import {
  ALL,
  BLOCKS,
  base,
  blocks,
  byBlocks,
  byRuntime,
  countOf,
  LINEAR,
  nameOf,
  randomParts,
  run,
  scaleAt,
  spanning,
  tensorwise,
} from '../testing/quantized.ts';
import { createRandom } from '../testing/random.ts';
import { readCodes, readScales, roundAway, writeScales } from './bytes.ts';
import { requantizationError } from './error.ts';
import { dequantize, quantize } from './quantize.ts';
import { type BlockScheme, codeRange, type Scheme, shapeOf } from './scheme.ts';

const { float, float16, bfloat16, int8, int32 } = DataType;

describe('what bytes stand for', () => {
  test.each(LINEAR.map((s) => [nameOf(s), s] as const))(
    '%s is what DequantizeLinear gives',
    async (_, scheme) => {
      const parts = randomParts(scheme, 3);
      const expected = await byRuntime(scheme, parts);
      expect(dequantize(scheme, parts)).toEqual(new Float32Array(expected));
    },
  );

  test.each(BLOCKS.map((s, i) => [nameOf(s), s, i] as const))(
    '%s is what MatMulNBits gives for the identity',
    async (_, scheme, i) => {
      const parts = randomParts(scheme, 4);
      const expected = await byBlocks(scheme, parts, i % 2 === 1);
      const found = dequantize(scheme, parts);
      const tolerance = scheme.scaleType === float16 ? 2 ** -11 : 1e-6;
      let worst = 0;
      found.forEach((v, j) => {
        worst = Math.max(worst, Math.abs(v - expected[j]) / Math.max(Math.abs(v), 1e-3));
      });
      expect(worst).toBeLessThanOrEqual(tolerance);
    },
  );

  test('bfloat16 scales, and rounding to what DequantizeLinear gives', () => {
    // 0.01 in bfloat16 is 0.010009765625; 3 and −100 times that are rounded to 8 bits of fraction.
    const scheme = { ...tensorwise, dims: [2], dataType: int8, scaleType: bfloat16, symmetric: true };
    const parts = { values: Uint8Array.of(3, 156), scales: Uint8Array.of(0x24, 0x3c) };
    expect([...dequantize(scheme, parts)]).toEqual([0.030029296875, -1]);
    expect([...dequantize({ ...scheme, outputType: float }, parts)]).toEqual([
      0.030029296875,
      Math.fround(-1.0009765625),
    ]);
  });
});

describe('what is written', () => {
  test.each(ALL)('%s: sizes, and the error', (_, scheme) => {
    const random = createRandom(7);
    const original = randomParts(scheme, 7);
    const unsigned = scheme.symmetric && codeRange(scheme).min === 0 && scheme.kind === 'linear';
    const values = random
      .normals(elementCount(shapeOf(scheme)))
      .map((v) => (unsigned ? Math.abs(v) : v + 0.3));
    const parts = quantize(scheme, values);
    expect([parts.values.length, parts.scales.length, parts.zeroPoints?.length]).toEqual([
      original.values.length,
      original.scales.length,
      original.zeroPoints?.length,
    ]);
    const scales = readScales(scheme.scaleType, parts.scales);
    // Rounding alone errs by half a step at most; clipping may err by more, if that makes all of them less.
    const exact = { ...scheme, outputType: float };
    const found = dequantize(exact, parts);
    const { low, high } = extremes(scheme, values);
    let ofSteps = 0;
    let error = 0;
    let bound = 0;
    values.forEach((v, i) => {
      const off = Math.abs(found[i] - v);
      const clipped = Math.abs(found[i]) < Math.abs(v);
      const step = Math.abs(scaleAt(scheme, scales, i));
      if (!clipped) ofSteps = Math.max(ofSteps, off / (step / 2 + Math.abs(v) * 1e-6));
      error += off ** 2;
      bound += (plainly(scheme, v, low(i), high(i)) - v) ** 2;
    });
    expect(ofSteps).toBeLessThanOrEqual(1.0001);
    // The steps of int32 are finer than f32.
    expect(error).toBeLessThanOrEqual(bound * 1.0001 + 1e-9);
  });

  /** Least and greatest value that share a scale with a value, zero among them. */
  function extremes(scheme: Scheme, values: Float32Array) {
    const ids = Float32Array.from({ length: countOf(scheme) }, (_, i) => i);
    const low = new Map<number, number>();
    const high = new Map<number, number>();
    values.forEach((v, i) => {
      const g = scaleAt(scheme, ids, i);
      low.set(g, Math.min(low.get(g) ?? 0, v));
      high.set(g, Math.max(high.get(g) ?? 0, v));
    });
    return {
      low: (i: number) => low.get(scaleAt(scheme, ids, i))!,
      high: (i: number) => high.get(scaleAt(scheme, ids, i))!,
    };
  }

  /** A value rounded with the range of its group over the number of codes, its step stored as a scale is. */
  function plainly(scheme: Scheme, value: number, low: number, high: number): number {
    const { min, max } = codeRange(scheme);
    if (scheme.symmetric) {
      const top = scheme.kind === 'blocks' ? 2 ** (scheme.bits - 1) - 1 : max;
      const step = roundAway(scheme.scaleType, Math.max(high, -low) / top);
      return Math.round(value / step) * step;
    }
    const step = roundAway(scheme.scaleType, (high - low) / (max - min));
    const zero = Math.round(min - low / step);
    return (Math.min(max, Math.max(min, Math.round(value / step) + zero)) - zero) * step;
  }

  // f32 has 24 bits, so that codes of int32 cannot.
  const exact = ([, s]: readonly [string, Scheme]) =>
    s.scaleType === float && !(s.kind === 'linear' && s.dataType === int32);
  test.each(ALL.filter(exact))('%s: codes that use their range come back as they were', (_, scheme) => {
    const parts = spanning(scheme, 11);
    const again = quantize(scheme, dequantize(scheme, parts));
    expect(again.values).toEqual(parts.values);
    expect(again.zeroPoints).toEqual(parts.zeroPoints);
    const [before, after] = [parts, again].map((p) => readScales(float, p.scales));
    after.forEach((s, i) => {
      expect(Math.abs(s / before[i] - 1)).toBeLessThan(2.5e-7);
    });
  });

  test('given scales, codes are what QuantizeLinear gives', async () => {
    const scales = Float32Array.of(0.05, 0.02, 0.125);
    const values = createRandom(5).normals(300);
    // Halves and values out of range, exactly.
    for (const [i, steps] of [0.5, 1.5, -0.5, -2.5, 200, -200, 126.5, 127.5].entries())
      values[3 * i + 2] = steps * 0.125;
    const scheme = { ...base, dims: [100, 3], dataType: int8, scaleDims: [3], axis: 1, symmetric: false };
    const zeroPoints = Uint8Array.of(3, 250, 0);
    const parts = quantize(scheme, values, { scales: writeScales(float, scales), zeroPoints });
    const expected = await run(
      buildModel({
        opset: 21,
        irVersion: 10,
        inputs: [input('x', 'float', [100, 3])],
        outputs: [output('y', 'float', [100, 3])],
        initializers: [tensor('s', 'float', [3], scales), tensor('z', 'int8', [3], zeroPoints)],
        nodes: [
          node('QuantizeLinear', ['x', 's', 'z'], ['q'], { axis: 1 }),
          node('Cast', ['q'], ['y'], { to: 1 }),
        ],
      }),
      { x: new ort.Tensor('float32', values, [100, 3]) },
    );
    expect([...readCodes(int8, parts.values, 300)]).toEqual([...expected]);
  });

  test('clipping a few values makes 4-bit blocks closer', () => {
    const scheme: BlockScheme = {
      ...blocks,
      bits: 4,
      blockSize: 32,
      inSize: 512,
      outSize: 64,
      symmetric: true,
    };
    const values = createRandom(2).normals(512 * 64);
    const found = requantizationError([[values, dequantize(scheme, quantize(scheme, values))]]);
    let plainError = 0;
    for (let b = 0; b < values.length; b += 32) {
      const block = values.subarray(b, b + 32);
      const step = block.reduce((m, v) => Math.max(m, Math.abs(v)), 0) / 7;
      for (const v of block) plainError += (Math.round(v / step) * step - v) ** 2;
    }
    expect(found.rms).toBeLessThan(0.95 * Math.sqrt(plainError / values.length));
  });

  test('weights of zero, and of half precision at its ends', () => {
    const scheme: BlockScheme = {
      ...blocks,
      bits: 4,
      blockSize: 16,
      inSize: 32,
      outSize: 1,
      symmetric: false,
      scaleType: float16,
    };
    const values = new Float32Array(32);
    values.fill(1e-7, 16, 20);
    const parts = quantize(scheme, values);
    expect([...readScales(float16, parts.scales)]).toEqual([1, 2 ** -24]);
    expect([...dequantize(scheme, parts)].slice(0, 16)).toEqual(new Array(16).fill(0));
  });

  test('a large matrix takes seconds at most', () => {
    const scheme: BlockScheme = {
      ...blocks,
      bits: 4,
      blockSize: 32,
      inSize: 1024,
      outSize: 1024,
      symmetric: true,
    };
    const values = createRandom(2).normals(1024 * 1024);
    const start = performance.now();
    quantize(scheme, values);
    // 16 times that is a sixteenth of 16 M: generous, for machines that are busy.
    expect(performance.now() - start).toBeLessThan(2500);
  });
});
