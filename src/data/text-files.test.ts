/** Text files of all kinds, long texts in pieces, and the roles of dropped files. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type NamedBlob, pathOf, sortFiles, splitOfFolder } from './files.ts';
import { cutPieces } from './pieces.ts';
import { createTextDataset } from './text.ts';
import { readText } from './text-files.ts';
import { loadTokenizer } from './tokenizer.ts';

const named = (name: string, ...parts: BlobPart[]): NamedBlob => Object.assign(new Blob(parts), { name });

describe('text files', () => {
  test('are taken as they are, but for a byte order mark', async () => {
    expect(await readText(named('a.txt', '\uFEFFone\r\ntwo\n\nthree\r'))).toEqual({
      text: 'one\r\ntwo\n\nthree\r',
      notes: [],
    });
  });

  test('of other encodings are read', async () => {
    const utf16 = Uint16Array.from('\uFEFFgrün', (c) => c.charCodeAt(0));
    expect((await readText(named('a.txt', utf16))).text).toBe('grün');
    const swapped = utf16.map((v) => ((v & 255) << 8) | (v >> 8));
    expect((await readText(named('a.txt', swapped))).text).toBe('grün');
    expect(await readText(named('a.txt', Uint8Array.of(0x67, 0x72, 0xfc, 0x6e)))).toEqual({
      text: 'grün',
      notes: ['“a.txt” is not UTF-8; it was read as Windows-1252.'],
    });
    await expect(readText(named('a.txt', Uint8Array.of(1, 0, 2)))).rejects.toThrow(
      '“a.txt” is not text: it has zero bytes. Drop plain text in UTF-8.',
    );
  });
});

describe('JSON lines', () => {
  test.each([
    ['{"id":"x","text":"one"}\r\n\n{"text":"two\\n"}\n', 'text', '2 records', 'one\n\ntwo\n'],
    ['{"n":1,"body":"one","title":"t"}\n{"body":"two"}', 'body', '2 records', 'one\n\ntwo'],
    ['"one"', 'text', 'the one record', 'one'],
  ])('%j give their field', async (rows, field, count, text) => {
    expect(await readText(named('a.jsonl', rows))).toEqual({
      text,
      notes: [`Of “a.jsonl” the field “${field}” is read: ${count}, joined by blank lines into one text.`],
    });
  });

  test.each([
    ['{"text":"a"}\n{"text":', 'Line 2 of “a.jsonl” is not valid JSON. Give one JSON object a line.'],
    ['[1]', 'Line 1 of “a.jsonl” is not a JSON object. Give one JSON object a line.'],
    ['{"n":1}', 'Line 1 of “a.jsonl” has no field that is a string. Give each record a field “text”.'],
    [
      '{"text":"a"}\n\n{"body":"b"}',
      'Line 3 of “a.jsonl” has no text in its field “text”. Leave the line out, or add it.',
    ],
    ['\n', '“a.jsonl” has no record. Give one JSON object a line.'],
  ])('%j are refused', async (rows, sentence) => {
    await expect(readText(named('a.jsonl', rows))).rejects.toThrow(sentence);
  });
});

describe('pieces', () => {
  const lines = fc.array(fc.constantFrom('ab', ' c', 'd. ', '\n', '\n', '\r\n', '\n\n', ' ', '‘é’'), {
    maxLength: 60,
  });

  test('joined are the text', () => {
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 20 }), (parts, length) => {
        const text = parts.join('');
        const pieces = cutPieces(text, length);
        expect(pieces.join('')).toBe(text);
        for (const piece of pieces.slice(0, -1)) expect(piece.length).toBeGreaterThanOrEqual(length);
      }),
    );
    expect(cutPieces('aaa bbb ccc', 2)).toEqual(['aaa', ' bbb ccc']);
    expect(cutPieces('aaa bbb ccc', 4)).toEqual(['aaa bbb ccc']);
    expect(cutPieces('aaa\n\nbbb\nccc', 5)).toEqual(['aaa\n\nbbb', '\nccc']);
    expect(cutPieces('aaa.\n\nbbb.\nccc', 5)).toEqual(['aaa.\n\nbbb.\n', 'ccc']);
    expect(cutPieces('a'.repeat(50), 4)).toEqual(['a'.repeat(50)]);
  });

  /** GPT-2's way of cutting and spelling, with a few merges, two of them over line ends. */
  const byteLevel = () => {
    const spell = (c: string) => ({ ' ': 'Ġ', '\n': 'Ċ', '\r': 'č' })[c] ?? c;
    const characters = Array.from({ length: 94 }, (_, k) => String.fromCharCode(33 + k));
    const merges = [
      ['Ċ', 'Ċ'],
      ['Ġ', 'Ċ'],
      ['t', 'h'],
      ['Ġ', 't'],
      ['.', 'Ċ'],
      ['th', 'e'],
      ['Ġ', 'Ġ'],
      ['č', 'Ċ'],
    ];
    const tokens = [...characters, ...[' ', '\n', '\r'].map(spell), ...merges.map((m) => m.join(''))];
    return named(
      'tokenizer.json',
      JSON.stringify({
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
        post_processor: null,
        decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
        model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((t, k) => [t, k])), merges },
      }),
    );
  };

  test('are encoded as the whole text is', async () => {
    const codec = await loadTokenizer(byteLevel(), undefined);
    const sample = await readFile('public/samples/shakespeare-gpt2/report.txt', 'utf8');
    for (const text of [sample, sample.replaceAll('\n', '\r\n')]) {
      const whole = codec.encode(text, 'The text');
      expect(whole.length).toBeLessThan(text.length * 0.99);
      for (const length of [400, 500, 900]) {
        expect(cutPieces(text, length).length).toBeGreaterThan(3);
        expect(await codec.encodeLong(text, 'The text', length)).toEqual(whole);
      }
    }
  });

  test('tell where in the whole text a token is unknown', async () => {
    const codec = await loadTokenizer(byteLevel(), 100);
    const text = `${'ab\n'.repeat(10)}a the`;
    await expect(codec.encodeLong(text, '“a.txt”', 5)).rejects.toThrow(
      /^“a.txt” has a token of id 10\d at position 3\d, but the model's table has 100 tokens\./,
    );
  });
});

