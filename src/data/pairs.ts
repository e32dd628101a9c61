/**
 * Pairs of texts as a dataset for encoder–decoders: sources for the encoder, answers for the decoder.
 *
 * Pairs of like lengths share a batch, filled up on the right; masks are fed, and filled-up places are neither measured
 * nor scored. A model without an attention mask would read what is filled up, so that its batches hold sources of one
 * length. A fixed batch is filled up with the last pair again, which is not counted.
 *
 * Known limits: one tokenizer for both sides; a text that is too long is cut, as the models' own pipelines do.
 */
import type { Batch, Dataset, Feeds } from './dataset.ts';
import { type Answer, answerOf, type DecoderRules, decoderBatch } from './decoder.ts';
import { digestOf } from './digest.ts';
import { DataError } from './errors.ts';
import type { Extras } from './extras.ts';
import type { FeedPlan, Tokens } from './feeds.ts';
import { type NamedBlob, SPLITS, type SplitName } from './files.ts';
import { readPairs } from './pair-files.ts';
import { splitItems } from './split.ts';
import type { TextCodec } from './tokenizer.ts';

export interface PairOptions {
  readonly codec: TextCodec;
  readonly rules: DecoderRules;
  readonly plan: FeedPlan;
  readonly extras: Extras;
  /** Most tokens a side. */
  readonly contextLength: number;
  readonly contextSource: string;
  /** What the graph fixes. */
  readonly fixed: { readonly batch?: number; readonly source?: number; readonly target?: number };
}

const PAIRS_PER_BATCH = 8;

interface Item {
  readonly source: Int32Array;
  readonly answer: Answer;
  /** In its split, as the files give it. */
  readonly index: number;
}

type Items = Readonly<Record<SplitName, readonly Item[]>>;

/**
 * @param texts .txt, .jsonl, .src and .tgt
 * @param tables .csv, .tsv
 * @throws DataError for files that are no pairs, or too few of them
 */
export async function createPairDataset(
  texts: readonly NamedBlob[],
  tables: readonly NamedBlob[],
  options: PairOptions,
): Promise<Dataset> {
  const { codec, rules, plan, extras, contextLength, fixed } = options;
  const mostSource = fixed.source ?? contextLength;
  const mostTarget = fixed.target ?? contextLength;
  const named: Partial<Record<SplitName, Omit<Item, 'index'>[]>> = {};
  const unnamed: Omit<Item, 'index'>[] = [];
  const notes: string[] = [];
  const masked = plan.filled.includes('attention_mask') || plan.filled.includes('encoder_attention_mask');
  let [cut, short] = [0, 0];
  for (const { split, pairs, notes: told } of await readPairs(texts, tables)) {
    notes.push(...told);
    const items: Omit<Item, 'index'>[] = [];
    for (const { source, target } of pairs) {
      const from = sourceOf(codec, source, mostSource);
      const text = codec.encode(target, 'A target');
      const answer = answerOf(text, rules, mostTarget);
      if (from.cut || text.length + rules.prefix.length + rules.end.length > mostTarget) cut++;
      // What is filled up cannot be hidden from a model without a mask.
      if (!masked && fixed.source !== undefined && from.ids.length < fixed.source) short++;
      else items.push({ source: from.ids, answer });
    }
    if (split) named[split] = [...(named[split] ?? []), ...items];
    else unnamed.push(...items);
  }
  if (cut > 0) notes.push(`${cut} pair${cut > 1 ? 's' : ''} with longer texts are cut.`);
  if (short > 0) {
    notes.push(
      `The model takes exactly ${fixed.source} tokens and no mask: ${short} pair${short > 1 ? 's' : ''} with shorter sources are left out.`,
    );
  }
  const { splits, rule } = splitItems(named, unnamed, 'pairs');
  const numbered = (s: SplitName) => splits[s].map((item, index) => ({ ...item, index }));
  const items: Items = {
    calibrate: numbered('calibrate'),
    select: numbered('select'),
    report: numbered('report'),
  };
  const counts = {
    calibrate: items.calibrate.length,
    select: items.select.length,
    report: items.report.length,
  };
  extras.check(counts);
  const all = SPLITS.flatMap((s) => items[s]);
  const key = await digestOf(
    [...all.flatMap((item) => [item.source, item.answer.ids, item.answer.truth]), ...extras.parts],
    {
      kind: 'pairs',
      filled: plan.filled,
      fixed,
      pad: rules.pad,
      extras: extras.settings,
      splits: SPLITS.map((s) => items[s].map((item) => [item.source.length, item.answer.ids.length])),
    },
  );
  const per = (most: number) => fixed.batch ?? most;
  const groups = new Map<string, readonly (readonly Item[])[]>();
  const groupsOf = (split: SplitName, most: number) => {
    const name = `${split}/${most}`;
    const known = groups.get(name) ?? group(items[split], most, masked);
    groups.set(name, known);
    return known;
  };
  const feed = (chosen: readonly Item[], split?: SplitName): Batch =>
    makeBatch(chosen, options, counts, split);
  return {
    kind: 'pairs',
    unit: 'tokens',
    key,
    rule,
    notes: [...rules.notes, ...notes],
    contextLength,
    contextSource: options.contextSource,
    labelled: true,
    itemsPerBatch: fixed.batch ?? PAIRS_PER_BATCH,
    size: (split) => ({
      items: items[split].reduce((n, i) => n + i.source.length + i.answer.ids.length, 0),
      scored: items[split].reduce((n, i) => n + i.answer.truth.filter((id) => id >= 0).length, 0),
    }),
    batches: (split, most) => groupsOf(split, per(most)).length,
    batch(split, index, most) {
      const chosen = groupsOf(split, per(most))[index];
      if (!chosen) throw new RangeError(`The split ${split} has no batch ${index}.`);
      return feed(chosen, split);
    },
    decode: codec.decode,
    writer: {
      start: [rules.start, ...rules.prefix],
      end: rules.end,
      most: mostTarget,
      promptOf: (prompt) => prompt,
      feeds(prompt, decoder): Feeds {
        const { ids } = sourceOf(codec, prompt, mostSource);
        if (prompt.trim() === '') throw new DataError('Type a text: the model needs something to work on.');
        const truth = new Int32Array(decoder.length).fill(-1);
        return feed([{ source: ids, answer: { ids: decoder, truth }, index: 0 }]).feeds;
      },
    },
  };
}

