/** Pairs of texts: files of all kinds, the decoder's side, batches, and scores that padding does not change. */
import { describe, expect, test } from 'vitest';
import { combine, scoreBatch } from '../evaluate/metric.ts';
import { DataType } from '../tensor/dtype.ts';
import type { Dataset, Targets } from './dataset.ts';
import { answerOf, decoderRules } from './decoder.ts';
import { NO_EXTRAS } from './extras.ts';
import { planFeeds } from './feeds.ts';
import { readPairs } from './pair-files.ts';
import { createPairDataset, type PairOptions } from './pairs.ts';
import type { TextCodec } from './tokenizer.ts';

const named = (name: string, text: string) => Object.assign(new Blob([text]), { name });
const pairsOf = async (...files: [string, string][]) => {
  const all = files.map(([name, text]) => named(name, text));
  const isTable = (name: string) => /[ct]sv$/.test(name);
  const read = await readPairs(
    all.filter((f) => !isTable(f.name)),
    all.filter((f) => isTable(f.name)),
  );
  return read.flatMap((f) => f.pairs.map((p) => [p.source, p.target]));
};

describe('files of pairs', () => {
  const expected = [
    ['one, two', 'eins'],
    ['three', 'drei'],
  ];
  test.each<[string, ...[string, string][]]>([
    ['JSON lines', ['a.jsonl', '{"source":"one, two","target":"eins"}\n{"source":"three","target":"drei"}']],
    ['src and tgt', ['a.jsonl', '{"tgt":"eins","src":"one, two"}\n{"tgt":"drei","src":"three"}\n']],
    [
      'texts and summaries',
      [
        'a.jsonl',
        '{"id":"7","text":"one, two","summary":"eins"}\n{"id":"8","text":"three","summary":"drei"}',
      ],
    ],
    [
      'languages',
      [
        'a.jsonl',
        '{"translation":{"en":"one, two","de":"eins"}}\n{"translation":{"en":"three","de":"drei"}}',
      ],
    ],
    ['a table', ['a.csv', '"one, two",eins\nthree,drei\n']],
    ['a table with a heading', ['a.tsv', 'target\tn\tsource\neins\t1\tone, two\ndrei\t2\tthree']],
    ['two files', ['a.source.txt', 'one, two\nthree\n'], ['a.target.txt', 'eins\r\ndrei\r\n']],
    ['src and tgt files', ['dev.en.src', 'one, two\nthree'], ['dev.en.tgt', 'eins\ndrei']],
  ])('%s', async (_, ...files) => {
    expect(await pairsOf(...files)).toEqual(expected);
  });

  test('a table of files and texts may have a heading', async () => {
    for (const heading of ['file,text\n', 'image,caption\n', '']) {
      const [file] = await readPairs([], [named('captions.csv', `${heading}1.png,a cat\n2.png,a dog\n`)]);
      expect(file.pairs.map((p) => p.target)).toEqual(['a cat', 'a dog']);
    }
  });

  test('plain text stands on both sides, and that is told', async () => {
    const [file] = await readPairs([named('select.txt', 'a b\n\nc\n')], []);
    expect(file.pairs).toEqual(['a b', 'c'].map((t) => ({ source: t, target: t })));
    expect(file.split).toBe('select');
    expect(file.notes[0]).toContain('“select.txt” has no counterparts');
  });

  test.each<[[string, string][], string]>([
    [[['a.src', 'x']], '“a.src” has no target beside it.'],
    [[['a.tgt', 'x']], '“a.tgt” has no source beside it.'],
    [
      [
        ['a.src', 'x\ny'],
        ['a.tgt', 'z'],
      ],
      '“a.src” has 2 lines and “a.tgt” has 1.',
    ],
    [[['a.csv', 'one\n']], 'Line 1 of “a.csv” has one column.'],
    [
      [['a.jsonl', '{"source":"a","target":"b"}\n{"source":"a"}']],
      'Line 2 of “a.jsonl” has no two texts “source” and “target”.',
    ],
  ])('%j are refused', async (files, sentence) => {
    await expect(pairsOf(...files)).rejects.toThrow(sentence);
  });
});

