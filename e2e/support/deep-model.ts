/** A model of many small layers, with data for its input: quick to open and to measure. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeBigModel } from './big-model.ts';
import { scratchFolder } from './scratch.ts';

const width = 16;
const rows = 600;

/** An array of seeded noise as .npy. */
function npy(shape: readonly number[]): Buffer {
  let state = 7;
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647 - 0.5;
  });
  const facts = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = Buffer.from(`${facts.padEnd(117)}\n`, 'latin1');
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]);
  return Buffer.concat([start, header, Buffer.from(values.buffer)]);
}

/** Writes both. @returns their paths, to be opened together */
export async function writeDeepModel(layers: number): Promise<string[]> {
  const folder = scratchFolder();
  const model = join(folder, 'deep.onnx');
  const data = join(folder, 'x.npy');
  await writeBigModel(model, { layers, dModel: width, dFf: 4 * width });
  writeFileSync(data, npy([rows, width]));
  return [model, data];
}
