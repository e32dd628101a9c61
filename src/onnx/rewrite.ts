/**
 * Rewrites a node as it stands in the file: other value names, other element types, everything else byte for byte.
 *
 * Why: a derived model (functions and branches inlined, half precision widened or narrowed) repeats most nodes of the
 * original with small changes, nested graphs included, and must keep what Layerfold does not understand.
 *
 * Format: onnx.proto3. Known limits: works on bytes in memory, so large tensors must have left the node before; only
 * floating-point tensors are converted.
 */
import { DataType } from '../tensor/dtype.ts';
import { fromBfloat16, fromHalf, toFiniteHalf } from '../tensor/half.ts';
import { bytesHeader, join, messageField, nodeField, textField, varint, varintField } from './encode.ts';
import { TensorField } from './parse-tensor.ts';
import { OnnxError } from './types.ts';
import { Wire } from './wire.ts';

export interface Rewriting {
  /** The new name of a value; never asked for the empty one. */
  rename(name: string): string;
  /** The new name of a node. */
  label?(name: string): string;
  /** The new element type of an old one. */
  type?(code: number): number;
  /** In a function: the attribute of the call (AttributeProto bytes, as they are to be written), if it has it. */
  attribute?(name: string): Uint8Array | undefined;
}

/** A field of a message: its number, wire type, and where it and its payload stand. */
export interface RawField {
  readonly field: number;
  readonly wire: number;
  readonly start: number;
  readonly body: number;
  readonly end: number;
  /** Of a varint, modulo 2^53. */
  readonly value: number;
}

/** The fields of a message. @throws OnnxError `truncated` where it does not end as it says */
export function* rawFields(bytes: Uint8Array): Generator<RawField, void, void> {
  let at = 0;
  const read = (): number => {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = bytes[at++];
      if (byte === undefined) throw cut();
      if (factor < 2 ** 53) value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const tag = read();
    const wire = tag % 8;
    let value = 0;
    let body = at;
    if (wire === Wire.varint) value = read();
    else if (wire === Wire.bytes) {
      const length = read();
      body = at;
      at += length;
    } else at += wire === Wire.fixed32 ? 4 : 8;
    if (at > bytes.length) throw cut();
    yield { field: Math.floor(tag / 8), wire, start, body, end: at, value };
  }
}

function cut(): OnnxError {
  return new OnnxError('truncated', 'A node of the model is cut short; export or download the file again.');
}

const utf8 = new TextDecoder();
const textOf = (bytes: Uint8Array, f: RawField) => utf8.decode(bytes.subarray(f.body, f.end));
const payload = (bytes: Uint8Array, f: RawField) => bytes.subarray(f.body, f.end);

/** NodeProto: input 1, output 2, name 3, op_type 4, attribute 5. @returns the new body, without tag and length */
export function rewriteNode(bytes: Uint8Array, how: Rewriting): Uint8Array {
  const fields = [...rawFields(bytes)];
  const operator = fields.find((f) => f.field === 4);
  const opType = operator ? textOf(bytes, operator) : '';
  const renamed = (name: string) => (name === '' ? '' : how.rename(name));
  return join(
    fields.map((f) => {
      if (f.field === 1 || f.field === 2) return textField(f.field, renamed(textOf(bytes, f)));
      if (f.field === 3 && how.label) return textField(3, how.label(textOf(bytes, f)));
      if (f.field !== 5) return bytes.subarray(f.start, f.end);
      const attribute = rewriteAttribute(payload(bytes, f), opType, how);
      return attribute ? messageField(5, [attribute]) : new Uint8Array(0);
    }),
  );
}

/** Attributes that hold an element type, by operator; undefined is any operator. */
function holdsType(opType: string, name: string): boolean {
  if (name === 'to') return opType === 'Cast';
  return (
    name === 'dtype' || name === 'output_dtype' || name === 'output_datatype' || name === 'softmax_precision'
  );
}

/** AttributeProto: name 1, i 3, t 5, g 6, tensors 10, graphs 11, ref_attr_name 21. */
function rewriteAttribute(bytes: Uint8Array, opType: string, how: Rewriting): Uint8Array | undefined {
  const fields = [...rawFields(bytes)];
  const name = textAt(bytes, fields, 1);
  const refersTo = textAt(bytes, fields, 21);
  if (refersTo !== '') {
    // Outside of a call there is nothing that it could refer to: it stays.
    if (!how.attribute) return bytes;
    const given = how.attribute(refersTo);
    return (
      given &&
      join(
        [...rawFields(given)].map((f) => {
          if (f.field === 1) return textField(1, name);
          // The call's own attribute may have had a name that says nothing of types.
          if (f.field === 3 && how.type && holdsType(opType, name)) return varintField(3, how.type(f.value));
          return given.subarray(f.start, f.end);
        }),
      )
    );
  }
  return join(
    fields.map((f) => {
      if (f.field === 3 && how.type && holdsType(opType, name)) return varintField(3, how.type(f.value));
      if (f.field === 5 || f.field === 10)
        return messageField(f.field, [rewriteTensor(payload(bytes, f), how)]);
      if (f.field === 6 || f.field === 11)
        return messageField(f.field, [rewriteGraph(payload(bytes, f), how)]);
      return bytes.subarray(f.start, f.end);
    }),
  );
}

/** FunctionProto: node 7, value_info 12. @returns the new body, without tag and length */
export function rewriteFunction(bytes: Uint8Array, how: Rewriting): Uint8Array {
  return join(
    [...rawFields(bytes)].map((f) => {
      if (f.field === 7) return messageField(7, [rewriteNode(payload(bytes, f), how)]);
      if (f.field === 12) return messageField(12, [rewriteValue(payload(bytes, f), how)]);
      return bytes.subarray(f.start, f.end);
    }),
  );
}

