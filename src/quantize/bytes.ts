/**
 * Raw bytes of codes and scales as numbers, and back.
 *
 * Why: codes of fewer than 8 bits are packed into bytes, low bits first (ONNX's int4 and uint4, and MatMulNBits), and
 * scales may be of half precision.
 *
 * Known limits: little-endian machines only, as everywhere that WebAssembly runs.
 */
import { bitsPerElement, DataType } from '../tensor/dtype.ts';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from '../tensor/half.ts';

/** Codes, one a number; 4-bit ones in 8-bit arrays. */
export type Codes = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array;

/** A copy where the bytes do not start where a typed array may. */
function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : bytes.slice();
}

/** An array for `count` codes of an ONNX type, or over raw bytes of a type of 8 bits or more. */
export function codeArray(dataType: number, from: number | Uint8Array): Codes {
  const make = <T>(Type: {
    new (length: number): T;
    new (buffer: ArrayBufferLike, offset: number, length: number): T;
    readonly BYTES_PER_ELEMENT: number;
  }): T => {
    if (typeof from === 'number') return new Type(from);
    const bytes = aligned(from, Type.BYTES_PER_ELEMENT);
    return new Type(bytes.buffer, bytes.byteOffset, Math.floor(bytes.byteLength / Type.BYTES_PER_ELEMENT));
  };
  switch (dataType) {
    case DataType.int8:
    case DataType.int4:
      return make(Int8Array);
    case DataType.int16:
      return make(Int16Array);
    case DataType.uint16:
      return make(Uint16Array);
    case DataType.int32:
      return make(Int32Array);
    default:
      return make(Uint8Array);
  }
}

/** `count` codes of an ONNX type out of raw bytes: a view where there is nothing to unpack. */
export function readCodes(dataType: number, bytes: Uint8Array, count: number): Codes {
  if (bitsPerElement(dataType) >= 8) return codeArray(dataType, bytes).subarray(0, count);
  const codes = unpack(bytes, 4, count);
  return dataType === DataType.int4 ? Int8Array.from(codes, (v) => (v << 28) >> 28) : codes;
}

/** The raw bytes of codes of an ONNX type. */
export function writeCodes(dataType: number, codes: Codes): Uint8Array {
  if (bitsPerElement(dataType) >= 8) return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
  return pack(codes, 4);
}

/** Fields of 2, 4 or 8 bits, without a sign, low bits first. */
export function unpack(bytes: Uint8Array, bits: number, count: number): Uint8Array {
  const each = 8 / bits;
  const mask = 2 ** bits - 1;
  const out = new Uint8Array(count);
  for (let i = 0; i < count; i++) out[i] = (bytes[Math.floor(i / each)] >> ((i % each) * bits)) & mask;
  return out;
}

/** The lowest `bits` of each code, packed; the last byte is filled with zeros. */
export function pack(codes: Codes, bits: number): Uint8Array {
  const each = 8 / bits;
  const mask = 2 ** bits - 1;
  const out = new Uint8Array(Math.ceil(codes.length / each));
  for (let i = 0; i < codes.length; i++)
    out[Math.floor(i / each)] |= (codes[i] & mask) << ((i % each) * bits);
  return out;
}

/** float, float16 or bfloat16 bytes as f32. */
export function readScales(type: number, bytes: Uint8Array): Float32Array {
  if (type === DataType.float) {
    const { buffer, byteOffset, byteLength } = aligned(bytes, 4);
    return new Float32Array(buffer, byteOffset, byteLength / 4);
  }
  const { buffer, byteOffset, byteLength } = aligned(bytes, 2);
  const widen = type === DataType.float16 ? fromHalf : fromBfloat16;
  return Float32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), widen);
}

/** f32 as float, float16 or bfloat16 bytes. */
export function writeScales(type: number, scales: Float32Array): Uint8Array {
  if (type === DataType.float) return new Uint8Array(scales.slice().buffer);
  return new Uint8Array(Uint16Array.from(scales, type === DataType.float16 ? toHalf : toBfloat16).buffer);
}

/** A number as a float type holds it, to nearest; ties to even. */
export function roundTo(type: number, value: number): number {
  if (type === DataType.float16) return fromHalf(toHalf(value));
  if (type === DataType.bfloat16) return fromBfloat16(toBfloat16(value));
  return Math.fround(value);
}

/** A number as a float type holds it, away from zero where it must be rounded. */
export function roundAway(type: number, value: number): number {
  const size = Math.abs(value);
  let rounded = roundTo(type, size);
  if (rounded < size) {
    if (type === DataType.float16) rounded = fromHalf(toHalf(size) + 1);
    else if (type === DataType.bfloat16) rounded = fromBfloat16(toBfloat16(size) + 1);
    else rounded = nextFloat(rounded);
  }
  return value < 0 ? -rounded : rounded;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The next f32 above a positive one. */
function nextFloat(value: number): number {
  float[0] = value;
  bits[0]++;
  return float[0];
}
