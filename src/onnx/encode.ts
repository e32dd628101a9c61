/**
 * Encodes the few messages that an edit writes anew: fields of tensors, whole tensors, nodes, and value descriptions.
 *
 * Format: https://protobuf.dev/programming-guides/encoding/ and onnx.proto3. Repeated integers are written unpacked,
 * as onnx's own (proto2) definition does, so that every reader takes them.
 */

import { bitsPerElement, rawByteLength } from '../tensor/dtype.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import { TensorField } from './parse-tensor.ts';
import type { NewNode, NewTensor, NewValueInfo } from './types.ts';
import { OnnxError } from './types.ts';
import { Wire } from './wire.ts';

/** Bytes to write, made now or to be read when the file is. */
export type Chunk = Uint8Array | Blob;

const utf8 = new TextEncoder();

/** An unsigned varint of a safe integer. */
export function varint(value: number): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

export function varintField(field: number, value: number): Uint8Array<ArrayBuffer> {
  return join([varint(field * 8 + Wire.varint), varint(value)]);
}

export function textField(field: number, text: string): Uint8Array<ArrayBuffer> {
  return messageField(field, [utf8.encode(text)]);
}

/** A length-delimited field of parts that are in memory. */
export function messageField(field: number, parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return join([bytesHeader(field, byteCount(parts)), ...parts]);
}

/** Tag and length of a length-delimited field. */
export function bytesHeader(field: number, length: number): Uint8Array<ArrayBuffer> {
  return join([varint(field * 8 + Wire.bytes), varint(length)]);
}

export function byteCount(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, c) => sum + (c instanceof Uint8Array ? c.byteLength : c.size), 0);
}

export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(byteCount(parts));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function dimsFields(tensor: NewTensor): Uint8Array<ArrayBuffer> {
  return join(tensor.dims.map((d) => varintField(TensorField.dims, d)));
}

/** The fields that hold a new tensor's values, or say in which file they are. */
export function dataFields(tensor: NewTensor): Chunk[] {
  const { data } = tensor;
  if (data instanceof Uint8Array) return [bytesHeader(TensorField.rawData, data.byteLength), data];
  if (data instanceof Blob) return [bytesHeader(TensorField.rawData, data.size), data];
  const entry = (key: string, value: string) =>
    messageField(TensorField.externalData, [textField(1, key), textField(2, value)]);
  return [
    entry('location', data.location),
    entry('offset', String(data.offset)),
    entry('length', String(data.length)),
    varintField(TensorField.dataLocation, 1),
  ];
}

/** A whole TensorProto, without tag and length. */
export function tensorBody(tensor: NewTensor): Chunk[] {
  return [
    dimsFields(tensor),
    varintField(TensorField.dataType, tensor.dataType),
    textField(TensorField.name, tensor.name),
    ...dataFields(tensor),
  ];
}

/** A ValueInfoProto as field `field` of a graph (11 input, 12 output). */
export function valueField(field: number, value: NewValueInfo): Uint8Array<ArrayBuffer> {
  const parts = [varintField(1, value.elemType)];
  if (value.dims) parts.push(messageField(2, value.dims.map(dimField)));
  return messageField(field, [textField(1, value.name), messageField(2, [messageField(1, parts)])]);
}

function dimField(dim: number | string | null): Uint8Array<ArrayBuffer> {
  if (dim === null) return messageField(1, []);
  return messageField(1, [typeof dim === 'number' ? varintField(1, dim) : textField(2, dim)]);
}

/** A NodeProto as field 1 of a graph: input 1, output 2, name 3, op_type 4, attribute 5, domain 7. */
export function nodeField(node: NewNode): Uint8Array<ArrayBuffer> {
  const { opType, domain = '', name, inputs, outputs, attributes } = node;
  return messageField(1, [
    ...inputs.map((v) => textField(1, v)),
    ...outputs.map((v) => textField(2, v)),
    ...(name === '' ? [] : [textField(3, name)]),
    textField(4, opType),
    ...[...(attributes ?? [])].map(([key, value]) => attributeField(key, value)),
    ...(domain === '' ? [] : [textField(7, domain)]),
  ]);
}

/** An AttributeProto as field 5 of a node: name 1, i 3, ints 8, type 20 (2 an int, 7 ints). */
function attributeField(name: string, value: { readonly i: number } | { readonly ints: readonly number[] }) {
  const int = (field: number, v: number) => join([varint(field * 8 + Wire.varint), int64(v)]);
  const values = 'ints' in value ? value.ints.map((v) => int(8, v)) : [int(3, value.i)];
  return messageField(5, [textField(1, name), ...values, varintField(20, 'ints' in value ? 7 : 2)]);
}

/** An int64 as protobuf writes it: a negative one as the number 2^64 above it. */
function int64(value: number): Uint8Array<ArrayBuffer> {
  if (value >= 0) return varint(value);
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    const isLast = rest < 0x80n;
    bytes.push(Number(rest & 0x7fn) | (isLast ? 0 : 0x80));
    if (isLast) return Uint8Array.from(bytes);
  }
}

/**
 * Checks that a new tensor's data fills its shape.
 * @throws OnnxError `bad-shape` for dimensions that are not whole and non-negative, `bad-data` for a wrong length or
 *   a type without a fixed size.
 */
export function checkTensor(tensor: NewTensor): void {
  const { name, dims, dataType, data } = tensor;
  const count = elementCount(dims);
  if (!dims.every((d) => Number.isSafeInteger(d) && d >= 0) || !Number.isSafeInteger(count)) {
    throw new OnnxError('bad-shape', `The new tensor "${name}" cannot have the shape ${formatShape(dims)}.`);
  }
  if (bitsPerElement(dataType) === 0) {
    throw new OnnxError(
      'bad-data',
      `The new tensor "${name}" cannot be written: data type ${dataType} has no fixed size.`,
    );
  }
  const length =
    data instanceof Uint8Array ? data.byteLength : data instanceof Blob ? data.size : data.length;
  const needed = rawByteLength(dataType, count);
  if (length !== needed) {
    throw new OnnxError(
      'bad-data',
      `The new tensor "${name}" has ${length} bytes, but its shape ${formatShape(dims)} needs ${needed}.`,
    );
  }
  if (
    !(data instanceof Uint8Array || data instanceof Blob) &&
    !(Number.isSafeInteger(data.offset) && data.offset >= 0)
  ) {
    throw new OnnxError(
      'bad-data',
      `The new tensor "${name}" cannot start at byte ${data.offset} of "${data.location}".`,
    );
  }
}
