/**
 * TensorProto: name, type, shape, and where its values are; the values themselves are stepped over.
 *
 * Why: weights are nearly all of a model's bytes, and most are only ever copied.
 * Known limits: `segment` (an unused ONNX feature) is ignored; varint payloads are not counted until they are read.
 */

import { bitsPerElement, rawByteLength } from '../tensor/dtype.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import type { FieldSpan, Layout } from './layout.ts';
import { MAX_RANK } from './limits.ts';
import type { ByteRange, TensorInfo, TensorStorage } from './types.ts';
import { OnnxError } from './types.ts';
import type { Frame, Step, WireCursor } from './wire.ts';
import { bodyRange, fieldRange, HEADER, Wire } from './wire.ts';

/** TensorProto field numbers. */
export const TensorField = {
  dims: 1,
  dataType: 2,
  floatData: 4,
  int32Data: 5,
  stringData: 6,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
  externalData: 13,
  dataLocation: 14,
} as const;

/** Fields that hold values or say where they are. */
export function isDataField(field: number): boolean {
  return (field >= 4 && field <= 7) || (field >= 9 && field <= 11) || field === 13 || field === 14;
}

/** Wire type of one unpacked value of a typed field. */
export function typedWire(field: number): number {
  if (field === TensorField.floatData) return Wire.fixed32;
  if (field === TensorField.doubleData) return Wire.fixed64;
  return field === TensorField.stringData ? Wire.bytes : Wire.varint;
}

/** Payloads of the typed fields, by field number. */
interface TypedRun {
  packed: ByteRange[];
  /** Whole fields, tags included; used where any of them was not packed. */
  whole: ByteRange[];
  allPacked: boolean;
}

interface Draft {
  name: string;
  dataType: number;
  dims: number[];
  raw?: ByteRange;
  readonly typed: Map<number, TypedRun>;
  isExternal: boolean;
  readonly external: Map<string, string>;
}

/**
 * Parses the tensor whose field header was just read.
 * @throws OnnxError `bad-shape` for negative or absurd dimensions, `bad-data` where the values cannot fill the shape.
 */
export function* parseTensor(
  c: WireCursor,
  parent: Frame,
  isInitializer: boolean,
  layout: Layout,
): Step<TensorInfo> {
  const frame = c.enter(parent, isInitializer ? 'an initializer' : 'a tensor attribute', 8);
  const draft: Draft = {
    name: '',
    dataType: 0,
    dims: [],
    typed: new Map(),
    isExternal: false,
    external: new Map(),
  };
  const spans: FieldSpan[] = [];
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    const { field, start } = c;
    const body = c.pos;
    if (field === TensorField.dims) {
      yield* readInts(c, frame, draft.dims);
      if (draft.dims.length > MAX_RANK) throw tooManyAxes(frame, draft.dims.length);
    } else if (field === TensorField.dataType) {
      c.expect(Wire.varint, frame);
      draft.dataType = c.int32(frame);
    } else if (field === TensorField.name) {
      if (c.textMissing(frame)) yield;
      draft.name = c.text(frame);
    } else if (field === TensorField.rawData) {
      c.expect(Wire.bytes, frame);
      draft.raw = { start: c.pos, end: c.end };
      c.skip(frame);
    } else if (field === TensorField.externalData) {
      yield* readEntry(c, frame, draft.external);
    } else if (field === TensorField.dataLocation) {
      c.expect(Wire.varint, frame);
      draft.isExternal = c.int32(frame) === 1;
    } else if (isDataField(field)) {
      if (c.wire !== Wire.bytes) c.expect(typedWire(field), frame);
      skipTyped(c, frame, draft, start, body);
    } else {
      c.skip(frame);
      continue;
    }
    if (
      field === TensorField.dims ||
      field === TensorField.dataType ||
      field === TensorField.name ||
      isDataField(field)
    ) {
      noteSpan(c, spans, { field, start, body, end: c.pos });
    }
  }
  const tensor: TensorInfo = {
    name: draft.name,
    dataType: draft.dataType,
    dims: draft.dims,
    storage: storageOf(draft, frame),
    field: fieldRange(frame),
    body: bodyRange(frame),
  };
  layout.tensors.set(tensor, { frame, isInitializer, spans });
  return tensor;
}

/** A repeated integer field, packed or not. */
export function* readInts(c: WireCursor, frame: Frame, into: number[]): Step<void> {
  if (c.wire !== Wire.bytes) {
    c.expect(Wire.varint, frame);
    c.charge(1);
    into.push(c.signed(frame));
    return;
  }
  const packed = c.enter(frame, `field ${c.field} of ${frame.label}`, 1);
  while (c.pos < packed.end) {
    if (c.need(HEADER)) yield;
    c.charge(1);
    into.push(c.signed(packed));
  }
}