function textAt(bytes: Uint8Array, fields: readonly RawField[], field: number): string {
  const found = fields.find((f) => f.field === field);
  return found ? textOf(bytes, found) : '';
}

/** GraphProto in an attribute: node 1, initializer 5, input 11, output 12, value_info 13. */
function rewriteGraph(bytes: Uint8Array, how: Rewriting): Uint8Array {
  return join(
    [...rawFields(bytes)].map((f) => {
      const inner = payload(bytes, f);
      if (f.field === 1) return messageField(1, [rewriteNode(inner, how)]);
      if (f.field === 5) return messageField(5, [rewriteTensor(inner, how, true)]);
      if (f.field >= 11 && f.field <= 13) return messageField(f.field, [rewriteValue(inner, how)]);
      return bytes.subarray(f.start, f.end);
    }),
  );
}

/** ValueInfoProto: name 1, type 2 > tensor_type 1 > elem_type 1. */
export function rewriteValue(bytes: Uint8Array, how: Rewriting): Uint8Array {
  const retype = (message: Uint8Array, depth: number): Uint8Array =>
    join(
      [...rawFields(message)].map((f) => {
        if (f.field !== 1) return message.subarray(f.start, f.end);
        if (depth === 1) return messageField(1, [retype(payload(message, f), 2)]);
        return f.wire === Wire.varint ? varintField(1, how.type!(f.value)) : message.subarray(f.start, f.end);
      }),
    );
  return join(
    [...rawFields(bytes)].map((f) => {
      if (f.field === 1) return textField(1, how.rename(textOf(bytes, f)));
      if (f.field === 2 && how.type) return messageField(2, [retype(payload(bytes, f), 1)]);
      return bytes.subarray(f.start, f.end);
    }),
  );
}

/** A TensorProto of another element type; its name is a value's only where it is an initializer. */
function rewriteTensor(bytes: Uint8Array, how: Rewriting, isInitializer = false): Uint8Array {
  const fields = [...rawFields(bytes)];
  const code = fields.find((f) => f.field === TensorField.dataType)?.value ?? 0;
  const to = how.type?.(code) ?? code;
  const out: Uint8Array[] = [];
  const isData = (f: RawField) => f.field === TensorField.rawData || (f.field >= 4 && f.field <= 7);
  for (const f of fields) {
    if (f.field === TensorField.name && isInitializer)
      out.push(textField(f.field, how.rename(textOf(bytes, f))));
    else if (to !== code && f.field === TensorField.dataType) out.push(varintField(f.field, to));
    else if (to === code || !isData(f)) out.push(bytes.subarray(f.start, f.end));
  }
  if (to !== code) {
    const raw = convertFloats(rawOf(bytes, fields, code), code, to);
    out.push(bytesHeader(TensorField.rawData, raw.length), raw);
  }
  return join(out);
}

/** The values of a small floating-point tensor as `raw_data` has them. */
function rawOf(bytes: Uint8Array, fields: readonly RawField[], code: number): Uint8Array<ArrayBuffer> {
  const raw = fields.find((f) => f.field === TensorField.rawData);
  if (raw) return payload(bytes, raw).slice();
  if (code === DataType.float) {
    return join(fields.filter((f) => f.field === TensorField.floatData).map((f) => payload(bytes, f)));
  }
  const words: number[] = [];
  for (const f of fields.filter((g) => g.field === TensorField.int32Data)) {
    if (f.wire === Wire.varint) words.push(f.value);
    // A packed list is a run of varints: each is read as the value of a field without a tag.
    else for (const value of varintsOf(payload(bytes, f))) words.push(value);
  }
  return new Uint8Array(Uint16Array.from(words).buffer);
}

function* varintsOf(bytes: Uint8Array): Generator<number> {
  let value = 0;
  let factor = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte >= 0x80) continue;
    yield value;
    value = 0;
    factor = 1;
  }
}

/**
 * Converts raw little-endian floats between float, float16 and bfloat16; narrowing rounds to nearest, ties to even,
 * and keeps what is finite finite (±65504 at most), as masks made of the lowest f32 need it.
 * @throws OnnxError `bad-data` for other pairs of types
 */
export function convertFloats(
  raw: Uint8Array<ArrayBuffer>,
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> {
  if (to === DataType.float && (from === DataType.float16 || from === DataType.bfloat16)) {
    const words = new Uint16Array(raw.buffer, raw.byteOffset, raw.byteLength / 2);
    return new Uint8Array(
      Float32Array.from(words, from === DataType.float16 ? fromHalf : fromBfloat16).buffer,
    );
  }
  if (from === DataType.float && to === DataType.float16) {
    const aligned = raw.byteOffset % 4 === 0 ? raw : raw.slice();
    const values = new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
    return new Uint8Array(Uint16Array.from(values, toFiniteHalf).buffer);
  }
  throw new OnnxError('bad-data', `Values of type ${from} cannot be converted to type ${to}.`);
}

/** NodeProto of a new node, with tag and length as an element of a graph's list. */
export function newNode(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  name = '',
): Uint8Array {
  return nodeField({ opType, inputs, outputs, name });
}

/** OperatorSetIdProto as field 8 of a model. */
export function opsetField(domain: string, version: number): Uint8Array {
  return messageField(8, [
    ...(domain === '' ? [] : [textField(1, domain)]),
    join([varint(16), varint(version)]),
  ]);
}
