/**
 * A tiny protobuf encoder that builds small ONNX models for tests.
 *
 * Why: tests of the reader, the writer and the graph index need models whose every field is known. It shares no
 * code with `src/onnx`, so an error there cannot hide behind the same error here. Field numbers: onnx.proto3.
 *
 * Known limits: no sparse tensors, sequences, maps or functions' bodies (pass them as `extra` bytes made with `wire`).
 *
 * @example
 * buildModel({
 *   inputs: [input('x', 'float', ['batch', 4])],
 *   outputs: [output('y', 'float', ['batch', 2])],
 *   initializers: [f32('w', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])],
 *   nodes: [node('Gemm', ['x', 'w'], ['y'], { transB: 1, alpha: float(1) })],
 * });
 */

type Bytes = Uint8Array<ArrayBuffer>;
type Numbers = ArrayLike<number | bigint>;

const TYPES = {
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
  bfloat16: 16,
  uint4: 21,
  int4: 22,
} as const;

export type ElementType = keyof typeof TYPES;
export type Dim = number | string | null;

/** How a tensor's values are written: `typed` is packed `float_data` and the like, `unpacked` one field a value. */
export type StorageStyle = 'raw' | 'typed' | 'unpacked';

export interface TensorSpec {
  readonly kind: 'tensor';
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly style: StorageStyle | 'external' | 'none';
  readonly values: Numbers;
  readonly external?: { readonly location: string; readonly offset?: number; readonly length?: number };
  readonly doc?: string;
  /** Encoded fields put at the end of the message: see `wire`. */
  readonly extra?: Uint8Array;
}

export interface ValueSpec {
  readonly kind: 'value';
  readonly name: string;
  readonly type?: ElementType;
  readonly dims?: readonly Dim[];
  readonly extra?: Uint8Array;
}

export interface FloatValue {
  readonly kind: 'float';
  readonly values: number | readonly number[];
}

export type AttributeValue =
  | number
  | bigint
  | string
  | readonly number[]
  | readonly string[]
  | FloatValue
  | TensorSpec
  | GraphSpec;

export interface NodeSpec {
  readonly kind: 'node';
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly name?: string;
  readonly domain?: string;
  readonly doc?: string;
  readonly extra?: Uint8Array;
}

export interface GraphSpec {
  readonly kind?: 'graph';
  readonly name?: string;
  readonly nodes?: readonly NodeSpec[];
  readonly initializers?: readonly TensorSpec[];
  readonly inputs?: readonly ValueSpec[];
  readonly outputs?: readonly ValueSpec[];
  readonly valueInfos?: readonly ValueSpec[];
  readonly extra?: Uint8Array;
}

export interface ModelSpec extends GraphSpec {
  /** Version of the default domain; 20 where absent. */
  readonly opset?: number;
  /** Further domains, e.g. `{ 'com.microsoft': 1 }`. */
  readonly domains?: Readonly<Record<string, number>>;
  readonly irVersion?: number;
  readonly producer?: string;
  readonly producerVersion?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly functions?: readonly { readonly domain: string; readonly name: string }[];
  /** Encoded fields put before everything else in the ModelProto. */
  readonly prefix?: Uint8Array;
  /** Encoded fields put at the end of the ModelProto (`extra` goes to the end of the GraphProto). */
  readonly suffix?: Uint8Array;
  /** Extra bytes in every length varint: legal, but not minimal. */
  readonly padLengths?: number;
}

/** A graph input. `dims`: numbers, names of symbolic dimensions, or null for unknown; absent = unknown rank. */
export function input(name: string, type?: ElementType, dims?: readonly Dim[]): ValueSpec {
  return { kind: 'value', name, type, dims };
}

/** A graph output, and a value_info entry. */
export const output = input;
export const valueInfo = input;

/** A tensor of any numeric type; 16-bit floats are given as their patterns, 4-bit types as bytes of two, `raw` only. */
export function tensor(
  name: string,
  type: ElementType,
  dims: readonly number[],
  values: Numbers,
  style: StorageStyle = 'raw',
): TensorSpec {
  return { kind: 'tensor', name, type, dims, values, style };
}

export function f32(
  name: string,
  dims: readonly number[],
  values: Numbers,
  style?: StorageStyle,
): TensorSpec {
  return tensor(name, 'float', dims, values, style);
}

export function i64(
  name: string,
  dims: readonly number[],
  values: Numbers,
  style?: StorageStyle,
): TensorSpec {
  return tensor(name, 'int64', dims, values, style);
}

/** A tensor whose bytes are in another file. */
export function external(
  name: string,
  type: ElementType,
  dims: readonly number[],
  where: { readonly location: string; readonly offset?: number; readonly length?: number },
): TensorSpec {
  return { kind: 'tensor', name, type, dims, values: [], style: 'external', external: where };
}

/** Marks a whole number, or a list of them, as a float attribute. Numbers with a fraction are floats by themselves. */
export function float(values: number | readonly number[]): FloatValue {
  return { kind: 'float', values };
}

