/**
 * Reads NumPy's .npy files (format 1 to 3), for images, labels and tensors by input name.
 *
 * Half precision (`<f2`) is widened to f32. Source: the NumPy enhancement proposal for the format (NEP 1). Known limits: little-endian, C order; no objects,
 * no structured types, no complex numbers.
 */

import { fromHalf } from '../tensor/half.ts';
import { elementCount } from '../tensor/shape.ts';
import { DataError } from './errors.ts';

export interface NpyArray {
  /** As the file says it, e.g. `<f4`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data:
    | Uint8Array
    | Int8Array
    | Uint16Array
    | Int16Array
    | Int32Array
    | Uint32Array
    | Float32Array
    | Float64Array
    | BigInt64Array
    | BigUint64Array;
}

const TYPES = {
  '|u1': Uint8Array,
  '|b1': Uint8Array,
  '|i1': Int8Array,
  '<u2': Uint16Array,
  '<i2': Int16Array,
  '<i4': Int32Array,
  '<u4': Uint32Array,
  '<f4': Float32Array,
  '<f8': Float64Array,
  '<i8': BigInt64Array,
  '<u8': BigUint64Array,
  '<f2': Uint16Array,
} as const;

/**
 * @param name for the sentence of an error
 * @throws DataError where the bytes are no .npy array that can be read
 */
export function parseNpy(bytes: Uint8Array, name: string): NpyArray {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (bytes.length < 10 || magic.some((b, i) => bytes[i] !== b)) {
    throw new DataError(
      `“${name}” is not a NumPy array: it does not begin as .npy files do. Save it with numpy.save.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6] >= 2;
  const headerLength = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (long ? 12 : 10) + headerLength;
  if (start > bytes.length)
    throw new DataError(`“${name}” is cut short: its header says ${headerLength} bytes. Save it again.`);
  const header = new TextDecoder('latin1').decode(bytes.subarray(long ? 12 : 10, start));
  const dtype = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? 'unknown';
  const shapeText = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (shapeText === undefined)
    throw new DataError(`“${name}” has a header without a shape. Save it again with numpy.save.`);
  if (/'fortran_order':\s*True/.test(header)) {
    throw new DataError(`“${name}” is stored in Fortran order. Save numpy.ascontiguousarray(array) instead.`);
  }
  const Type = TYPES[dtype as keyof typeof TYPES];
  if (!Type) {
    throw new DataError(
      `“${name}” holds elements of type ${dtype}, which cannot be read. Use ${Object.keys(TYPES).join(', ')}.`,
    );
  }
  const shape = shapeText
    .split(',')
    .map((s) => s.trim())
    .filter((s) => s !== '')
    .map(Number);
  const count = elementCount(shape);
  const need = count * Type.BYTES_PER_ELEMENT;
  if (bytes.length - start < need) {
    throw new DataError(
      `“${name}” is cut short: shape (${shape.join(', ')}) of ${dtype} needs ${need} bytes, ${bytes.length - start} are there.`,
    );
  }
  const from = bytes.byteOffset + start;
  const data = new Type(bytes.buffer.slice(from, from + need) as ArrayBuffer);
  return { dtype, shape, data: dtype === '<f2' ? Float32Array.from(data as Uint16Array, fromHalf) : data };
}

/** Values as plain numbers in f32; labels and pixels fit exactly. */
export function toNumbers(array: NpyArray): Float32Array {
  return Float32Array.from(array.data as ArrayLike<number | bigint>, Number);
}
