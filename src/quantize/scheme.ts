/**
 * How weights are quantized: the schemes that Layerfold decodes and encodes again, as plain objects.
 *
 * Why: a merge works in f32 and is written back in the scheme that the file has, so a scheme must be enough to go both
 * ways, between raw bytes as ONNX stores them and f32 (sources: ONNX QuantizeLinear and DequantizeLinear, opsets 10–25;
 * onnxruntime's com.microsoft MatMulNBits).
 *
 * Known limits: integers only; 8-bit and 4-bit floats are not schemes here.
 */
import { bitsPerElement, DataType, dataTypeName } from '../tensor/dtype.ts';
import { formatShape } from '../tensor/shape.ts';

/** value = (code − zero point) · scale, with a scale a tensor, a slice along an axis, or a block along an axis. */
export interface LinearScheme {
  readonly kind: 'linear';
  /** Shape of the codes and of what they stand for. */
  readonly dims: readonly number[];
  /** ONNX type of the codes: (u)int4, (u)int8, (u)int16, int32. 4-bit codes are packed two a byte, low half first. */
  readonly dataType: number;
  /** Per tensor [] or [1]; along an axis [dims[axis]]; blocked: `dims` with ceil(dims[axis] / blockSize) on the axis. */
  readonly scaleDims: readonly number[];
  /** float, float16 or bfloat16. */
  readonly scaleType: number;
  /** Type of what DequantizeLinear gives, to which decoded values are rounded; absent: `scaleType`. */
  readonly outputType?: number;
  /** Counted from 0; absent: one scale for the whole tensor. */
  readonly axis?: number;
  readonly blockSize?: number;
  /** No zero points, or all of them zero: they stay as they are. */
  readonly symmetric: boolean;
}

/** MatMulNBits: a matrix [N, K] of codes without a sign, in blocks along K. */
export interface BlockScheme {
  readonly kind: 'blocks';
  /** 2, 4 or 8. */
  readonly bits: number;
  /** A power of two, at least 16. */
  readonly blockSize: number;
  /** K: inputs of the linear map. */
  readonly inSize: number;
  /** N: outputs of the linear map. */
  readonly outSize: number;
  /** float, float16 or bfloat16. */
  readonly scaleType: number;
  /** No zero points (each is then 2^(bits − 1)), or all of them that: they stay as they are. */
  readonly symmetric: boolean;
}

export type Scheme = LinearScheme | BlockScheme;

/**
 * A quantized tensor as raw little-endian bytes, each part as its ONNX tensor holds it.
 *
 * Linear: values `dims` of `dataType`, scales `scaleDims` of `scaleType`, zero points `scaleDims` of `dataType`.
 * Blocks: values uint8 [N, ceil(K / block), block · bits / 8], scales [N, ceil(K / block)] (or flat), zero points uint8
 * [N, ceil(ceil(K / block) · bits / 8)] (or flat).
 */
export interface Quantized {
  readonly values: Uint8Array;
  readonly scales: Uint8Array;
  readonly zeroPoints?: Uint8Array;
}

/** A scheme that is not supported, or bytes or values that do not fit one. `message` is a sentence for the page. */
export class QuantizeError extends Error {
  override readonly name = 'QuantizeError';
}

/** A scheme for people: `int8, one scale a tensor`, `uint4 in blocks of 32`, `4 bits in blocks of 32`. */
export function labelOf(scheme: Scheme): string {
  if (scheme.kind === 'blocks') return `${scheme.bits} bits in blocks of ${scheme.blockSize}`;
  const type = dataTypeName(scheme.dataType) ?? `type ${scheme.dataType}`;
  if (scheme.blockSize !== undefined) return `${type} in blocks of ${scheme.blockSize}`;
  return `${type}, one scale a ${scheme.axis === undefined ? 'tensor' : 'channel'}`;
}

/** Shape of the f32 values that a scheme stands for. */
export function shapeOf(scheme: Scheme): readonly number[] {
  return scheme.kind === 'linear' ? scheme.dims : [scheme.outSize, scheme.inSize];
}

/** Blocks in a row of MatMulNBits: ceil(K / block). */
export function blocksInRow({ inSize, blockSize }: BlockScheme): number {
  return Math.ceil(inSize / blockSize);
}

const CODE_TYPES: readonly number[] = [
  DataType.int8, DataType.uint8, DataType.int16, DataType.uint16, DataType.int32, DataType.int4, DataType.uint4,
]; // biome-ignore format: a list reads best packed
const SCALE_TYPES: readonly number[] = [DataType.float, DataType.float16, DataType.bfloat16];

/** Why a scheme cannot be decoded, completing “because ”; undefined where it can. */
export function unsupported(scheme: Scheme): string | undefined {
  const typeName = (code: number) => dataTypeName(code) ?? `type ${code}`;
  if (!SCALE_TYPES.includes(scheme.scaleType)) return `its scales are ${typeName(scheme.scaleType)}`;
  if (scheme.kind === 'blocks') {
    const { bits, blockSize, inSize, outSize } = scheme;
    if (bits !== 2 && bits !== 4 && bits !== 8)
      return `its weights have ${bits} bits, where 2, 4 and 8 are known`;
    if (!(blockSize >= 16) || (blockSize & (blockSize - 1)) !== 0)
      return `its blocks of ${blockSize} are not a power of two of at least 16`;
    return inSize > 0 && outSize > 0 ? undefined : `its matrix of ${outSize}×${inSize} is empty`;
  }
  const { dims, dataType, scaleDims, axis, blockSize } = scheme;
  if (!CODE_TYPES.includes(dataType)) return `its codes are ${typeName(dataType)}`;
  if (axis === undefined) {
    return scaleDims.every((d) => d === 1)
      ? undefined
      : `its scales have the shape ${formatShape(scaleDims)}`;
  }
  if (!(axis >= 0 && axis < dims.length)) return `its axis ${axis} is none of ${formatShape(dims)}`;
  if (blockSize !== undefined && !(blockSize > 0)) return `its blocks of ${blockSize} are empty`;
  const wanted =
    blockSize === undefined ? [dims[axis]] : dims.map((d, i) => (i === axis ? Math.ceil(d / blockSize) : d));
  return wanted.length === scaleDims.length && wanted.every((d, i) => d === scaleDims[i])
    ? undefined
    : `its scales have the shape ${formatShape(scaleDims)}, not ${formatShape(wanted)}`;
}

/** Smallest and largest code. */
export function codeRange(scheme: Scheme): { readonly min: number; readonly max: number } {
  if (scheme.kind === 'blocks') return { min: 0, max: 2 ** scheme.bits - 1 };
  const bits = bitsPerElement(scheme.dataType);
  const signed = !(dataTypeName(scheme.dataType) ?? '').startsWith('u');
  return signed ? { min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 } : { min: 0, max: 2 ** bits - 1 };
}