/** A node. Attributes: whole numbers are ints, others floats; strings, lists, tensors and graphs as they are. */
export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  more: Partial<Pick<NodeSpec, 'name' | 'domain' | 'doc' | 'extra'>> = {},
): NodeSpec {
  return { kind: 'node', op, inputs, outputs, attributes, ...more };
}

/** A Constant node that yields `value` under the name `name`. */
export function constant(name: string, value: TensorSpec): NodeSpec {
  return node('Constant', [], [name], { value });
}

/** A graph for an attribute (the body of If or Loop). */
export function graph(spec: GraphSpec): GraphSpec {
  return { ...spec, kind: 'graph' };
}

/** Encodes a model. */
export function buildModel(spec: ModelSpec): Bytes {
  const e = new Encoder(spec.padLengths ?? 0);
  const opsets = Object.entries({ '': spec.opset ?? 20, ...spec.domains });
  return concat([
    spec.prefix ?? new Uint8Array(0),
    e.int(1, spec.irVersion ?? 8),
    e.text(2, spec.producer ?? 'layerfold-tests'),
    e.text(3, spec.producerVersion ?? ''),
    e.message(7, encodeGraph(e, spec)),
    ...opsets.map(([domain, version]) => e.message(8, [e.text(1, domain), e.int(2, version)])),
    ...Object.entries(spec.metadata ?? {}).map(([key, value]) =>
      e.message(14, [e.text(1, key), e.text(2, value)]),
    ),
    ...(spec.functions ?? []).map((f) => e.message(25, [e.text(1, f.name), e.text(10, f.domain)])),
    spec.suffix ?? new Uint8Array(0),
  ]);
}

/** The same as a Blob, as `openOnnx` takes it. */
export function buildBlob(spec: ModelSpec): Blob {
  return new Blob([buildModel(spec)]);
}

/** Single encoded fields, for unknown fields and malformed messages. */
export const wire = {
  varint: (field: number, value: number | bigint): Bytes => new Encoder(0).int(field, value),
  bytes: (field: number, payload: Uint8Array): Bytes => new Encoder(0).message(field, [payload]),
  text: (field: number, value: string): Bytes => new Encoder(0).textAlways(field, value),
  fixed32: (field: number, value: number): Bytes =>
    concat([varint(field * 8 + 5), littleEndian('uint32', [value])]),
  fixed64: (field: number, value: bigint): Bytes =>
    concat([varint(field * 8 + 1), littleEndian('uint64', [value])]),
  /** A tag with any wire type, and nothing after it. */
  tag: (field: number, type: number): Bytes => varint(field * 8 + type),
  concat: (...parts: Uint8Array[]): Bytes => concat(parts),
};

class Encoder {
  constructor(private readonly padding: number) {}

  int(field: number, value: number | bigint): Bytes {
    return concat([varint(field * 8), varint(value)]);
  }

  message(field: number, parts: readonly Uint8Array[]): Bytes {
    const length = parts.reduce((sum, p) => sum + p.length, 0);
    return concat([varint(field * 8 + 2), varint(length, this.padding), ...parts]);
  }

  textAlways(field: number, value: string): Bytes {
    return this.message(field, [new TextEncoder().encode(value)]);
  }

  /** A string field; proto3 leaves empty ones out. */
  text(field: number, value: string | undefined): Bytes {
    return value === undefined || value === '' ? new Uint8Array(0) : this.textAlways(field, value);
  }
}

function encodeGraph(e: Encoder, spec: GraphSpec): Bytes[] {
  return [
    ...(spec.nodes ?? []).map((n) => e.message(1, encodeNode(e, n))),
    e.text(2, spec.name ?? 'graph'),
    ...(spec.initializers ?? []).map((t) => e.message(5, encodeTensor(e, t))),
    ...(spec.inputs ?? []).map((v) => e.message(11, encodeValue(e, v))),
    ...(spec.outputs ?? []).map((v) => e.message(12, encodeValue(e, v))),
    ...(spec.valueInfos ?? []).map((v) => e.message(13, encodeValue(e, v))),
    copy(spec.extra),
  ];
}

function encodeNode(e: Encoder, n: NodeSpec): Bytes[] {
  return [
    ...n.inputs.map((name) => e.textAlways(1, name)),
    ...n.outputs.map((name) => e.textAlways(2, name)),
    e.text(3, n.name),
    e.textAlways(4, n.op),
    ...Object.entries(n.attributes).map(([name, value]) =>
      e.message(5, [e.text(1, name), ...encodeAttribute(e, value)]),
    ),
    e.text(6, n.doc),
    e.text(7, n.domain),
    copy(n.extra),
  ];
}

