/** Strided windows against a plain implementation of the published recipe, with a toy model that uses its context. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { combine, scoreBatch } from '../evaluate/metric.ts';
import type { Dataset } from './dataset.ts';
import { SPLITS } from './files.ts';
import { createTextDataset, type TextOptions } from './text.ts';

const ALPHABET = 'abcdefgh';
const named = (name: string, text: string) => Object.assign(new Blob([text]), { name });
const tokenizer = named(
  'tokenizer.json',
  JSON.stringify({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries([...ALPHABET].map((c, i) => [c, i])),
      unk_token: 'a',
    },
  }),
);
const dataOf = (texts: Record<string, string>, options: Partial<TextOptions> = {}) =>
  createTextDataset(
    Object.entries(texts).map(([name, text]) => named(name, text)),
    tokenizer,
    {
      contextLength: 5,
      contextSource: '',
      inputs: ['input_ids', 'attention_mask', 'position_ids'],
      ...options,
    },
  );
const letters = (length: number, seed = 1) =>
  Array.from({ length }, (_, k) => ALPHABET[(k * k * 7 + k * seed) % ALPHABET.length]).join('');

/** Logits of a made-up model after a context: they depend on every token of it and on its length. */
function toyLogits(context: readonly number[]): number[] {
  const state = context.reduce((s, id, k) => (s * 31 + id * 7 + k) % 997, context.length);
  return Array.from({ length: ALPHABET.length }, (_, v) => Math.sin(state * (v + 1)));
}

/** The recipe, token by token: NLL of every token that is scored. */
function plainLosses(ids: readonly number[], length: number, stride: number): number[] {
  const losses: number[] = [];
  let scored = 0;
  for (let begin = 0; begin < ids.length; begin += stride) {
    const end = Math.min(begin + length, ids.length);
    for (let t = scored; t < end; t++) {
      const context = ids.slice(begin, t);
      if (context.length === 0) continue;
      const z = toyLogits(context);
      losses.push(Math.log(z.reduce((s, v) => s + Math.exp(v), 0)) - z[ids[t]]);
    }
    scored = end;
    if (end === ids.length) break;
  }
  return losses;
}

function lossesOf(dataset: Dataset, perBatch: number): number[] {
  const all: Float32Array[] = [];
  for (let b = 0; b < dataset.batches('report', perBatch); b++) {
    const { targets } = dataset.batch('report', b, perBatch);
    if (targets.kind !== 'next-token') throw new Error('text expected');
    const { ids, items, length } = targets;
    const values = new Float32Array(items * length * ALPHABET.length);
    for (let i = 0; i < items; i++) {
      for (let t = 0; t < length; t++) {
        const context = [...ids.subarray(i * length, i * length + t + 1)];
        values.set(toyLogits(context), (i * length + t) * ALPHABET.length);
      }
    }
    all.push(scoreBatch('strided-perplexity', values, targets));
  }
  return [...combine(all, 'strided-perplexity').items];
}

const texts = (report: string) => ({
  'calibrate.txt': letters(20),
  'select.txt': letters(20, 2),
  'report.txt': report,
});
const idsOf = (text: string) => [...text].map((c) => ALPHABET.indexOf(c));

