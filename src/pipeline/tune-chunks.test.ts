/** Which rows of the output tuning uses, and what it takes for their labels. */
import { expect, test } from 'vitest';
import type { Batch, Dataset, Targets } from '../data/dataset.ts';
import { itemsOf, labelsOf, tuningChunks } from './tune-chunks.ts';

const ids = Int32Array.of(5, 6, 7, 8, 9, 3);

test('the label of a position is the next token; none where the data scores none', () => {
  const text: Targets = { kind: 'next-token', ids, items: 2, length: 3 };
  expect([...labelsOf(text)!]).toEqual([6, 7, -1, 9, 3, -1]);
  expect([...labelsOf({ ...text, from: Int32Array.of(1, 2) })!]).toEqual([6, 7, -1, -1, 3, -1]);
  expect([...labelsOf({ ...text, real: Uint8Array.of(1, 0) })!]).toEqual([6, 7, -1, -1, -1, -1]);
  expect(labelsOf({ kind: 'token', ids, items: 2, length: 3 })).toBe(ids);
  expect([...labelsOf({ kind: 'class', labels: Int32Array.of(2, 4), real: Uint8Array.of(1, 0) })!]).toEqual([
    2, -1,
  ]);
  expect(labelsOf({ kind: 'none', items: 2 })).toBeUndefined();
});

test('padding does not count, whether it is told of items, of rows or of both', async () => {
  const countedOf = async (batch: Pick<Batch, 'targets' | 'padding'>) => {
    const dataset = {
      batches: () => 1,
      batch: () => ({ feeds: {}, items: 2, ...batch }),
    } as unknown as Dataset;
    const { counted } = await tuningChunks(dataset, 2).read(0);
    return counted && Array.from(counted);
  };
  const none: Targets = { kind: 'none', items: 2 };
  expect(await countedOf({ targets: none })).toBeUndefined();
  expect(await countedOf({ targets: none, padding: { items: Uint8Array.of(1, 0) } })).toEqual([1, 0]);
  const encoder = Uint8Array.of(1, 1, 0, 1, 0, 0);
  expect(await countedOf({ targets: none, padding: { encoder } })).toEqual([1, 1, 0, 1, 0, 0]);
  const real = Uint8Array.of(1, 0);
  expect(await countedOf({ targets: { ...none, real }, padding: { encoder } })).toEqual([1, 1, 0, 0, 0, 0]);
  // The decoder says it by its targets; the encoder's padding is of other rows.
  const token: Targets = {
    kind: 'token',
    ids: Int32Array.of(4, 5, 6, -1),
    items: 2,
    length: 2,
    real: Uint8Array.of(1, 1, 1, 0),
  };
  expect(await countedOf({ targets: token, padding: { encoder } })).toEqual([1, 1, 1, 0]);
});

test('a batch whose size was not chosen holds about 1,024 tokens, or eight items', () => {
  const text = (contextLength: number) => ({ contextLength }) as Dataset;
  expect([text(128), text(1024), text(4096), {} as Dataset].map((d) => itemsOf(d, 0))).toEqual([8, 1, 1, 8]);
  expect(itemsOf(text(128), 3)).toBe(3);
});
