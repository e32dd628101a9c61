/**
 * Text as windows of token ids: chunks for statistics and the paper's perplexity, strided windows on demand.
 *
 * A last chunk of at least two tokens is kept, shorter, in a batch of its own: no padding. A model that takes exactly
 * contextLength tokens gets whole windows only, so that no padding is ever measured or scored.
 *
 * Known limits: a model with a fixed batch of more than one cannot be fed the rest of a split.
 */
import type { HostTensor } from '../runtime/session.ts';
import type { Batch, Dataset, Feeds } from './dataset.ts';
import { digestOf } from './digest.ts';
import { DataError } from './errors.ts';
import { type NamedBlob, SPLITS, type SplitName, splitOf } from './files.ts';
import { splitItems } from './split.ts';
import { readText } from './text-files.ts';
import { loadTokenizer } from './tokenizer.ts';
import {
  chunkWindow,
  cutChunks,
  groupByLength,
  joinChunks,
  type Span,
  stridedWindows,
  type TokenWindow,
} from './windows.ts';

export interface TextOptions {
  readonly contextLength: number;
  /** A sentence: where that number came from. */
  readonly contextSource: string;
  /** Names of the model's inputs that text can fill. */
  readonly inputs: readonly string[];
  /** Size of the model's token table, where known: larger ids are refused. */
  readonly vocabulary?: number;
  /** Sequences that the model takes at once, where its graph fixes that. */
  readonly fixedBatch?: number;
  /** The model takes exactly contextLength tokens. */
  readonly fixedLength?: boolean;
}

/** Model inputs that a text dataset can fill. */
export const TEXT_INPUTS: readonly string[] = [
  'input_ids',
  'attention_mask',
  'position_ids',
  'token_type_ids',
];
const CHUNKS_PER_BATCH = 8;

type BySplit<T> = Readonly<Record<SplitName, readonly T[]>>;

/**
 * @param tokenizerFile a tokenizer.json
 * @throws DataError for a tokenizer that cannot be read, or text too short for three splits
 */
export async function createTextDataset(
  files: readonly NamedBlob[],
  tokenizerFile: NamedBlob,
  options: TextOptions,
): Promise<Dataset> {
  const { contextLength, inputs, fixedBatch = 1, fixedLength = false } = options;
  const codec = await loadTokenizer(tokenizerFile, options.vocabulary);
  const named: Partial<Record<SplitName, Span[]>> = {};
  const unnamed: Span[] = [];
  const told: string[] = [];
  let longest = 0;
  let cut = 0;
  for (const file of files) {
    const split = splitOf(file.name);
    const { text, notes } = await readText(file);
    told.push(...notes);
    const ids = await codec.encodeLong(text, `“${file.name}”`);
    const chunks = cutChunks(ids, contextLength).filter(
      ({ start, end }) => !fixedLength || end - start === contextLength,
    );
    longest = Math.max(longest, ids.length);
    cut += chunks.length;
    if (split) named[split] = [...(named[split] ?? []), ...chunks];
    else unnamed.push(...chunks);
  }
  if (fixedLength && cut === 0 && longest > 0) {
    throw new DataError(
      `The model takes exactly ${contextLength} tokens, and the longest text has ${longest}: padding would be measured too, so shorter texts are not fed. Add longer texts, or join them in one file.`,
    );
  }
  const { splits, rule } = splitItems(named, unnamed, `chunks of ${contextLength} tokens`);
  const spans = mapSplits(splits, joinChunks);
  const key = await digestOf(
    SPLITS.flatMap((s) => spans[s].map(({ text, start, end }) => text.subarray(start, end))),
    {
      kind: 'text',
      contextLength,
      fixedLength,
      inputs,
      lengths: SPLITS.map((s) => spans[s].map(({ start, end }) => end - start)),
    },
  );

  // The last one asked for: scoring asks again for each variant.
  let lastStrided: Dataset | undefined;
  const common = {
    kind: 'text',
    unit: 'tokens',
    rule,
    notes: [
      ...told,
      ...(fixedLength
        ? [`The model takes exactly ${contextLength} tokens: a shorter rest of a text is left out.`]
        : []),
    ],
    contextLength,
    contextSource: options.contextSource,
    labelled: true,
    itemsPerBatch: options.fixedBatch ?? CHUNKS_PER_BATCH,
    encode: (text: string) => codec.encode(text, 'The text'),
    decode: codec.decode,
    feedsFor: (ids: Int32Array) =>
      feedsOf(oneSequence(ids, contextLength, fixedBatch, fixedLength), ids.length, inputs),
    strided(stride: number): Dataset {
      if (!Number.isInteger(stride) || stride < 1 || stride > contextLength) {
        throw new DataError(
          `A stride of ${stride} tokens is not possible: give a whole number from 1 to ${contextLength}, the context length.`,
        );
      }
      const stridedKey = `${key}/stride-${stride}`;
      if (lastStrided?.key === stridedKey) return lastStrided;
      const windows = mapSplits(spans, (of) =>
        of
          .flatMap((span) => stridedWindows(span, contextLength, stride))
          .filter(({ ids }) => !fixedLength || ids.length === contextLength),
      );
      lastStrided = { ...common, key: stridedKey, ...accessTo(windows, inputs) };
      return lastStrided;
    },
  } as const;
  return {
    ...common,
    key,
    ...accessTo(
      mapSplits(splits, (chunks) => chunks.map(chunkWindow)),
      inputs,
    ),
  };
}

