/** Reads the .npy files of the fixtures; apart from src/data, so that the page's reader is not its own judge. */
import { readFileSync } from 'node:fs';

export interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

const readers: Record<string, { size: number; read: (view: DataView, at: number) => number }> = {
  '<f8': { size: 8, read: (view, at) => view.getFloat64(at, true) },
  '<f4': { size: 4, read: (view, at) => view.getFloat32(at, true) },
  '|u1': { size: 1, read: (view, at) => view.getUint8(at) },
  '<i8': { size: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
};

export function readNpy(path: string): NpyArray {
  const bytes = readFileSync(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6];
  const start = major === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
  const header = bytes.toString('latin1', 10, start);
  const reader = readers[/'descr':\s*'([^']+)'/.exec(header)?.[1] ?? ''];
  const shapeText = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (!reader || shapeText === undefined || header.includes("'fortran_order': True")) {
    throw new Error(`${path} is not an .npy file that the tests know: ${header.trim()}`);
  }
  const shape = shapeText
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const length = shape.reduce((product, side) => product * side, 1);
  const values = Float64Array.from({ length }, (_, index) => reader.read(view, start + index * reader.size));
  return { shape, values };
}

export function readMatrix(path: string): number[][] {
  const { shape, values } = readNpy(path);
  const [rows, columns] = shape;
  return Array.from({ length: rows }, (_, row) => [...values.subarray(row * columns, (row + 1) * columns)]);
}