/** A letter a token, a = 1; texts end with 9. */
const codec: TextCodec = {
  encode: (text) => Int32Array.from(text, (c) => c.charCodeAt(0) - 96),
  encodeLong: async (text) => codec.encode(text, ''),
  decode: (ids) => Array.from(ids, (id) => String.fromCharCode(96 + id)).join(''),
  around: { before: [], after: [9] },
  idOf: () => undefined,
};

describe('the decoder', () => {
  test('is fed the answer one place later, from its start token on', () => {
    const rules = decoderRules({ decoder_start_token_id: 7 }, {}, codec);
    expect(rules).toMatchObject({ start: 7, prefix: [], end: [9], notes: [] });
    const { ids, truth } = answerOf(Int32Array.of(1, 2), rules, 10);
    expect([[...ids], [...truth]]).toEqual([
      [7, 1, 2],
      [1, 2, 9],
    ]);
    const cut = answerOf(Int32Array.of(1, 2), rules, 2);
    expect([[...cut.ids], [...cut.truth]]).toEqual([
      [7, 1],
      [1, 2],
    ]);
  });

  test('is given languages and tasks, which are not scored', () => {
    const whisper = { lang_to_id: { '<|en|>': 3 }, task_to_id: { transcribe: 4 }, no_timestamps_token_id: 5 };
    const rules = decoderRules(
      { decoder_start_token_id: 2 },
      { ...whisper, forced_decoder_ids: null },
      codec,
    );
    expect(rules.prefix).toEqual([3, 4, 5]);
    expect(rules.notes).toEqual(['The speech is taken as English.']);
    const { ids, truth } = answerOf(Int32Array.of(1), rules, 10);
    expect([[...ids], [...truth]]).toEqual([
      [2, 3, 4, 5, 1],
      [-1, -1, -1, 1, 9],
    ]);
    const forced = {
      decoder_start_token_id: 2,
      forced_decoder_ids: [
        [1, null],
        [2, 8],
      ],
    };
    expect(decoderRules(forced, { lang_to_id: { '<|en|>': 3 } }, codec).prefix).toEqual([3, 8]);
    expect(decoderRules({ forced_bos_token_id: 6 }, {}, codec).prefix).toEqual([6]);
  });

  test('that nothing is said of begins with the padding token, and that is told', () => {
    const rules = decoderRules({ pad_token_id: 4, eos_token_id: [8, 3] }, {}, undefined);
    expect(rules).toMatchObject({ start: 4, end: [8], pad: 4 });
    expect(rules.notes[0]).toContain('token 4 is taken');
  });
});

const inputs = (
  masked: boolean,
  dims: [number | string, number | string, number | string] = ['b', 't', 'u'],
) => [
  { name: 'input_ids', elemType: DataType.int64, dims: dims.slice(0, 2) },
  ...(masked ? [{ name: 'attention_mask', elemType: DataType.int64, dims: dims.slice(0, 2) }] : []),
  { name: 'decoder_input_ids', elemType: DataType.int64, dims: [dims[0], dims[2]] },
];
const rules = decoderRules({ decoder_start_token_id: 7, pad_token_id: 0 }, {}, codec);
const lines = ['abcd\ta', 'ab\tabc', 'abc\tab', 'a\tabcd', 'abcde\tab', 'ab\ta', 'abc\tabc', 'abcdefg\ta'];
const dataOf = (more: Partial<PairOptions> = {}, masked = true) =>
  createPairDataset([], [named('a.tsv', lines.join('\n'))], {
    codec,
    rules,
    plan: planFeeds(inputs(masked), ['tokens', 'decoder']),
    extras: NO_EXTRAS,
    contextLength: 6,
    contextSource: '',
    fixed: {},
    ...more,
  });

