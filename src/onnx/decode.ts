/**
 * Typed values of a tensor (`float_data`, `int32_data`, …) as the bytes that `raw_data` would hold.
 *
 * Why: files written by hand or by older tools keep values in typed fields; everything after the reader only knows
 * raw little-endian bytes. What goes in which field: onnx.proto3, TensorProto.
 */

import { bitsPerElement, DataType, rawByteLength } from '../tensor/dtype.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import { TensorField } from './parse-tensor.ts';
import type { TensorInfo } from './types.ts';
import { OnnxError } from './types.ts';
import type { Frame } from './wire.ts';
import { Wire, WireCursor } from './wire.ts';

const INT32_TYPES: ReadonlySet<number> = new Set([
  DataType.uint8,
  DataType.int8,
  DataType.uint16,
  DataType.int16,
  DataType.int32,
  DataType.bool,
  DataType.float16,
  DataType.bfloat16,
  DataType.float8e4m3fn,
  DataType.float8e4m3fnuz,
  DataType.float8e5m2,
  DataType.float8e5m2fnuz,
  DataType.uint4,
  DataType.int4,
  DataType.float4e2m1,
]);

/** Bytes of one stored value as it stands in raw data, or 0 where the field cannot hold the type. */
function valueBytes(field: number, dataType: number): number {
  const size = Math.max(1, bitsPerElement(dataType) / 8);
  switch (field) {
    case TensorField.floatData:
      return dataType === DataType.float || dataType === DataType.complex64 ? 4 : 0;
    case TensorField.doubleData:
      return dataType === DataType.double || dataType === DataType.complex128 ? 8 : 0;
    case TensorField.int64Data:
      return dataType === DataType.int64 ? 8 : 0;
    case TensorField.uint64Data:
      return dataType === DataType.uint64 || dataType === DataType.uint32 ? size : 0;
    case TensorField.int32Data:
      return INT32_TYPES.has(dataType) ? size : 0;
    default:
      return 0;
  }
}

/**
 * Decodes the typed ranges of a tensor.
 * @param pieces the bytes of `storage.ranges`, each with its offset in the file.
 * @returns raw little-endian bytes, `rawByteLength(dataType, elements)` long.
 * @throws OnnxError `bad-data` where the field cannot hold the type or the number of values does not fit the shape.
 */
export function decodeTyped(
  tensor: TensorInfo,
  storage: { readonly field: number; readonly packed: boolean },
  pieces: readonly { readonly bytes: Uint8Array<ArrayBuffer>; readonly offset: number }[],
): Uint8Array<ArrayBuffer> {
  const width = valueBytes(storage.field, tensor.dataType);
  if (width === 0) {
    throw new OnnxError(
      'bad-data',
      `The tensor "${tensor.name}" of data type ${tensor.dataType} keeps its values in field ${storage.field}, which cannot hold them; export the model again.`,
      tensor.field.start,
    );
  }
  const length = rawByteLength(tensor.dataType, elementCount(tensor.dims));
  const stored = pieces.reduce((sum, p) => sum + p.bytes.length, 0);
  // A value takes at least one byte, so a shape that lies cannot make this allocate more than 8 times the file.
  if (length / width > stored) throw wrongCount(tensor, length / width);
  const sink = new Sink(tensor, new Uint8Array(length), width);
  for (const { bytes, offset } of pieces) {
    const c = WireCursor.over(bytes, offset);
    const frame: Frame = {
      label: `the tensor "${tensor.name}"`,
      parent: null,
      start: offset,
      lengthAt: offset,
      body: offset,
      end: offset + bytes.length,
    };
    while (c.pos < frame.end) {
      if (storage.packed) sink.run(c, frame, storage.field);
      else sink.field(c, frame, storage.field);
    }
  }
  return sink.finish();
}

class Sink {
  private at = 0;
  private readonly words = new Uint32Array(2);
  private readonly wordBytes = new Uint8Array(this.words.buffer);

  constructor(
    private readonly tensor: TensorInfo,
    private readonly out: Uint8Array<ArrayBuffer>,
    private readonly width: number,
  ) {}

  /** One field, tag included: a single value or a packed run. */
  field(c: WireCursor, frame: Frame, field: number): void {
    c.header(frame);
    if (c.wire === Wire.bytes) this.run(c, { ...frame, end: c.end }, field);
    else this.value(c, frame, field);
  }

  /** Values up to the end of the frame, without tags. */
  run(c: WireCursor, frame: Frame, field: number): void {
    if (field === TensorField.floatData || field === TensorField.doubleData) {
      const count = frame.end - c.pos;
      if (count > this.out.length - this.at) throw this.wrong();
      c.copyInto(this.out, this.at, count, frame);
      this.at += count;
      return;
    }
    while (c.pos < frame.end) this.value(c, frame, field);
  }

  finish(): Uint8Array<ArrayBuffer> {
    if (this.at !== this.out.length) throw this.wrong();
    return this.out;
  }

  private value(c: WireCursor, frame: Frame, field: number): void {
    if (this.at + this.width > this.out.length) throw this.wrong();
    if (field === TensorField.floatData || field === TensorField.doubleData) {
      c.copyInto(this.out, this.at, this.width, frame);
    } else {
      c.words(frame, this.words, 0);
      for (let i = 0; i < this.width; i++) this.out[this.at + i] = this.wordBytes[i];
    }
    this.at += this.width;
  }

  private wrong(): OnnxError {
    return wrongCount(this.tensor, this.out.length / this.width);
  }
}

function wrongCount(tensor: TensorInfo, expected: number): OnnxError {
  return new OnnxError(
    'bad-data',
    `The tensor "${tensor.name}" does not have the ${expected} values that its shape ${formatShape(tensor.dims)} needs; the file is damaged, export it again.`,
    tensor.field.start,
  );
}
