/**
 * Text as windows of token ids: chunks for statistics and the paper's perplexity, strided windows on demand.
 *
 * A last chunk of at least two tokens is kept, shorter, in a batch of its own: no padding. A model that takes exactly
 * contextLength tokens gets whole windows only, so that no padding is ever measured or scored; for one that takes
 * several at once, a batch is filled up with its last item, which then is not counted.
 *
 * Models that only encode get each chunk between the special tokens of their tokenizer: a masked language model with
 * some tokens hidden (masking.ts), others as it is, without targets.
 */
import { DataType } from '../tensor/dtype.ts';
import { createSeeded } from '../tensor/seeded.ts';
import type { Batch, Dataset, Feeds, Targets } from './dataset.ts';
import { digestOf } from './digest.ts';
import { DataError } from './errors.ts';
import { type Extras, NO_EXTRAS } from './extras.ts';
import { type FeedPlan, planFeeds } from './feeds.ts';
import { type NamedBlob, SPLITS, type SplitName, splitOf } from './files.ts';
import { hideTokens, MASKED_SHARE } from './masking.ts';
import { splitItems } from './split.ts';
import { readText } from './text-files.ts';
import { loadTokenizer, type TextCodec } from './tokenizer.ts';
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
  /** How they are filled; where absent, as int64 [batch, length]. */
  readonly feeds?: FeedPlan;
  /** Inputs that were given beside the text. */
  readonly extras?: Extras;
  /** What the model does with text; predicting the next token where absent. */
  readonly style?: TextStyle;
  /** For `encode`: the scored output has one row an item, and its rows' width where known. */
  readonly pooled?: boolean;
  readonly width?: number;
  /** Size of the model's token table, where known: larger ids are refused. */
  readonly vocabulary?: number;
  /** Sequences that the model takes at once, where its graph fixes that. */
  readonly fixedBatch?: number;
  /** The model takes exactly contextLength tokens. */
  readonly fixedLength?: boolean;
}

/** Predicts the next token, hidden tokens, or gives vectors (or classes) that can only be compared. */
export type TextStyle = 'next-token' | 'masked' | 'encode';

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
  const { contextLength, inputs, fixedBatch, fixedLength = false, style = 'next-token' } = options;
  const codec = await loadTokenizer(tokenizerFile, options.vocabulary);
  const plan = options.feeds ?? planFeeds(inputs.map(plainInput), ['tokens']);
  const around = style === 'next-token' ? NOTHING : codec.around;
  const chunkLength = contextLength - around.before.length - around.after.length;
  if (chunkLength < 2) {
    throw new DataError(
      `The model takes ${contextLength} tokens, of which this tokenizer’s special ones leave ${Math.max(0, chunkLength)} for text. Drop the tokenizer.json that belongs to this model, or give a longer context length.`,
    );
  }
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
    const chunks = cutChunks(ids, chunkLength).filter(
      ({ start, end }) => !fixedLength || end - start === chunkLength,
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
  const { splits, rule } = splitItems(named, unnamed, `chunks of ${chunkLength} tokens`);
  const spans = mapSplits(splits, joinChunks);
  const extras = options.extras ?? NO_EXTRAS;
  const key = await digestOf(
    [
      ...SPLITS.flatMap((s) => spans[s].map(({ text, start, end }) => text.subarray(start, end))),
      ...extras.parts,
    ],
    {
      kind: 'text',
      contextLength,
      fixedLength,
      inputs,
      lengths: SPLITS.map((s) => spans[s].map(({ start, end }) => end - start)),
      ...(style !== 'next-token' && { style, around, mask: codec.mask ?? null, pooled: options.pooled }),
      ...(extras !== NO_EXTRAS && { extras: extras.settings }),
      ...(fixedBatch !== undefined && { fixedBatch }),
    },
  );
  const feeding: Feeding = {
    plan,
    extras,
    ...(fixedBatch !== undefined && { fixedBatch }),
    ...(options.pooled && { pooled: true }),
    ...(options.width !== undefined && { width: options.width }),
  };
  const chunkWindows = mapSplits(splits, (c) => c.map(chunkWindow));
  const items = wrap(chunkWindows, style, codec);
  extras.check(mapCounts(items));

  // The last one asked for: scoring asks again for each variant.
  let lastStrided: Dataset | undefined;
  const common = {
    kind: 'text',
    unit: 'tokens',
    ...(options.pooled && { scoredUnit: 'chunks' as const }),
    rule,
    notes: [
      ...told,
      ...(fixedLength
        ? [`The model takes exactly ${contextLength} tokens: a shorter rest of a text is left out.`]
        : []),
      ...styleNotes(style, codec),
    ],
    contextLength,
    contextSource: options.contextSource,
    labelled: style === 'next-token' || (style === 'masked' && codec.mask !== undefined),
    itemsPerBatch: fixedBatch ?? CHUNKS_PER_BATCH,
    decode: codec.decode,
  } as const;
  const chunks = accessTo(items, feeding);
  if (style !== 'next-token') {
    const mask = style === 'masked' ? codec.mask : undefined;
    return { ...common, key, ...chunks, ...(mask !== undefined && { maskToken: mask }) };
  }
  const causal = {
    ...common,
    encode: (text: string) => codec.encode(text, 'The text'),
    feedsFor: (ids: Int32Array) => oneSequence(ids, contextLength, fixedLength, feeding, mapCounts(items)),
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
      lastStrided = { ...causal, key: stridedKey, ...accessTo(wrap(windows, style, codec), feeding) };
      return lastStrided;
    },
  } as const;
  return { ...causal, key, ...chunks };
}

const NOTHING: TextCodec['around'] = { before: [], after: [] };
const plainInput = (name: string) => ({ name, elemType: DataType.int64, dims: ['batch', 'length'] });

