/**
 * The values of a tensor, wherever the file keeps them: raw, typed fields, or another file.
 *
 * Why: exporters differ, and nothing after this module should know. Bytes are read when asked for and not kept.
 *
 * Known limits: string tensors and 4-bit or 8-bit floats cannot be read as numbers; values in typed fields are
 * decoded in memory (raw and external ones can stay on disk: `tensorBlob`).
 */

import { bitsPerElement, DataType, dataTypeName, rawByteLength } from '../tensor/dtype.ts';
import { fromHalf } from '../tensor/half.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import { decodeTyped } from './decode.ts';
import type { OnnxModel, TensorInfo } from './types.ts';
import { OnnxError } from './types.ts';
import { readRange } from './wire.ts';

/** Most elements that `readInts` reads where its caller sets no limit. */
export const MAX_INTS = 65_536;

/**
 * The raw little-endian bytes of a tensor, as `raw_data` has them, `rawByteLength(dataType, elements)` long.
 * @throws OnnxError `missing-external` (names the file), `bad-data`, `bad-shape`, `unreadable`.
 */
export async function tensorBytes(model: OnnxModel, tensor: TensorInfo): Promise<Uint8Array<ArrayBuffer>> {
  const { storage } = tensor;
  if (storage.kind === 'raw') return readRange(model.source, storage.range.start, storage.range.end);
  if (storage.kind === 'external') {
    const blob = await externalBlob(model, tensor, storage);
    return readRange(blob, 0, blob.size);
  }
  const expected = byteLength(tensor);
  if (storage.kind === 'empty') {
    if (expected === 0) return new Uint8Array(0);
    throw new OnnxError(
      'bad-data',
      `The tensor "${tensor.name}" has the shape ${formatShape(tensor.dims)} but no values; export the model again.`,
      tensor.field.start,
    );
  }
  const pieces = await Promise.all(
    storage.ranges.map(async ({ start, end }) => ({
      bytes: await readRange(model.source, start, end),
      offset: start,
    })),
  );
  return decodeTyped(tensor, storage, pieces);
}

/**
 * The same bytes as a Blob: a slice of the file where they are raw or external, so that nothing is copied.
 * @throws OnnxError as `tensorBytes`, but a file that cannot be read shows only when the Blob is read.
 */
export async function tensorBlob(model: OnnxModel, tensor: TensorInfo): Promise<Blob> {
  const { storage } = tensor;
  if (storage.kind === 'raw') return model.source.slice(storage.range.start, storage.range.end);
  if (storage.kind === 'external') return externalBlob(model, tensor, storage);
  return new Blob([await tensorBytes(model, tensor)]);
}

/**
 * A float, double, float16 or bfloat16 tensor as f32, row-major.
 * @throws OnnxError `bad-data` for other types, and as `tensorBytes`.
 */
export async function readFloats(model: OnnxModel, tensor: TensorInfo): Promise<Float32Array<ArrayBuffer>> {
  const convert = FLOATS.get(tensor.dataType);
  if (!convert) throw wrongType(tensor, 'floating-point numbers');
  return convert(await tensorBytes(model, tensor));
}

/**
 * An integer or boolean tensor as numbers; 64-bit values beyond 2^53 lose precision (ONNX uses the largest int64
 * for "to the end").
 * @param limit most elements to read.
 * @throws OnnxError `too-large` over the limit, `bad-data` for other types, and as `tensorBytes`.
 */
export async function readInts(model: OnnxModel, tensor: TensorInfo, limit = MAX_INTS): Promise<number[]> {
  const read = INTS.get(tensor.dataType);
  if (!read) throw wrongType(tensor, 'whole numbers');
  const count = elementCount(tensor.dims);
  if (count > limit) {
    throw new OnnxError(
      'too-large',
      `The tensor "${tensor.name}" has ${count} elements where at most ${limit} were expected; export the model again.`,
      tensor.field.start,
    );
  }
  const bytes = await tensorBytes(model, tensor);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bitsPerElement(tensor.dataType) / 8;
  return Array.from({ length: count }, (_, i) => read(view, i * size));
}

const FLOATS: ReadonlyMap<number, (bytes: Uint8Array<ArrayBuffer>) => Float32Array<ArrayBuffer>> = new Map([
  [DataType.float, (bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)],
  [
    DataType.double,
    (bytes) => Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)),
  ],
  [DataType.float16, (bytes) => Float32Array.from(halves(bytes), fromHalf)],
  [
    DataType.bfloat16,
    (bytes) => {
      const words = Uint32Array.from(halves(bytes), (h) => h << 16);
      return new Float32Array(words.buffer);
    },
  ],
]);

const INTS: ReadonlyMap<number, (view: DataView, at: number) => number> = new Map<
  number,
  (view: DataView, at: number) => number
>([
  [DataType.bool, (v, at) => v.getUint8(at)],
  [DataType.uint8, (v, at) => v.getUint8(at)],
  [DataType.int8, (v, at) => v.getInt8(at)],
  [DataType.uint16, (v, at) => v.getUint16(at, true)],
  [DataType.int16, (v, at) => v.getInt16(at, true)],
  [DataType.int32, (v, at) => v.getInt32(at, true)],
  [DataType.uint32, (v, at) => v.getUint32(at, true)],
  [DataType.int64, (v, at) => Number(v.getBigInt64(at, true))],
  [DataType.uint64, (v, at) => Number(v.getBigUint64(at, true))],
]);

function halves(bytes: Uint8Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}

async function externalBlob(
  model: OnnxModel,
  tensor: TensorInfo,
  storage: { readonly location: string; readonly offset: number; readonly length?: number },
): Promise<Blob> {
  const { location, offset } = storage;
  const file = await model.externals?.(location);
  if (!file) {
    throw new OnnxError(
      'missing-external',
      `The weights of "${tensor.name}" are in the file "${location}", which was not opened; open it together with the model.`,
    );
  }
  const end = offset + (storage.length ?? byteLength(tensor));
  if (end > file.size) {
    throw new OnnxError(
      'bad-data',
      `The tensor "${tensor.name}" needs bytes ${offset} to ${end} of "${location}", which has only ${file.size}; download or export that file again.`,
    );
  }
  return file.slice(offset, end);
}

/** Bytes of the tensor as raw data. */
function byteLength(tensor: TensorInfo): number {
  if (bitsPerElement(tensor.dataType) === 0 && elementCount(tensor.dims) > 0) {
    throw wrongType(tensor, 'elements of a fixed size');
  }
  return rawByteLength(tensor.dataType, elementCount(tensor.dims));
}

function wrongType(tensor: TensorInfo, wanted: string): OnnxError {
  const name = dataTypeName(tensor.dataType) ?? `type ${tensor.dataType}`;
  return new OnnxError(
    'bad-data',
    `The tensor "${tensor.name}" is of ${name}, where ${wanted} were expected; Layerfold cannot read its values.`,
    tensor.field.start,
  );
}
