/** Models that share a data file, or whose data files have one name, are saved as files that each still read. */
import { describe, expect, test } from 'vitest';
import type { NamedBlob } from '../data/files.ts';
import type { Part } from '../flatten/types.ts';
import { openOnnx } from '../onnx/reader.ts';
import { readFloats } from '../onnx/tensors.ts';
import type { ModelEdits } from '../onnx/types.ts';
import { buildModel, external, input, node, output } from '../testing/onnx-builder.ts';
import { toFloat16 } from './float16.ts';
import type { ModelFile } from './model-files.ts';
import { savedFiles, savedSize } from './saved.ts';

const SIZE = 4;

function data(name: string, values: readonly number[]): NamedBlob {
  return new File([Float32Array.from(values.flatMap((v) => Array<number>(SIZE).fill(v)))], name);
}

/** A model of one Add per offset into its data file. */
async function file(fileName: string, location: string, offsets: readonly number[], blob: NamedBlob) {
  const names = offsets.map((_, i) => `w${i}`);
  const bytes = buildModel({
    inputs: [input('x', 'float', [SIZE])],
    outputs: [output(`y${offsets.length - 1}`, 'float', [SIZE])],
    nodes: names.map((w, i) => node('Add', [i === 0 ? 'x' : `y${i - 1}`, w], [`y${i}`])),
    initializers: names.map((w, i) =>
      external(w, 'float', [SIZE], { location, offset: offsets[i] * 4 * SIZE, length: 4 * SIZE }),
    ),
  });
  const externals = new Map([[location, blob]]);
  const model = await openOnnx(new Blob([bytes]), (l) => externals.get(l));
  return { role: 'model', fileName, model, externals } as ModelFile;
}

/** Replaces the first tensor of a file. */
function edited({ model }: ModelFile, value: number): ModelEdits {
  const [tensor] = model.graph.initializers;
  const { name, dataType, dims } = tensor;
  const bytes = new Uint8Array(new Float32Array(SIZE).fill(value).buffer);
  return { tensors: new Map([[tensor, { name, dataType, dims, data: bytes }]]) };
}

/** First values of all tensors, by model file, read from what is saved alone. */
async function readBack(files: readonly ModelFile[], edits: ReadonlyMap<Part, ModelEdits>) {
  const opened = { files };
  const saved = savedFiles(opened, edits);
  expect(new Set(saved.map((f) => f.name)).size).toBe(saved.length);
  expect(savedSize(opened, edits)).toBe(saved.reduce((sum, f) => sum + f.toBlob().size, 0));
  const blobs = new Map(saved.map((f) => [f.name, f.toBlob()]));
  const values: Record<string, number[]> = {};
  for (const { fileName } of files) {
    const model = await openOnnx(blobs.get(fileName)!, (l) => blobs.get(l));
    values[fileName] = [];
    for (const tensor of model.graph.initializers)
      values[fileName].push((await readFloats(model, tensor))[0]);
  }
  return { values, names: saved.map((f) => f.name) };
}

describe('one data file of two models', () => {
  const both = async () => {
    const shared = data('model.onnx_data', [1, 2, 3]);
    return [
      await file('encoder.onnx', 'model.onnx_data', [0, 1], shared),
      await file('decoder.onnx', 'model.onnx_data', [1, 2], shared),
    ];
  };

  test('is saved once as it was', async () => {
    const { values, names } = await readBack(await both(), new Map());
    expect(values).toEqual({ 'encoder.onnx': [1, 2], 'decoder.onnx': [2, 3] });
    expect(names).toHaveLength(3);
  });

  test('stays for the model that is not edited', async () => {
    const [encoder, decoder] = await both();
    for (const one of [encoder, decoder]) {
      const { values, names } = await readBack([encoder, decoder], new Map([[one, edited(one, 9)]]));
      expect(values).toEqual(
        one === encoder
          ? { 'encoder.onnx': [9, 2], 'decoder.onnx': [2, 3] }
          : { 'encoder.onnx': [1, 2], 'decoder.onnx': [9, 3] },
      );
      expect(names).toContain('model.onnx_data');
    }
  });

  test('becomes two where both are edited', async () => {
    const [encoder, decoder] = await both();
    const edits = new Map([
      [encoder, edited(encoder, 8)],
      [decoder, edited(decoder, 9)],
    ]);
    const { values } = await readBack([encoder, decoder], edits);
    expect(values).toEqual({ 'encoder.onnx': [8, 2], 'decoder.onnx': [9, 3] });
  });
});

test('two data files of one name, from two folders, are told apart', async () => {
  const files = [
    await file('encoder.onnx', 'weights.bin', [0], data('weights.bin', [1])),
    await file('decoder.onnx', 'weights.bin', [0, 1], data('weights.bin', [5, 6])),
  ];
  const { values } = await readBack(files, new Map());
  expect(values).toEqual({ 'encoder.onnx': [1], 'decoder.onnx': [5, 6] });
});

test('a location that an archive refuses becomes a plain one', async () => {
  const files = [await file('model.onnx', './weights.bin', [0, 1], data('weights.bin', [1, 2]))];
  const { values, names } = await readBack(files, new Map());
  expect(values).toEqual({ 'model.onnx': [1, 2] });
  expect(names).toEqual(['model.onnx', 'weights.bin']);
});

test('half precision of models that share a data file', async () => {
  const shared = data(
    'model.onnx_data',
    Array.from({ length: 300 }, (_, i) => i),
  );
  const files = [
    await file('encoder.onnx', 'model.onnx_data', [0, 1], shared),
    await file('decoder.onnx', 'model.onnx_data', [1, 2], shared),
  ];
  const { files: halves } = await toFloat16(savedFiles({ files }));
  expect(new Set(halves.map((f) => f.name)).size).toBe(halves.length);
  const blobs = new Map(halves.map((f) => [f.name, f.toBlob()]));
  const read = async (name: string) => {
    const model = await openOnnx(blobs.get(name)!, (l) => blobs.get(l));
    const values = await Promise.all(model.graph.initializers.map((t) => readFloats(model, t)));
    return values.map((v) => v[0]);
  };
  expect(await read('encoder.onnx')).toEqual([0, 1]);
  expect(await read('decoder.onnx')).toEqual([1, 2]);
});