/** Made-up logits of a decoder's row: they depend on the real source tokens and on the decoder's tokens so far. */
function toyLogits(source: number[], decoder: number[]): number[] {
  const state = [...source, 50, ...decoder].reduce((s, id, k) => (s * 31 + id * 7 + k) % 997, 1);
  return Array.from({ length: 10 }, (_, v) => Math.sin(state * (v + 1)));
}

function score(dataset: Dataset, most: number, metric: 'perplexity' | 'kl' | 'token-accuracy') {
  const parts: Float32Array[] = [];
  for (let b = 0; b < dataset.batches('calibrate', most); b++) {
    const { feeds, targets } = dataset.batch('calibrate', b, most);
    const of = (name: string) => Array.from(feeds[name].data as BigInt64Array, Number);
    const [sources, mask, decoder] = [of('input_ids'), of('attention_mask'), of('decoder_input_ids')];
    const { items, length } = targets as Targets & { kind: 'token' };
    const width = sources.length / items;
    const logits = Float32Array.from(
      Array.from({ length: items * length }, (_, row) => {
        const i = Math.floor(row / length);
        const source = sources.slice(i * width, (i + 1) * width).filter((_, k) => mask[i * width + k] === 1);
        return toyLogits(source, decoder.slice(i * length, row + 1));
      }).flat(),
    );
    parts.push(
      scoreBatch(
        metric,
        logits,
        targets,
        logits.map((v, k) => v + Math.cos(k % 10)),
      ),
    );
  }
  return combine(parts, metric);
}

describe('a dataset of pairs', () => {
  test('scores the same in batches of any size, padding or not', async () => {
    const dataset = await dataOf();
    const fixed = await dataOf({ fixed: { batch: 3, source: 7, target: 5 } });
    for (const metric of ['perplexity', 'kl', 'token-accuracy'] as const) {
      const alone = score(dataset, 1, metric);
      expect(alone.samples).toBe(dataset.size('calibrate').scored);
      expect(score(dataset, 8, metric).samples).toBe(alone.samples);
      expect(score(dataset, 8, metric).value).toBeCloseTo(alone.value, 6);
      expect(fixed.batch('calibrate', 0, 8).feeds.input_ids.dims).toEqual([3, 7]);
      expect(score(fixed, 8, metric).samples).toBe(alone.samples);
      expect(score(fixed, 8, metric).value).toBeCloseTo(alone.value, 6);
    }
  });

  test('tells which places are real', async () => {
    const dataset = await dataOf();
    const { feeds, padding } = dataset.batch('calibrate', 0, 8);
    expect(Array.from(feeds.attention_mask.data as BigInt64Array, Number)).toEqual([...padding!.encoder!]);
    const real = padding!.decoder!.reduce((n, v) => n + v, 0);
    expect(real).toBe(dataset.size('calibrate').scored);
    expect(dataset.notes).toContain('1 pair with longer texts are cut.');
  });

  test('without a mask puts sources of one length together', async () => {
    const dataset = await dataOf({ plan: planFeeds(inputs(false), ['tokens', 'decoder']) });
    for (let b = 0; b < dataset.batches('calibrate', 8); b++) {
      const { feeds, padding } = dataset.batch('calibrate', b, 8);
      expect([...(feeds.input_ids.data as BigInt64Array)]).not.toContain(0n);
      expect(padding!.encoder).toBeUndefined();
    }
  });

  test('feeds a prompt and what was written', async () => {
    const { writer } = await dataOf();
    expect(writer).toMatchObject({ start: [7], end: [9], most: 6 });
    const feeds = writer!.feeds('bad', Int32Array.of(7, 1));
    expect(feeds.input_ids.data).toEqual(BigInt64Array.of(2n, 1n, 4n, 9n));
    expect(feeds.decoder_input_ids.data).toEqual(BigInt64Array.of(7n, 1n));
    expect(() => writer!.feeds(' ', Int32Array.of(7))).toThrow('Type a text');
  });
});
