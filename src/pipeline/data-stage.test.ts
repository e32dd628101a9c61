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

describe('text', () => {
  const tokenizer = (mask = false) =>
    named(
      'tokenizer.json',
      JSON.stringify({
        added_tokens: mask ? [{ id: 2, content: '[MASK]', special: true }] : [],
        normalizer: null,
        pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
        post_processor: null,
        decoder: { type: 'Fuse' },
        model: { type: 'WordLevel', vocab: { a: 0, b: 1, ...(mask && { '[MASK]': 2 }) }, unk_token: 'a' },
      }),
    );
  const int = DataType.int64;
  const past = (dims: ValueInfo['dims']) => value('past_key_values.0.key', dims);
  const ids = value('input_ids', ['n', 't'], int);
  const [text, config] = [named('a.txt', 'abbaabab'.repeat(4)), named('config.json', '{"n_positions":4}')];

  test('with empty caches, whose sizes config.json may have to tell', async () => {
    const sized = model('causal-lm', [ids, past(['n', 2, 'past', 8])], ['n', 't', 2]);
    const { dataset } = await prepare(sized, [text, tokenizer(), config]);
    const { feeds } = dataset!.batch('calibrate', 0, 3);
    expect(feeds['past_key_values.0.key']).toEqual({
      type: 'float32',
      dims: [3, 2, 0, 8],
      data: new Float32Array(0),
    });
    const unsized = model('causal-lm', [ids, past(['n', 'heads', 'past', 'width'])], ['n', 't', 2]);
    const [need] = (await prepare(unsized, [text, tokenizer()])).needs;
    expect(need).toEqual({
      what: 'config',
      sentence:
        'The graph does not say how many heads, and how wide, the cache of keys and values has (past_key_values.0.key (float, n×heads×past×width)). Drop the config.json that was saved with the model.',
    });
    const told = named('config.json', '{"n_positions":4,"n_head":3,"n_embd":6}');
    const filled = await prepare(unsized, [text, tokenizer(), told]);
    expect(filled.dataset!.batch('calibrate', 0, 1).feeds['past_key_values.0.key'].dims).toEqual([
      1, 3, 0, 2,
    ]);
  });

  test('beside arrays for what is not understood', async () => {
    const odd = model('causal-lm', [ids, value('style/x', ['n', 3])], ['n', 't', 2]);
    const { dataset } = await prepare(
      odd,
      [text, tokenizer(), config],
      [named('style_x.npy', npy([1, 3], Float32Array.of(1, 2, 3)))],
    );
    const { feeds, targets } = dataset!.batch('report', 0, 2);
    expect(feeds['style/x'].data).toEqual(Float32Array.of(1, 2, 3, 1, 2, 3));
    expect(targets.kind).toBe('next-token');
    await expect(
      prepare(odd, [text, tokenizer(), config, named('style_x.npy', npy([5, 3]))]),
    ).rejects.toThrow('“style_x.npy” has 5 rows, but there are 8 items.');
  });

  test('of a model of hidden tokens, told by its tokenizer or its config', async () => {
    const plain = model('causal-lm', [ids], ['n', 't', 2]);
    const task = async (...files: NamedBlob[]) => (await prepare(plain, [text, ...files])).data!.task;
    expect(await task(tokenizer(true), config)).toBe('masked-lm');
    expect(await task(tokenizer(), config)).toBe('causal-lm');
    const masked = named('config.json', '{"max_position_embeddings":4,"architectures":["BertForMaskedLM"]}');
    expect(await task(tokenizer(), masked)).toBe('masked-lm');
    const { data } = await prepare(plain, [text, tokenizer(true), config]);
    expect(data!.metrics).toEqual(['perplexity', 'token-accuracy', 'kl', 'agreement']);
  });

  test('of RoBERTa has fewer positions than its table has rows', async () => {
    const roberta = named(
      'config.json',
      '{"model_type":"roberta","max_position_embeddings":10,"pad_token_id":1}',
    );
    const encoder = model('text-encoder', [ids], ['n', 't', 5]);
    const { data } = await prepare(encoder, [text, tokenizer(), roberta]);
    expect(data).toMatchObject({ contextLength: 8, metrics: ['cosine'] });
  });

  test('is no use to a decoder without its encoder', async () => {
    const states = value('encoder_hidden_states', ['n', 's', 8]);
    const alone = model('unknown', [ids, states], ['n', 't', 2]);
    expect((await prepare(alone, [text, tokenizer()])).needs[0].sentence).toBe(
      'This is a decoder alone, which asks for what its encoder makes: encoder_hidden_states (float, n×s×8). Drop encoder_model.onnx together with it.',
    );
  });

  test('of companions of a tokenizer is not taken for data', async () => {
    const causal = model('causal-lm', [ids], ['n', 't', 2]);
    const [need] = (
      await prepare(causal, [named('vocab.txt', 'a\nb'), named('merges.txt', 'a b'), tokenizer(), config])
    ).needs;
    expect(need.sentence).toContain('Drop text to calibrate on');
  });

  test('in a table is asked for in another form', async () => {
    const causal = model('causal-lm', [ids], ['n', 't', 2]);
    const [need] = (await prepare(causal, [named('reviews.csv', 'text,label\nx,1'), tokenizer(), config]))
      .needs;
    expect(need.sentence).toBe(
      '“reviews.csv” is a table, and this model takes running text: save its column of texts as a .txt with a text a line, or as .jsonl, and drop that.',
    );
  });

  test('that a classifier reads is scored by the chunk', async () => {
    const classifier = model('text-classification', [ids], ['n', 2]);
    const { data } = await prepare(classifier, [text, tokenizer(), config]);
    for (const split of data!.splits) {
      expect(split).toMatchObject({ unit: 'tokens', scoredUnit: 'chunks' });
      expect(split.scored).toBeLessThan(split.items);
    }
    const causal = await prepare(model('causal-lm', [ids], ['n', 't', 2]), [text, tokenizer(), config]);
    expect(causal.data!.splits[0]).not.toHaveProperty('scoredUnit');
  });
});
