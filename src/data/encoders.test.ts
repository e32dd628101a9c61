/** Text for models that only encode: special tokens around it, hidden tokens, batches that are filled up. */
import { describe, expect, test } from 'vitest';
import { combine, scoreBatch } from '../evaluate/metric.ts';
import { createSeeded } from '../tensor/seeded.ts';
import type { Dataset, Targets } from './dataset.ts';
import { hideTokens } from './masking.ts';
import { createTextDataset, type TextOptions } from './text.ts';

const LETTERS = 'abcdefghij';
const SPECIAL = { '<s>': 10, '</s>': 11, '<mask>': 12 };
const tokenizer = (mask: boolean) => {
  const added = Object.entries(SPECIAL).slice(0, mask ? 3 : 2);
  const json = {
    added_tokens: added.map(([content, id]) => ({ id, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
    post_processor: {
      type: 'RobertaProcessing',
      sep: ['</s>', 11],
      cls: ['<s>', 10],
      trim_offsets: true,
      add_prefix_space: false,
    },
    decoder: { type: 'Fuse' },
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries([...[...LETTERS].map((c, i) => [c, i]), ...added]),
      unk_token: 'a',
    },
  };
  return Object.assign(new Blob([JSON.stringify(json)]), { name: 'tokenizer.json' });
};
const text = Array.from({ length: 203 }, (_, k) => LETTERS[(k * k * 3 + k) % 10]).join('');
const dataOf = (options: Partial<TextOptions>, mask = true) =>
  createTextDataset([Object.assign(new Blob([text]), { name: 'a.txt' })], tokenizer(mask), {
    contextLength: 12,
    contextSource: '',
    inputs: ['input_ids', 'attention_mask'],
    ...options,
  });
const idsOf = (dataset: Dataset, b: number, most: number) =>
  Array.from(dataset.batch('calibrate', b, most).feeds.input_ids.data as BigInt64Array, Number);

describe('hidden tokens', () => {
  test('are 15 % of those that may be, by the seed', () => {
    const ids = Int32Array.from({ length: 102 }, (_, k) => k);
    const hide = (seed: number) => hideTokens(ids, [1, 101], -5, createSeeded(seed));
    const { ids: fed, truth } = hide(1);
    const hidden = [...fed.keys()].filter((k) => fed[k] === -5);
    expect(hidden).toHaveLength(15);
    expect(hidden.every((k) => k >= 1 && k < 101 && truth[k] === k)).toBe(true);
    expect([...truth.keys()].filter((k) => truth[k] >= 0)).toEqual(hidden);
    expect(fed.every((id, k) => id === k || hidden.includes(k))).toBe(true);
    expect(hide(1)).toEqual(hide(1));
    expect(hide(2)).not.toEqual(hide(1));
    expect(hideTokens(ids.subarray(0, 3), [1, 2], -5, createSeeded(1)).truth).toEqual(
      Int32Array.of(-1, 1, -1),
    );
  });

  test('stand behind the mask token, between the special ones; only they are scored', async () => {
    const dataset = await dataOf({ style: 'masked' });
    expect(dataset.maskToken).toBe(12);
    const ids = idsOf(dataset, 0, 4);
    const targets = dataset.batch('calibrate', 0, 4).targets as Targets & { kind: 'token' };
    for (let i = 0; i < 4; i++) {
      expect([ids[i * 12], ids[i * 12 + 11]]).toEqual([10, 11]);
      const restored = ids
        .slice(i * 12, (i + 1) * 12)
        .map((id, k) => (id === 12 ? targets.ids[i * 12 + k] : id));
      const chunk = [...text.slice(i * 10, (i + 1) * 10)].map((c) => LETTERS.indexOf(c));
      expect(restored).toEqual([10, ...chunk, 11]);
    }
    expect(targets.ids.filter((id) => id >= 0)).toHaveLength(8);
    expect(dataset.size('calibrate').scored).toBe(dataset.size('calibrate').items / 6);
    const logits = new Float32Array(4 * 12 * 13);
    expect(combine([scoreBatch('perplexity', logits, targets)], 'perplexity')).toMatchObject({ samples: 8 });
    expect(combine([scoreBatch('perplexity', logits, targets)], 'perplexity').value).toBeCloseTo(13, 4);
    expect(dataset.strided).toBeUndefined();
  });

  test('are not there without a mask token', async () => {
    const dataset = await dataOf({ style: 'masked' }, false);
    expect(dataset.labelled).toBe(false);
    expect(dataset.batch('calibrate', 0, 2).targets).toEqual({ kind: 'none', items: 24 });
    expect(dataset.notes[0]).toContain('This tokenizer has no mask token');
  });

  test('change the key, and so does what the model does with text', async () => {
    const keys = await Promise.all(
      (['next-token', 'masked', 'encode'] as const).map(async (style) => (await dataOf({ style })).key),
    );
    expect(new Set(keys).size).toBe(3);
  });
});

describe('batches of a fixed size', () => {
  test('are filled up with their last item, which is not counted', async () => {
    const dataset = await dataOf({ style: 'encode', fixedBatch: 4, width: 5 });
    const free = await dataOf({ style: 'encode' });
    expect(dataset.size('select')).toEqual(free.size('select'));
    const last = dataset.batches('select', 99) - 1;
    const { feeds, items, targets, padding } = dataset.batch('select', last, 99);
    expect([items, feeds.input_ids.dims[0]]).toEqual([4, 4]);
    const real = [...padding!.items!];
    expect(real).toContain(0);
    const outputs = Float32Array.from({ length: 4 * feeds.input_ids.dims[1] * 5 }, (_, k) => Math.sin(k));
    const scored = scoreBatch('cosine', outputs, targets, outputs);
    expect(scored).toHaveLength(real.filter((r) => r === 1).length * feeds.input_ids.dims[1]);
  });

  test('of next tokens score what free ones score', async () => {
    const [fixed, free] = [await dataOf({ fixedBatch: 3 }), await dataOf({})];
    const logits = ({ ids }: Targets & { kind: 'next-token' }) =>
      Float32Array.from(ids, (id, k) => Math.sin(id + (k % 12))).reduce<number[]>((all, v) => {
        for (let u = 0; u < 10; u++) all.push(v * u);
        return all;
      }, []);
    for (const metric of ['perplexity', 'kl'] as const) {
      const score = (data: Dataset) =>
        combine(
          Array.from({ length: data.batches('report', 8) }, (_, b) => {
            const targets = data.batch('report', b, 8).targets as Targets & { kind: 'next-token' };
            const z = Float32Array.from(logits(targets));
            return scoreBatch(
              metric,
              z,
              targets,
              z.map((v) => v * 0.5),
            );
          }),
          metric,
        );
      expect(score(fixed).samples).toBe(score(free).samples);
      expect(score(fixed).value).toBeCloseTo(score(free).value, 6);
    }
    expect(fixed.strided!(4).size('report')).toEqual(free.strided!(4).size('report'));
  });
});