/** A StringStringEntryProto (key 1, value 2). */
function* readEntry(c: WireCursor, parent: Frame, into: Map<string, string>): Step<void> {
  const frame = c.enter(parent, 'an external_data entry', 4);
  let key = '';
  let value = '';
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    if (c.field === 1 || c.field === 2) {
      const isKey = c.field === 1;
      if (c.textMissing(frame)) yield;
      const text = c.text(frame);
      if (isKey) key = text;
      else value = text;
    } else c.skip(frame);
  }
  into.set(key, value);
}

function skipTyped(c: WireCursor, frame: Frame, draft: Draft, start: number, body: number): void {
  const packed = c.wire === Wire.bytes && c.field !== TensorField.stringData;
  const field = c.field;
  c.skip(frame);
  let run = draft.typed.get(field);
  if (!run) {
    run = { packed: [], whole: [], allPacked: true };
    draft.typed.set(field, run);
  }
  if (packed && c.pos > body) {
    c.charge(1);
    run.packed.push({ start: body, end: c.pos });
  }
  if (!packed) run.allPacked = false;
  const last = run.whole.at(-1);
  if (last?.end === start) run.whole[run.whole.length - 1] = { start: last.start, end: c.pos };
  else {
    c.charge(1);
    run.whole.push({ start, end: c.pos });
  }
}

/** Notes a field; runs of the same field are one span, so that unpacked values cost no memory. */
function noteSpan(c: WireCursor, spans: FieldSpan[], span: FieldSpan): void {
  const last = spans.at(-1);
  if (last && last.field === span.field && last.end === span.start) {
    spans[spans.length - 1] = { ...span, start: last.start };
  } else {
    c.charge(1);
    spans.push(span);
  }
}

function storageOf(draft: Draft, frame: Frame): TensorStorage {
  const { dims, dataType } = draft;
  const negative = dims.find((d) => d < 0);
  const count = elementCount(dims);
  if (negative !== undefined || !Number.isSafeInteger(count)) {
    throw new OnnxError(
      'bad-shape',
      `The tensor "${draft.name}" at byte ${frame.start} has the shape ${formatShape(dims)}, ${negative === undefined ? 'more elements than can be counted' : 'with a negative dimension'}; the file is damaged, export it again.`,
      frame.start,
    );
  }
  const bytes = bitsPerElement(dataType) === 0 ? undefined : rawByteLength(dataType, count);
  if (draft.isExternal) return externalStorage(draft, frame, bytes);
  const typed = [...draft.typed].find(([, run]) => run.whole.length > 0);
  if (draft.raw && !(typed && draft.raw.start === draft.raw.end)) {
    checkLength(draft, frame, 'raw_data', draft.raw.end - draft.raw.start, bytes);
    return { kind: 'raw', range: draft.raw };
  }
  if (!typed) return { kind: 'empty' };
  const [field, run] = typed;
  if (run.allPacked && (field === TensorField.floatData || field === TensorField.doubleData)) {
    const stored = run.packed.reduce((sum, r) => sum + r.end - r.start, 0);
    checkLength(draft, frame, field === TensorField.floatData ? 'float_data' : 'double_data', stored, bytes);
  }
  if (run.allPacked && run.packed.length === 0) return { kind: 'empty' };
  return { kind: 'typed', field, packed: run.allPacked, ranges: run.allPacked ? run.packed : run.whole };
}

function externalStorage(draft: Draft, frame: Frame, bytes: number | undefined): TensorStorage {
  const location = draft.external.get('location') ?? '';
  if (location === '') {
    throw new OnnxError(
      'bad-data',
      `The tensor "${draft.name}" at byte ${frame.start} is stored in another file, but the model does not say which; export it again.`,
      frame.start,
    );
  }
  const offset = wholeNumber(draft, frame, 'offset') ?? 0;
  const length = wholeNumber(draft, frame, 'length');
  if (length === undefined) return { kind: 'external', location, offset };
  checkLength(draft, frame, `the external data in "${location}"`, length, bytes);
  return { kind: 'external', location, offset, length };
}

function wholeNumber(draft: Draft, frame: Frame, key: string): number | undefined {
  const text = draft.external.get(key);
  if (text === undefined || text === '') return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new OnnxError(
    'bad-data',
    `The external ${key} of the tensor "${draft.name}" at byte ${frame.start} is "${text.slice(0, 40)}", which is not a count of bytes; export the model again.`,
    frame.start,
  );
}

function checkLength(
  draft: Draft,
  frame: Frame,
  what: string,
  stored: number,
  bytes: number | undefined,
): void {
  if (bytes === undefined || stored === bytes) return;
  throw new OnnxError(
    'bad-data',
    `The tensor "${draft.name}" at byte ${frame.start} has ${stored} bytes in ${what}, but its shape ${formatShape(draft.dims)} needs ${bytes}; the file is damaged, export it again.`,
    frame.start,
  );
}

function tooManyAxes(frame: Frame, rank: number): OnnxError {
  return new OnnxError(
    'bad-shape',
    `A tensor at byte ${frame.start} has more than ${MAX_RANK} dimensions (${rank}); the file is damaged, export it again.`,
    frame.start,
  );
}