describe('strided windows', () => {
  test('score what the plain recipe scores, for any length, stride and batch', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 40 }),
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 4 }),
        async (size, contextLength, asked, perBatch) => {
          const stride = Math.min(asked, contextLength);
          const report = letters(size, 3);
          const dataset = (await dataOf(texts(report), { contextLength })).strided!(stride);
          const losses = lossesOf(dataset, perBatch);
          const plain = plainLosses(idsOf(report), contextLength, stride);
          expect(losses).toHaveLength(plain.length);
          losses.forEach((loss, k) => {
            expect(loss).toBeCloseTo(plain[k], 5);
          });
          expect(dataset.size('report').scored).toBe(plain.length);
        },
      ),
      { seed: 11, numRuns: 60 },
    );
  });

  test('score every token but the first, unless nothing overlaps: then what chunks score', async () => {
    const chunks = await dataOf(texts(letters(23)));
    for (const stride of [1, 2, 3, 4]) expect(chunks.strided!(stride).size('report').scored).toBe(22);
    const whole = chunks.strided!(5);
    expect(whole.size('report')).toEqual(chunks.size('report'));
    expect(whole.size('report').scored).toBe(23 - 5);
    expect(lossesOf(whole, 3)).toEqual(lossesOf(chunks, 3));
    expect(whole.key).not.toBe(chunks.key);
  });

  test('do not reach over the borders of splits and files', async () => {
    const dataset = await dataOf({ 'a.txt': letters(30), 'b.txt': letters(13, 5) });
    const strided = dataset.strided!(2);
    // Chunks: 6 of a, 3 of b; splits of 5, 2 and 2: calibrate a0–24; select a25–29 and b0–4; report b5–12.
    expect(SPLITS.map((s) => strided.size(s).scored)).toEqual([24, 4 + 4, 7]);
    const { targets } = strided.batch('report', 0, 1);
    expect(targets).toMatchObject({ ids: Int32Array.from(idsOf(letters(13, 5)).slice(5, 10)) });
  });

  test('keep a last token that no chunk could use', async () => {
    const dataset = await dataOf(texts(letters(11)));
    expect(dataset.size('report')).toEqual({ items: 10, scored: 8 });
    expect(dataset.strided!(3).size('report').scored).toBe(10);
  });

  test('refuse a stride that is no whole number from 1 to the context length', async () => {
    const dataset = await dataOf(texts(letters(11)));
    for (const stride of [0, 6, 2.5, Number.NaN]) {
      expect(() => dataset.strided!(stride)).toThrow(
        `A stride of ${stride} tokens is not possible: give a whole number from 1 to 5, the context length.`,
      );
    }
  });
});

describe('a text dataset', () => {
  test('encodes, decodes, and refuses letters that its tokenizer does not know', async () => {
    const dataset = await dataOf(texts(letters(11)));
    expect([...dataset.encode!('bad')]).toEqual([1, 0, 3]);
    expect(dataset.decode!(Int32Array.from([1, 0, 3]))).toBe('bad');
    expect(dataset.decode!([])).toBe('');
    expect(() => dataset.encode!('abz')).toThrow(
      'The text has “z” at position 2, which this tokenizer does not know. Leave it out, or drop the tokenizer.json that belongs to this model.',
    );
  });

  test('feeds a short sequence as it is, and fills it up for a model of fixed size', async () => {
    const free = await dataOf(texts(letters(11)));
    expect(free.feedsFor!(Int32Array.from([3, 4])).input_ids).toMatchObject({
      dims: [1, 2],
      data: BigInt64Array.from([3n, 4n]),
    });
    expect(() => free.feedsFor!(new Int32Array(6))).toThrow('1 to 5 can be fed');
    const fixed = await dataOf(texts(letters(12)), { fixedLength: true, fixedBatch: 2 });
    const { input_ids, attention_mask } = fixed.feedsFor!(Int32Array.from([3, 4]));
    expect(input_ids.dims).toEqual([2, 5]);
    expect([...input_ids.data].map(Number)).toEqual([3, 4, 0, 0, 0, 3, 4, 0, 0, 0]);
    expect([...attention_mask.data].map(Number)).toEqual([1, 1, 0, 0, 0, 1, 1, 0, 0, 0]);
    expect(fixed.size('report')).toEqual({ items: 10, scored: 8 });
    // Windows at 0, 2 and 4; the one at 6 would be cut short.
    expect(fixed.strided!(2).size('report')).toEqual({ items: 15, scored: 8 });
    expect(fixed.itemsPerBatch).toBe(2);
  });

  test('that is too short for three splits says what is missing', async () => {
    await expect(dataOf({ 'report.txt': letters(20) })).rejects.toThrow(
      'There are no chunks of 5 tokens to make the splits calibrate, select from.',
    );
    await expect(dataOf({ 'text.txt': letters(9) })).rejects.toThrow(
      'The data makes 2 chunks of 5 tokens, too few for 3 separate splits (calibrate, select, report).',
    );
  });

  test('is known by its contents and settings, not by names or order of files', async () => {
    const { key } = await dataOf(texts(letters(11)));
    const again = Object.fromEntries(Object.entries(texts(letters(11))).reverse());
    expect((await dataOf(again)).key).toBe(key);
    const renamed = {
      'report-2.md': letters(11),
      'select-b.txt': letters(20, 2),
      'calibrate.txt': letters(20),
    };
    expect((await dataOf(renamed)).key).toBe(key);
    expect((await dataOf(texts(letters(11, 4)))).key).not.toBe(key);
    expect((await dataOf(texts(letters(11)), { contextLength: 4 })).key).not.toBe(key);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
  });
});
