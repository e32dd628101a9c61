/** From dropped files to a dataset or to sentences, over a made-up open model: no graph is run. */

import { encode } from 'fast-png';
import { zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import type { NamedBlob } from '../data/files.ts';
import { sortFiles } from '../data/files.ts';
import type { ValueInfo } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import { addFiles, NO_FILES, prepareData } from './data-stage.ts';
import type { OpenedModel } from './opened.ts';

const named = (name: string, bytes: BlobPart, path?: string): NamedBlob =>
  Object.assign(new Blob([bytes]), { name, ...(path && { path }) });
const npy = (shape: number[], data = new Float32Array(shape.reduce((n, d) => n * d, 1))) => {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(118);
  const start = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0];
  return Uint8Array.from([...start, ...Buffer.from(header), ...new Uint8Array(data.buffer)]);
};
const png = (level: number) =>
  encode({ width: 2, height: 2, channels: 1, data: new Uint8Array(4).fill(level) });

const value = (name: string, dims: ValueInfo['dims'], elemType: number = DataType.float): ValueInfo => ({
  name,
  elemType,
  ...(dims && { dims }),
  field: { start: 0, end: 0 },
});
/** What data-stage.ts looks at. */
const model = (task: OpenedModel['task'], inputs: ValueInfo[], output: ValueInfo['dims']) =>
  ({
    task,
    inputs,
    scoreOutput: value('logits', output),
    summary: { inputs: inputs.map((i) => ({ name: i.name, dtype: 'float', shape: `${i.dims?.join('×')}` })) },
  }) as unknown as OpenedModel;
const classifier = model('image-classification', [value('x', ['n', 1, 2, 2])], ['n', 2]);
const unknown = model('unknown', [value('a/b', ['n', 3]), value('c', ['n'])], ['n', 4]);
const cached = model('causal-lm', [value('input_ids', ['n', 't']), value('past.0', ['n', 2])], ['n', 't', 9]);

const prepare = (opened: OpenedModel, ...drops: NamedBlob[][]) =>
  prepareData(
    opened,
    drops.reduce((have, drop) => addFiles(have, sortFiles(drop)), NO_FILES),
  );

describe('images', () => {
  const pictures = Object.fromEntries(
    [0, 1, 2, 3, 4, 5].map((k) => [`${k % 2 ? 'b' : 'a'}/${k}.png`, png(k)]),
  );

  test('come from a zip, with labels by folders and what is not used', async () => {
    const zip = named('set.zip', zipSync({ ...pictures, 'note.pdf': new Uint8Array(1) }) as BlobPart);
    const { data, needs, dataset } = await prepare(classifier, [zip]);
    expect(needs).toEqual([]);
    expect(data).toMatchObject({ kind: 'images', metric: 'accuracy' });
    expect(data!.splits.map((s) => s.items)).toEqual([3, 2, 1]);
    expect(data!.notes).toContain('Not used: set.zip/note.pdf.');
    expect(dataset!.batch('calibrate', 0, 9).targets).toEqual({
      kind: 'class',
      labels: Int32Array.of(0, 1, 0),
    });
  });

  test('come from a folder; a table dropped later labels them; an archive replaces them', async () => {
    const folder = [0, 1, 2].map((k) => named(`${k}.png`, png(k) as BlobPart, `all/${k}.png`));
    const table = named('labels.csv', '0.png,1\n1.png,0\n2.png,1');
    expect((await prepare(classifier, folder)).data!.metrics).toEqual(['kl', 'agreement']);
    const labelled = await prepare(classifier, folder, [table]);
    expect(labelled.data!.metric).toBe('accuracy');
    expect(labelled.dataset!.picture!('calibrate', 0).label).toBe(0);
    const zip = named('set.zip', zipSync(pictures) as BlobPart);
    const replaced = await prepare(classifier, folder, [table], [zip]);
    expect(replaced.dataset!.key).toBe((await prepare(classifier, [zip])).dataset!.key);
  });

  test('come from an .npz, as from the .npy in it', async () => {
    const [images, labels] = [npy([4, 1, 2, 2]), npy([4], Float32Array.of(0, 1, 0, 1))];
    const npz = named('d.npz', zipSync({ 'images.npy': images, 'labels.npy': labels }) as BlobPart);
    const both = [named('images.npy', images), named('labels.npy', labels)];
    const [a, b] = await Promise.all([prepare(classifier, [npz]), prepare(classifier, both)]);
    expect(a.dataset!.key).toBe(b.dataset!.key);
    expect(a.data!.metric).toBe('accuracy');
  });

  test('are asked for', async () => {
    expect((await prepare(classifier)).needs).toEqual([
      {
        what: 'data',
        sentence:
          'Drop images: picture files, a folder or .zip of them (one folder a class, or a .csv of labels), or .npy files, with labels where you have them, e.g. calibrate-images.npy and calibrate-labels.npy.',
      },
    ]);
  });

  test('in a broken archive are refused', async () => {
    const zip = named('set.zip', zipSync(pictures).slice(0, 300) as BlobPart);
    await expect(prepare(classifier, [zip])).rejects.toThrow('“set.zip” is cut short or is no zip archive');
  });
});

describe('tensors', () => {
  test('feed a model whose inputs are not understood', async () => {
    const files = [named('a_b.npy', npy([4, 3])), named('c.npy', npy([4]))];
    const { data, dataset } = await prepare(unknown, files);
    expect(data).toMatchObject({ kind: 'tensors', metric: 'kl', metrics: ['kl', 'agreement'] });
    expect(data!.splits[0]).toEqual({ name: 'calibrate', unit: 'samples', items: 2, scored: 2 });
    expect(Object.keys(dataset!.batch('report', 0, 1).feeds)).toEqual(['a/b', 'c']);
    const npz = named('all.npz', zipSync({ 'a_b.npy': npy([4, 3]), 'c.npy': npy([4]) }) as BlobPart);
    expect((await prepare(unknown, [npz])).dataset!.key).toBe(dataset!.key);
  });

  test('are asked for by name, and missing ones named', async () => {
    expect((await prepare(unknown)).needs).toEqual([
      {
        what: 'data',
        sentence:
          "This model's inputs are not understood: a/b (float, n×3), c (float, n). To measure it, give them as arrays by name (a_b.npy, c.npy), or in one .npz; its FFNs can be looked at without.",
      },
    ]);
    await expect(prepare(unknown, [named('c.npy', npy([4]))])).rejects.toThrow(
      '“c.npy” is there, but “a_b.npy” is not. Drop the arrays of all inputs together.',
    );
  });

  test('can feed a language model that asks for more than text', async () => {
    const [need] = (await prepare(cached, [named('a.txt', 'hi')])).needs;
    expect(need.sentence).toBe(
      'Besides text, this model asks for 1 input that is not understood: past.0 (float, n×2). Give it as an array by its name (past.0.npy), with one row for all items or one an item.',
    );
    const files = [named('input_ids.npy', npy([4, 3])), named('past.0.npy', npy([4, 2]))];
    const { dataset } = await prepare(cached, files);
    expect(dataset!.batch('calibrate', 0, 2).targets).toEqual({ kind: 'none', items: 6 });
  });
});
