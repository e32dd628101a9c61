/**
 * Quantized weights to f32 and back, whatever their scheme.
 *
 * Why: a merge averages weights in f32 and writes them in the scheme that they came in. Pure functions over raw bytes;
 * every size is checked before anything is read, since schemes come from files.
 */
import { elementCount, formatShape } from '../tensor/shape.ts';
import { blockSizes, dequantizeBlocks, quantizeBlocks } from './blocks.ts';
import { readCodes, unpack } from './bytes.ts';
import { dequantizeLinear, linearSizes, quantizeLinear } from './linear.ts';
import { labelOf, type Quantized, QuantizeError, type Scheme, shapeOf, unsupported } from './scheme.ts';

/**
 * f32 that the bytes stand for, row-major, of the shape `shapeOf(scheme)`.
 * @throws QuantizeError where the scheme is not supported, or a part has another size than it asks for
 */
export function dequantize(scheme: Scheme, parts: Quantized): Float32Array<ArrayBuffer> {
  check(scheme, parts);
  return scheme.kind === 'linear' ? dequantizeLinear(scheme, parts) : dequantizeBlocks(scheme, parts);
}

/**
 * The bytes of f32 values in a scheme: values, scales and, where it is not symmetric, zero points, of the shapes and
 * types that the scheme says.
 * @param fixed scales and zero points to encode with (a bias whose scale is given); absent: new ones are chosen
 * @throws QuantizeError where the scheme is not supported, or values are not finite or do not fit it
 */
export function quantize(scheme: Scheme, values: Float32Array, fixed?: Omit<Quantized, 'values'>): Quantized {
  check(scheme, fixed ?? {});
  const shape = shapeOf(scheme);
  if (values.length !== elementCount(shape)) {
    throw new QuantizeError(
      `${values.length} values were to be quantized as ${formatShape(shape)}; drop the model before quantization instead.`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new QuantizeError(
        `Weights with values that are not finite (${values[i]}) cannot be quantized (${labelOf(scheme)}); drop the model before quantization instead.`,
      );
    }
  }
  const parts =
    scheme.kind === 'linear' ? quantizeLinear(scheme, values, fixed) : quantizeBlocks(scheme, values, fixed);
  return parts;
}

/** The scheme with `symmetric` set where the zero points, if there are any, are all at the middle of the codes. */
export function settle<S extends Scheme>(scheme: S, zeroPoints: Uint8Array | undefined): S {
  return { ...scheme, symmetric: zeroPoints === undefined || isMiddle(scheme, zeroPoints) };
}

function isMiddle(scheme: Scheme, zeroPoints: Uint8Array): boolean {
  if (scheme.kind === 'linear')
    return readCodes(scheme.dataType, zeroPoints, elementCount(scheme.scaleDims)).every((v) => v === 0);
  const { bits, outSize } = scheme;
  const perRow = Math.ceil(scheme.inSize / scheme.blockSize);
  const width = Math.ceil((perRow * bits) / 8) * (8 / bits);
  return unpack(zeroPoints, bits, outSize * width).every(
    (v, i) => i % width >= perRow || v === 2 ** (bits - 1),
  );
}

function check(scheme: Scheme, parts: Partial<Quantized>): void {
  const reason = unsupported(scheme);
  if (reason !== undefined) {
    throw new QuantizeError(
      `Quantized weights (${labelOf(scheme)}) cannot be read, because ${reason}; drop the model before quantization instead.`,
    );
  }
  const sizes = scheme.kind === 'linear' ? linearSizes(scheme) : blockSizes(scheme);
  const names = { values: 'codes', scales: 'scales', zeroPoints: 'zero points' } as const;
  for (const part of ['values', 'scales', 'zeroPoints'] as const) {
    const bytes = parts[part];
    if (bytes && bytes.byteLength !== sizes[part]) {
      throw new QuantizeError(
        `The ${names[part]} of quantized weights (${labelOf(scheme)}) take ${bytes.byteLength} bytes, where ${formatShape(shapeOf(scheme))} needs ${sizes[part]}; the file is damaged, so download it again.`,
      );
    }
  }
}
