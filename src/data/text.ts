/**
 * Text as chunks of token ids.
 *
 * The paper's perplexity on non-overlapping chunks: each chunk of `contextLength` tokens predicts its last
 * contextLength − 1. A last chunk of at least two tokens is kept, shorter, in a batch of its own: no padding.
 *
 * Known limits: the whole text is encoded in one go, in the worker; some hundred megabytes are too much.
 */
import type { HostTensor } from '../runtime/session.ts';
import type { Batch, Dataset } from './dataset.ts';
import { DataError } from './errors.ts';
import { type NamedBlob, SPLITS, type SplitName, splitOf } from './files.ts';
import { splitItems } from './split.ts';

export interface TextOptions {
  readonly contextLength: number;
  /** A sentence: where that number came from. */
  readonly contextSource: string;
  /** Names of the model's inputs that text can fill. */
  readonly inputs: readonly string[];
  /** Size of the model's token table, where known: larger ids are refused. */
  readonly vocabulary?: number;
}

interface Encoder {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
}

/** Model inputs that a text dataset can fill. */
export const TEXT_INPUTS: readonly string[] = [
  'input_ids',
  'attention_mask',
  'position_ids',
  'token_type_ids',
];
const CHUNKS_PER_BATCH = 8;

/**
 * @param tokenizerFile a tokenizer.json
 * @throws DataError for a tokenizer that cannot be read, or text too short for three splits
 */
export async function createTextDataset(
  files: readonly NamedBlob[],
  tokenizerFile: NamedBlob,
  options: TextOptions,
): Promise<Dataset> {
  const encoder = await loadTokenizer(tokenizerFile);
  const named: Partial<Record<SplitName, Int32Array[]>> = {};
  const unnamed: Int32Array[] = [];
  for (const file of files) {
    const text = await file.text();
    let ids: number[];
    try {
      ({ ids } = encoder.encode(text, { add_special_tokens: false }));
    } catch (error) {
      throw new DataError(
        `“${file.name}” could not be encoded with this tokenizer: ${error instanceof Error ? error.message : error}. Check that tokenizer.json belongs to the model.`,
      );
    }
    checkIds(ids, file.name, options.vocabulary);
    const split = splitOf(file.name);
    const chunks = cutChunks(ids, options.contextLength);
    if (split) named[split] = [...(named[split] ?? []), ...chunks];
    else unnamed.push(...chunks);
  }
  const { splits, rule } = splitItems(named, unnamed, `chunks of ${options.contextLength} tokens`);
  const grouped = Object.fromEntries(SPLITS.map((s) => [s, groupByLength(splits[s])])) as Record<
    SplitName,
    Int32Array[][]
  >;

  return {
    kind: 'text',
    unit: 'tokens',
    key: `text:${files.map((f) => `${f.name}/${f.size}`).join(',')}:${options.contextLength}`,
    rule,
    notes: [],
    contextLength: options.contextLength,
    contextSource: options.contextSource,
    itemsPerBatch: CHUNKS_PER_BATCH,
    size(split) {
      const items = splits[split].reduce((n, c) => n + c.length, 0);
      return { items, scored: items - splits[split].length };
    },
    batches: (split, most) => grouped[split].reduce((n, g) => n + Math.ceil(g.length / most), 0),
    batch(split, index, most) {
      let left = index;
      for (const group of grouped[split]) {
        const count = Math.ceil(group.length / most);
        if (left < count) return makeBatch(group.slice(left * most, (left + 1) * most), options.inputs);
        left -= count;
      }
      throw new RangeError(`The split ${split} has no batch ${index}.`);
    },
  };
}

async function loadTokenizer(file: NamedBlob): Promise<Encoder> {
  try {
    const { Tokenizer } = await import('@huggingface/tokenizers');
    return new Tokenizer(JSON.parse(await file.text()), {});
  } catch (error) {
    throw new DataError(
      `“${file.name}” could not be read as a tokenizer: ${error instanceof Error ? error.message : error}. Drop the tokenizer.json that was saved with the model.`,
    );
  }
}

function checkIds(ids: readonly number[], name: string, vocabulary: number | undefined): void {
  const bad = ids.findIndex((id) => id === undefined || (vocabulary !== undefined && id >= vocabulary));
  if (bad >= 0) {
    throw new DataError(
      `“${name}” has a token of id ${ids[bad] ?? 'unknown'} at position ${bad}, but the model's table has ${vocabulary} tokens. Drop the tokenizer.json that belongs to this model.`,
    );
  }
}

function cutChunks(ids: readonly number[], length: number): Int32Array[] {
  const chunks: Int32Array[] = [];
  for (let from = 0; from + 1 < ids.length; from += length) {
    chunks.push(Int32Array.from(ids.slice(from, from + length)));
  }
  return chunks;
}

/** Runs of chunks of equal length, in order: a batch needs one length. */
function groupByLength(chunks: readonly Int32Array[]): Int32Array[][] {
  const groups: Int32Array[][] = [];
  for (const chunk of chunks) {
    const last = groups.at(-1);
    if (last && last[0].length === chunk.length) last.push(chunk);
    else groups.push([chunk]);
  }
  return groups;
}

function makeBatch(chunks: readonly Int32Array[], inputs: readonly string[]): Batch {
  const items = chunks.length;
  const length = chunks[0].length;
  const ids = new Int32Array(items * length);
  chunks.forEach((chunk, i) => {
    ids.set(chunk, i * length);
  });
  const dims = [items, length];
  const int64 = (value: (k: number) => number): HostTensor => ({
    type: 'int64',
    dims,
    data: BigInt64Array.from(ids, (_, k) => BigInt(value(k))),
  });
  const makers: Record<string, () => HostTensor> = {
    input_ids: () => int64((k) => ids[k]),
    attention_mask: () => int64(() => 1),
    position_ids: () => int64((k) => k % length),
    token_type_ids: () => int64(() => 0),
  };
  const feeds: Record<string, HostTensor> = {};
  for (const name of inputs) if (makers[name]) feeds[name] = makers[name]();
  return { feeds, items, targets: { kind: 'next-token', ids, items, length } };
}
