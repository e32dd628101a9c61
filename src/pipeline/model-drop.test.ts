/** Drops as hubs give them: zips of a model's folder, as this page saves too, and files that are about files. */
import { readFileSync } from 'node:fs';
import { zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { zipBlob } from '../checkpoint/zip.ts';
import { kindOf, type NamedBlob, sortFiles } from '../data/files.ts';
import { dropNotes, modelDrop } from './model-drop.ts';
import { openModels } from './opened.ts';

const model = new Uint8Array(readFileSync('src/testing/models/vit-dynamo.onnx'));
const words = (text: string) => new TextEncoder().encode(text);
const file = (path: string, bytes: BlobPart = ''): NamedBlob =>
  Object.assign(new Blob([bytes]), { name: path.split('/').at(-1)!, path });

async function opened(...dropped: NamedBlob[]) {
  const { all, sorted, variants } = await modelDrop(dropped);
  const found = await openModels(variants.models, all);
  return { sorted, found, notes: dropNotes(found, sorted, variants) };
}

test.each([0, 6] as const)(
  'a zip of a folder, packed at level %i, opens as the folder does',
  async (level) => {
    const entries = {
      'a/onnx/model.onnx': model,
      'a/config.json': words('{}'),
      'a/README.md': words('# Card'),
    };
    const { sorted, found, notes } = await opened(file('hub.zip', zipSync(entries, { level }) as BlobPart));
    expect(found.summary.groups.map((g) => g.layers)).toEqual([3]);
    expect(found.summary.bytes).toBe(model.length);
    expect(sorted.config?.path).toBe('a/config.json');
    expect(sorted.texts).toEqual([]);
    expect(notes).toEqual([]);
  },
);

test('the zip that the page saves opens again', async () => {
  const files = ['model.onnx', 'RUNNING.md'].map((name) => ({ name, blob: new Blob([model]) }));
  const { sorted, found } = await opened(file('model-merged.zip', await zipBlob(files)));
  expect(found.summary.groups).toHaveLength(1);
  expect(sorted.texts).toEqual([]);
});

test('beside a model an archive is data; alone without a model it is refused', async () => {
  const pictures = file('set.zip', zipSync({ 'cat/1.png': words('x') }) as BlobPart);
  expect((await opened(file('model.onnx', model), pictures)).sorted.archives).toEqual([pictures]);
  await expect(modelDrop([pictures])).rejects.toThrow(
    'There is no .onnx file in “set.zip”. Drop the model’s .onnx file or its folder first; data goes under “Calibrate” afterwards.',
  );
});

test('of a whole folder the left precisions take their weights with them', async () => {
  const { found, notes } = await opened(
    ...['onnx/model_fp16.onnx', 'onnx/model.onnx'].map((path) => file(path, model)),
    ...['onnx/model_fp16.onnx_data', '.gitattributes', '.git/config', 'pytorch_model.bin', 'LICENSE'].map(
      (p) => file(p),
    ),
  );
  expect(found.fileName).toBe('model.onnx');
  expect(notes).toEqual([expect.stringContaining('“model_fp16.onnx” is'), 'Not used: pytorch_model.bin.']);
});

test('a folder without a model is told by its weights, not by what happens to be first', async () => {
  await expect(modelDrop([file('config.json'), file('model.safetensors')])).rejects.toThrow(
    '“model.safetensors” holds weights but no graph',
  );
  await expect(modelDrop([file('config.json'), file('tokenizer.json')])).rejects.toThrow(
    'None of the 2 files that were dropped is an ONNX model',
  );
});

test('model cards are no calibration text; other Markdown is', () => {
  expect(['README.md', 'LICENSE.txt', 'RUNNING.md'].map(kindOf)).toEqual(['litter', 'litter', 'litter']);
  expect(sortFiles([file('book.md'), file('README.md')]).texts.map((f) => f.name)).toEqual(['book.md']);
});