/** Token ids between the tokenizer's special tokens, of at most `most`. */
function sourceOf(codec: TextCodec, text: string, most: number): { ids: Int32Array; cut: boolean } {
  const { before, after } = codec.around;
  const body = codec.encode(text, 'A source');
  const room = Math.max(1, most - before.length - after.length);
  const ids = [...before, ...body.subarray(0, room), ...after].slice(0, most);
  return { ids: Int32Array.from(ids), cut: body.length > room };
}

/** Pairs of like lengths together; where the encoder has no mask, sources of one length only. */
function group(items: readonly Item[], most: number, masked: boolean): Item[][] {
  const sorted = items.toSorted((a, b) =>
    masked
      ? a.answer.ids.length - b.answer.ids.length || a.source.length - b.source.length
      : a.source.length - b.source.length || a.answer.ids.length - b.answer.ids.length,
  );
  const groups: Item[][] = [];
  for (const item of sorted) {
    const last = groups.at(-1);
    const joins = last && last.length < most && (masked || last[0].source.length === item.source.length);
    if (joins) last.push(item);
    else groups.push([item]);
  }
  return groups;
}

function makeBatch(
  chosen: readonly Item[],
  { plan, extras, rules, fixed }: PairOptions,
  counts: Readonly<Record<SplitName, number>>,
  split: SplitName | undefined,
): Batch {
  const items = fixed.batch ?? chosen.length;
  const filled = Array.from({ length: items }, (_, k) => chosen[Math.min(k, chosen.length - 1)]);
  const counted = filled.map((_, k) => k < chosen.length);
  const lengthOf = (of: (item: Item) => Int32Array) => Math.max(...chosen.map((item) => of(item).length));
  const source = sourceBatch(filled, counted, fixed.source ?? lengthOf((i) => i.source), rules.pad);
  const decoder = decoderBatch(
    filled.map((item) => item.answer),
    counted,
    fixed.target ?? lengthOf((i) => i.answer.ids),
    rules.pad,
  );
  return {
    feeds: {
      ...plan.make({ items, tokens: source.tokens, decoder: decoder.tokens }),
      ...extras.feeds(items, counts, split && { split, rows: filled.map((item) => item.index) }),
    },
    items,
    targets: decoder.targets,
    padding: {
      ...(source.padding && { encoder: source.padding }),
      ...(decoder.padding && { decoder: decoder.padding }),
    },
  };
}

function sourceBatch(
  chosen: readonly Item[],
  counted: readonly boolean[],
  length: number,
  pad: number,
): { tokens: Tokens; padding: Uint8Array | undefined } {
  const ids = new Int32Array(chosen.length * length).fill(pad);
  const real = new Uint8Array(ids.length);
  const rows = new Uint8Array(ids.length);
  chosen.forEach(({ source }, i) => {
    ids.set(source, i * length);
    real.fill(1, i * length, i * length + source.length);
    if (counted[i]) rows.fill(1, i * length, i * length + source.length);
  });
  return { tokens: { ids, length, real }, padding: rows.includes(0) ? rows : undefined };
}
