/**
 * Element types of safetensors: their sizes, and floating-point values from and to their bytes.
 *
 * Source: the format's own list (https://github.com/huggingface/safetensors, `Dtype`). Bytes are little-endian, as are
 * all machines that run browsers, so typed arrays view them as they are.
 * Known limits: 8-bit and narrower floats and complex numbers are sized and passed through, not converted; f64 is
 * rounded to f32 when it is read.
 */
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from '../tensor/half.ts';

const BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type Dtype = keyof typeof BITS;
export type FloatDtype = 'F64' | 'F32' | 'F16' | 'BF16';

/** The type of an ONNX initializer that a checkpoint was exported to. */
export type StoredType = 'float32' | 'float16' | 'bfloat16';

export function isDtype(name: unknown): name is Dtype {
  return typeof name === 'string' && Object.hasOwn(BITS, name);
}

/** The types whose values can be read and written here. */
export function isFloatDtype(dtype: Dtype): dtype is FloatDtype {
  return dtype === 'F64' || dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

/** Bytes that `count` elements take; not a whole number where narrow types do not fill a byte. */
export function byteLength(dtype: Dtype, count: number): number {
  return (count * BITS[dtype]) / 8;
}

/** Values of all 65,536 bit patterns, made at first use: a table is several times faster than the arithmetic. */
const tables = new Map<FloatDtype, Float32Array>();

function tableOf(dtype: 'F16' | 'BF16'): Float32Array {
  let table = tables.get(dtype);
  if (!table) {
    const convert = dtype === 'F16' ? fromHalf : fromBfloat16;
    table = Float32Array.from({ length: 0x10000 }, (_, bits) => convert(bits));
    tables.set(dtype, table);
  }
  return table;
}

/** Values as f32; a view of `bytes` where they are f32 already. */
export function decodeFloats(bytes: ArrayBuffer, dtype: FloatDtype): Float32Array<ArrayBuffer> {
  if (dtype === 'F32') return new Float32Array(bytes);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(bytes));
  const table = tableOf(dtype);
  const bits = new Uint16Array(bytes);
  const out = new Float32Array(bits.length);
  for (let k = 0; k < bits.length; k++) out[k] = table[bits[k]];
  return out;
}

/** The bytes of values in a type, rounded to nearest, ties to even; too large becomes infinite. */
export function encodeFloats(values: Float32Array, dtype: FloatDtype): Uint8Array<ArrayBuffer> {
  if (dtype === 'F32') return new Uint8Array(Float32Array.from(values).buffer);
  if (dtype === 'F64') return new Uint8Array(Float64Array.from(values).buffer);
  const convert = dtype === 'F16' ? toHalf : toBfloat16;
  const bits = new Uint16Array(values.length);
  for (let k = 0; k < values.length; k++) bits[k] = convert(values[k]);
  return new Uint8Array(bits.buffer);
}

/** One f32 value as it comes back from being stored in a type. */
export function rounderTo(type: StoredType | FloatDtype): (value: number) => number {
  if (type === 'float16' || type === 'F16') return (value) => fromHalf(toHalf(value));
  if (type === 'bfloat16' || type === 'BF16') return (value) => fromBfloat16(toBfloat16(value));
  return Math.fround;
}