function encodeAttribute(e: Encoder, value: AttributeValue): Bytes[] {
  const type = (code: number) => e.int(20, code);
  const asFloat = (x: number) => concat([varint(2 * 8 + 5), littleEndian('float', [x])]);
  const asFloats = (xs: readonly number[]) => e.message(7, [littleEndian('float', xs)]);
  if (typeof value === 'bigint') return [e.int(3, value), type(2)];
  if (typeof value === 'number') {
    return Number.isInteger(value) ? [e.int(3, value), type(2)] : [asFloat(value), type(1)];
  }
  if (typeof value === 'string') return [e.textAlways(4, value), type(3)];
  if ('kind' in value && value.kind === 'float') {
    const { values } = value;
    return typeof values === 'number' ? [asFloat(values), type(1)] : [asFloats(values), type(6)];
  }
  if ('kind' in value && value.kind === 'tensor') return [e.message(5, encodeTensor(e, value)), type(4)];
  if (!Array.isArray(value)) return [e.message(6, encodeGraph(e, value as GraphSpec)), type(5)];
  const list = value as readonly (number | string)[];
  if (list.length > 0 && list.every((x) => typeof x === 'string')) {
    return [...list.map((x) => e.textAlways(9, x)), type(8)];
  }
  const numbers = list as readonly number[];
  if (!numbers.every(Number.isInteger)) return [asFloats(numbers), type(6)];
  return [...numbers.map((x) => e.int(8, x)), type(7)];
}

/** The typed field that holds a type's values: [field number, fixed-size element type or null for varints]. */
function typedField(type: ElementType): [number, ElementType | null] {
  if (type === 'float') return [4, 'float'];
  if (type === 'double') return [10, 'double'];
  if (type === 'int64') return [7, null];
  if (type === 'uint64' || type === 'uint32') return [11, null];
  return [5, null];
}

function encodeTensor(e: Encoder, t: TensorSpec): Bytes[] {
  const head = [...t.dims.map((d) => e.int(1, d)), e.int(2, TYPES[t.type])];
  const tail = [e.text(8, t.name), e.text(12, t.doc)];
  return [...head, ...encodeValues(e, t), ...tail, copy(t.extra)];
}

function encodeValues(e: Encoder, t: TensorSpec): Bytes[] {
  if (t.style === 'none') return [];
  if (t.style === 'raw') return [e.message(9, [littleEndian(t.type, t.values)])];
  if (t.style === 'external') {
    const entries = Object.entries({ ...t.external }).filter(([, v]) => v !== undefined);
    return [
      ...entries.map(([key, v]) => e.message(13, [e.text(1, key), e.text(2, String(v))])),
      e.int(14, 1),
    ];
  }
  const [field, fixed] = typedField(t.type);
  const values: (number | bigint)[] = Array.from(t.values);
  const encode = (v: number | bigint) => (fixed === null ? varint(v) : littleEndian(fixed, [v]));
  if (t.style === 'typed') return [e.message(field, values.map(encode))];
  const wireType = fixed === null ? 0 : fixed === 'float' ? 5 : 1;
  return values.map((v) => concat([varint(field * 8 + wireType), encode(v)]));
}

function encodeValue(e: Encoder, v: ValueSpec): Bytes[] {
  const name = e.text(1, v.name);
  if (v.type === undefined) return [name, copy(v.extra)];
  const shape =
    v.dims === undefined
      ? []
      : [
          e.message(
            2,
            v.dims.map((d) => e.message(1, encodeDim(e, d))),
          ),
        ];
  return [name, e.message(2, [e.message(1, [e.int(1, TYPES[v.type]), ...shape])]), copy(v.extra)];
}

function encodeDim(e: Encoder, dim: Dim): Bytes[] {
  if (dim === null) return [];
  return [typeof dim === 'number' ? e.int(1, dim) : e.textAlways(2, dim)];
}

function littleEndian(type: ElementType, values: Numbers): Bytes {
  const list = Array.from(values);
  const size = /8|bool|int4/.test(type) ? 1 : type.includes('16') ? 2 : /64|double/.test(type) ? 8 : 4;
  const view = new DataView(new ArrayBuffer(list.length * size));
  list.forEach((v, i) => {
    if (type === 'float') view.setFloat32(i * 4, Number(v), true);
    else if (type === 'double') view.setFloat64(i * 8, Number(v), true);
    else if (size === 8) view.setBigUint64(i * 8, BigInt.asUintN(64, BigInt(v)), true);
    else if (size === 4) view.setUint32(i * 4, Number(v), true);
    else if (size === 2) view.setUint16(i * 2, Number(v), true);
    else view.setUint8(i, Number(v));
  });
  return new Uint8Array(view.buffer);
}

function varint(value: number | bigint, padding = 0): Bytes {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(rest & 0x7fn));
    rest >>= 7n;
  } while (rest > 0n);
  for (let i = 0; i < padding && bytes.length < 10; i++) bytes.push(0);
  return Uint8Array.from(bytes, (b, i) => (i < bytes.length - 1 ? b | 0x80 : b));
}

function concat(parts: readonly Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function copy(bytes: Uint8Array | undefined): Bytes {
  return bytes === undefined ? new Uint8Array(0) : Uint8Array.from(bytes);
}