function styleNotes(style: TextStyle, { mask }: TextCodec): string[] {
  if (style === 'masked' && mask === undefined)
    return [
      'This tokenizer has no mask token, so nothing can be hidden from the model: a merged one is compared with the original’s outputs.',
    ];
  if (style === 'masked')
    return [
      `${Math.round(MASKED_SHARE * 100)} % of the tokens, drawn with a fixed seed, are hidden behind the mask token; those are scored.`,
    ];
  return style === 'encode'
    ? ['Nothing is known of right answers, so a merged model is compared with the original’s outputs.']
    : [];
}

/** A window as it is fed. */
interface Item extends TokenWindow {
  /** In its split, as the files give it. */
  readonly index: number;
  /** What the model is to find at each position; −1 where nothing was hidden. */
  readonly truth?: Int32Array;
}

/** Puts special tokens around chunks, and hides some tokens. */
function wrap(windows: BySplit<TokenWindow>, style: TextStyle, { around, mask }: TextCodec): BySplit<Item> {
  const random = createSeeded(MASK_SEED);
  return mapSplits(windows, (of) =>
    of.map((window, index): Item => {
      if (style === 'next-token') return { ...window, index };
      const { before, after } = around;
      const ids = Int32Array.from([...before, ...window.ids, ...after]);
      if (style !== 'masked' || mask === undefined) return { ids, from: 0, index };
      return { from: 0, index, ...hideTokens(ids, [before.length, ids.length - after.length], mask, random) };
    }),
  );
}

const MASK_SEED = 1;

/** How batches are fed. */
interface Feeding {
  readonly plan: FeedPlan;
  readonly extras: Extras;
  readonly fixedBatch?: number;
  readonly pooled?: boolean;
  readonly width?: number;
}

function mapCounts(items: BySplit<unknown>): Record<SplitName, number> {
  return {
    calibrate: items.calibrate.length,
    select: items.select.length,
    report: items.report.length,
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
function accessTo(items: BySplit<Item>, feeding: Feeding): Pick<Dataset, 'size' | 'batches' | 'batch'> {
  const grouped = mapSplits(items, groupByLength) as BySplit<Item[]>;
  const per = (most: number) => feeding.fixedBatch ?? most;
  const counts = mapCounts(items);
  const scoredOf = ({ ids, from, truth }: Item) =>
    truth ? truth.reduce((n, id) => n + (id >= 0 ? 1 : 0), 0) : feeding.pooled ? 1 : ids.length - from;
  return {
    size: (split) => ({
      items: items[split].reduce((n, { ids }) => n + ids.length, 0),
      scored: items[split].reduce((n, item) => n + scoredOf(item), 0),
    }),
    batches: (split, most) => grouped[split].reduce((n, g) => n + Math.ceil(g.length / per(most)), 0),
    batch(split, index, most) {
      let left = index;
      for (const group of grouped[split]) {
        const count = Math.ceil(group.length / per(most));
        if (left < count) {
          const chosen = group.slice(left * per(most), (left + 1) * per(most));
          return makeBatch(chosen, feeding, split, counts);
        }
        left -= count;
      }
      throw new RangeError(`The split ${split} has no batch ${index}.`);
    },
  };
}

function makeBatch(
  chosen: readonly Item[],
  { plan, extras, fixedBatch, pooled, width }: Feeding,
  split: SplitName,
  counts: Readonly<Record<SplitName, number>>,
): Batch {
  const items = fixedBatch ?? chosen.length;
  const filled = Array.from({ length: items }, (_, k) => chosen[Math.min(k, chosen.length - 1)]);
  const { length } = chosen[0].ids;
  const ids = joined(filled.map((item) => item.ids));
  const [{ from, truth }] = chosen;
  const isFull = items === chosen.length;
  const counted = Uint8Array.from(filled, (_, k) => (k < chosen.length ? 1 : 0));
  const targets = ((): Targets => {
    if (truth) {
      const hidden = joined(filled.map((item) => item.truth!));
      return { kind: 'token', ids: hidden.fill(-1, chosen.length * length), items, length };
    }
    if (from === 0)
      return { kind: 'none', items: pooled ? items : items * length, ...(width !== undefined && { width }) };
    const firsts = Int32Array.from(filled, (item, k) => (k < chosen.length ? item.from : length));
    return { kind: 'next-token', ids, items, length, from: firsts };
  })();
  return {
    feeds: {
      ...plan.make({ items, tokens: { ids, length } }),
      ...extras.feeds(items, counts, { split, rows: filled.map((item) => item.index) }),
    },
    items,
    targets: isFull ? targets : { ...targets, real: counted },
    ...(!isFull && { padding: { items: counted } }),
  };
}

function joined(rows: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(rows.length * rows[0].length);
  rows.forEach((row, i) => {
    all.set(row, i * row.length);
  });
  return all;
}

/** One sequence as the model takes it: repeated over a fixed batch, and filled up with id 0 to a fixed length. */
function oneSequence(
  ids: Int32Array,
  most: number,
  fixedLength: boolean,
  { plan, extras, fixedBatch: items = 1 }: Feeding,
  counts: Readonly<Record<SplitName, number>>,
): Feeds {
  if (ids.length < 1 || ids.length > most) {
    throw new RangeError(`A sequence of ${ids.length} tokens does not fit: 1 to ${most} can be fed.`);
  }
  const length = fixedLength ? most : ids.length;
  const one = new Int32Array(length);
  one.set(ids);
  const all = joined(Array.from({ length: items }, () => one));
  const real = Uint8Array.from(all, (_, k) => (k % length < ids.length ? 1 : 0));
  return { ...plan.make({ items, tokens: { ids: all, length, real } }), ...extras.feeds(items, counts) };
}