function mapSplits<A, B>(of: BySplit<A>, change: (items: readonly A[]) => readonly B[]): BySplit<B> {
  return {
    calibrate: change(of.calibrate),
    select: change(of.select),
    report: change(of.report),
  };
}

/** The part of a dataset that differs between chunks and strided windows. */
function accessTo(
  windows: BySplit<TokenWindow>,
  inputs: readonly string[],
): Pick<Dataset, 'size' | 'batches' | 'batch'> {
  const grouped = mapSplits(windows, groupByLength);
  return {
    size: (split) => ({
      items: windows[split].reduce((n, { ids }) => n + ids.length, 0),
      scored: windows[split].reduce((n, { ids, from }) => n + ids.length - from, 0),
    }),
    batches: (split, most) => grouped[split].reduce((n, g) => n + Math.ceil(g.length / most), 0),
    batch(split, index, most) {
      let left = index;
      for (const group of grouped[split]) {
        const count = Math.ceil(group.length / most);
        if (left < count) return makeBatch(group.slice(left * most, (left + 1) * most), inputs);
        left -= count;
      }
      throw new RangeError(`The split ${split} has no batch ${index}.`);
    },
  };
}

interface Sequences {
  /** [items × length] */
  readonly ids: Int32Array;
  readonly items: number;
  readonly length: number;
}

function makeBatch(windows: readonly TokenWindow[], inputs: readonly string[]): Batch {
  const items = windows.length;
  const { length } = windows[0].ids;
  const ids = new Int32Array(items * length);
  windows.forEach((window, i) => {
    ids.set(window.ids, i * length);
  });
  const from = Int32Array.from(windows, (w) => w.from);
  return {
    feeds: feedsOf({ ids, items, length }, length, inputs),
    items,
    targets: { kind: 'next-token', ids, items, length, from },
  };
}

/** One sequence as the model takes it: repeated over a fixed batch, and filled up with id 0 to a fixed length. */
function oneSequence(ids: Int32Array, most: number, items: number, fixedLength: boolean): Sequences {
  if (ids.length < 1 || ids.length > most) {
    throw new RangeError(`A sequence of ${ids.length} tokens does not fit: 1 to ${most} can be fed.`);
  }
  const length = fixedLength ? most : ids.length;
  const all = new Int32Array(items * length);
  for (let i = 0; i < items; i++) all.set(ids, i * length);
  return { ids: all, items, length };
}

/** @param real tokens of each sequence that are text; the mask is 0 after them */
function feedsOf({ ids, items, length }: Sequences, real: number, inputs: readonly string[]): Feeds {
  const int64 = (value: (k: number) => number): HostTensor => ({
    type: 'int64',
    dims: [items, length],
    data: BigInt64Array.from(ids, (_, k) => BigInt(value(k))),
  });
  const makers: Record<string, () => HostTensor> = {
    input_ids: () => int64((k) => ids[k]),
    attention_mask: () => int64((k) => (k % length < real ? 1 : 0)),
    position_ids: () => int64((k) => k % length),
    token_type_ids: () => int64(() => 0),
  };
  const feeds: Record<string, HostTensor> = {};
  for (const name of inputs) if (makers[name]) feeds[name] = makers[name]();
  return feeds;
}
