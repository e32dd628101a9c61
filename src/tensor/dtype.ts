/**
 * Element types of ONNX tensors.
 *
 * Why: every folder speaks of dtypes, and the wire format numbers them (onnx.proto3, TensorProto.DataType).
 * Keeping the table in one place keeps sizes and names consistent.
 *
 * Known limits: 4-bit and 8-bit float types are named and sized, but cannot be widened to f32 here yet.
 */

/** ONNX `TensorProto.DataType` numbers that Layerfold names. */
export const DataType = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
} as const;

export type DataTypeName = keyof typeof DataType;

const NAMES = new Map<number, DataTypeName>(
  Object.entries(DataType).map(([name, code]) => [code, name as DataTypeName]),
);

const BITS: Record<DataTypeName, number> = {
  float: 32,
  uint8: 8,
  int8: 8,
  uint16: 16,
  int16: 16,
  int32: 32,
  int64: 64,
  string: 0,
  bool: 8,
  float16: 16,
  double: 64,
  uint32: 32,
  uint64: 64,
  complex64: 64,
  complex128: 128,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  uint4: 4,
  int4: 4,
  float4e2m1: 4,
};

/** The name of an ONNX data type number, or `undefined` where the number is not in the standard. */
export function dataTypeName(code: number): DataTypeName | undefined {
  return NAMES.get(code);
}

/** Bits of one element; 0 for strings, whose size is not fixed. */
export function bitsPerElement(code: number): number {
  const name = NAMES.get(code);
  return name === undefined ? 0 : BITS[name];
}

/** Bytes that `count` elements of a data type take when stored raw (4-bit types are packed two a byte). */
export function rawByteLength(code: number, count: number): number {
  return Math.ceil((count * bitsPerElement(code)) / 8);
}

/** True for the types that hold trainable parameters (all floating-point types). */
export function isFloatType(code: number): boolean {
  const name = NAMES.get(code);
  return name !== undefined && (name.includes('float') || name === 'double');
}