describe('texts for a model', () => {
  const tokenizer = named(
    'tokenizer.json',
    JSON.stringify({
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
      post_processor: null,
      decoder: { type: 'Fuse' },
      model: { type: 'WordLevel', vocab: { a: 0, '\n': 1, '\r': 2 }, unk_token: 'a' },
    }),
  );
  const options = { contextLength: 4, contextSource: '', inputs: ['input_ids'] };

  test('come from several files, with what was done to them', async () => {
    const files = [named('b.jsonl', '{"text":"aaaa"}\n{"text":"aaaaaa"}'), named('a.txt', 'a\r\na')];
    const dataset = await createTextDataset(files, tokenizer, options);
    expect(dataset.notes[0]).toContain('the field “text” is read: 2 records');
    expect(
      dataset.decode!([...(dataset.batch('report', 0, 1).feeds.input_ids.data as BigInt64Array)].map(Number)),
    ).toBe('a\r\na');
  });

  test('shorter than a fixed length are refused with the reason', async () => {
    await expect(
      createTextDataset([named('a.txt', 'aaa')], tokenizer, { ...options, fixedLength: true }),
    ).rejects.toThrow(
      'The model takes exactly 4 tokens, and the longest text has 3: padding would be measured too, so shorter texts are not fed. Add longer texts, or join them in one file.',
    );
  });
});

describe('dropped files', () => {
  test('are told apart by name; what is not understood is named', () => {
    const names = [
      'm.onnx',
      'm.onnx_data',
      'config.json',
      'tokenizer.json',
      'preprocessor_config.json',
      'a.TXT',
      'b.jsonl',
      'c.PNG',
      'd.jpeg',
      'x_images.npy',
      'x_labels.npy',
      'labels.csv',
      'all.zip',
      'all.npz',
      '.DS_Store',
      'vocab.json',
      'vocab.txt',
      'merges.txt',
      'source.spm',
      'm.safetensors',
      'm.safetensors.index.json',
      'generation_config.json',
      'clip.wav',
      'model.onnx.data.0',
    ];
    const { models, externals, texts, images, labels, archives, unused, ...rest } = sortFiles(
      names.map((n) => named(n)),
    );
    const { audios, checkpoints, companions, others, ...single } = rest;
    const of = (files: readonly NamedBlob[]) => files.map((f) => f.name);
    expect([of(models), [...externals.keys()]]).toEqual([['m.onnx'], ['m.onnx_data']]);
    expect(Object.keys(single)).toEqual(['config', 'tokenizer', 'preprocessor', 'generation']);
    expect(of(texts)).toEqual(['a.TXT', 'b.jsonl']);
    expect(of(images)).toEqual(['c.PNG', 'd.jpeg', 'x_images.npy']);
    expect(of(labels)).toEqual(['x_labels.npy', 'labels.csv']);
    expect(of(archives)).toEqual(['all.zip', 'all.npz']);
    expect(of(audios)).toEqual(['clip.wav']);
    expect(of(companions)).toEqual(['vocab.json', 'vocab.txt', 'merges.txt', 'source.spm']);
    expect(of(checkpoints)).toEqual(['m.safetensors', 'm.safetensors.index.json']);
    expect([unused, of(others)]).toEqual([['model.onnx.data.0'], ['model.onnx.data.0']]);
  });

  test('have the path that the browser tells', () => {
    const file = (more: object) => Object.assign(named('1.png'), more);
    expect(pathOf(file({ path: './cats/1.png', webkitRelativePath: 'x/1.png' }))).toBe('cats/1.png');
    expect(pathOf(file({ path: '', webkitRelativePath: 'x\\1.png' }))).toBe('x/1.png');
    expect(pathOf(file({ webkitRelativePath: '' }))).toBe('1.png');
    expect(['Train', 'constructor', 'cat'].map(splitOfFolder)).toEqual(['calibrate', undefined, undefined]);
  });
});
