/**
 * Sound as a dataset: for encoders of sound, for models that spell what they hear, and for encoder–decoders.
 *
 * Features (Whisper) are of a fixed length, silence included; frames that are silence added to a short clip are left out
 * of the encoder's statistics, as filled-up tokens are. Waveforms are batched with others of their length, so that
 * nothing is filled up. The decoder is fed the transcript where there is one, else only its beginning.
 *
 * Features are made when a batch asks for them; what was made last is kept, up to KEPT_BYTES.
 *
 * Known limits: the encoder is taken to halve the frames, as Whisper's does; where it does not, silence is counted.
 */

import { type Clip, readClips } from './clips.ts';
import type { Batch, Dataset, Targets } from './dataset.ts';
import { type Answer, answerOf, type DecoderRules, decoderBatch } from './decoder.ts';
import { digestOf } from './digest.ts';
import { tensorOf } from './elements.ts';
import { DataError } from './errors.ts';
import type { Extras } from './extras.ts';
import type { FeedPlan, TensorInput } from './feeds.ts';
import { type NamedBlob, SPLITS, type SplitName } from './files.ts';
import { createLogMel } from './mel.ts';
import { normaliseSound, type SoundRecipe } from './sound-recipe.ts';
import { splitItems } from './split.ts';
import type { TextCodec } from './tokenizer.ts';
import { readTranscripts } from './transcripts.ts';

export interface AudioSources {
  /** .wav */
  readonly recordings: readonly NamedBlob[];
  /** .npy: waveforms, or features as the model takes them. */
  readonly arrays: readonly NamedBlob[];
  readonly texts: readonly NamedBlob[];
  readonly tables: readonly NamedBlob[];
}

export interface AudioOptions {
  /** `input_features` or `input_values`. */
  readonly input: TensorInput;
  readonly recipe: SoundRecipe;
  readonly plan: FeedPlan;
  readonly extras: Extras;
  /** Encoder–decoders. */
  readonly decoder?: {
    readonly rules: DecoderRules;
    /** For transcripts and for writing. */
    readonly codec?: TextCodec;
    /** Places that can be fed, and whether exactly so many. */
    readonly most: number;
    readonly fixed?: number;
  };
  /** Size of a row of the scored output, where there is no decoder. */
  readonly width?: number;
}

const FEATURES_PER_BATCH = 4;
const WAVES_PER_BATCH = 8;
const WAVE_SECONDS = 10;
const KEPT_BYTES = 256 * 2 ** 20;

interface Item extends Clip {
  readonly answer?: Answer;
  readonly index: number;
}

/** @throws DataError for files that are no sound, or too few of them */
export async function createAudioDataset(sources: AudioSources, options: AudioOptions): Promise<Dataset> {
  const { input, recipe, plan, extras, decoder } = options;
  const { mel } = recipe;
  const rank = input.dims?.length ?? (mel ? 3 : 2);
  const fixedBatch = numberAt(input, 0);
  const fixedSamples = mel ? undefined : numberAt(input, 1);
  const frames = mel && Math.floor(mel.samples / mel.hop);
  checkFeatures(options);
  const told = decoder?.codec
    ? await readTranscripts(sources.recordings, sources.texts, sources.tables)
    : undefined;
  const { clips, notes } = await readClips(sources.recordings, sources.arrays, told, recipe, {
    length: mel?.samples ?? fixedSamples ?? WAVE_SECONDS * recipe.rate,
    exact: fixedSamples !== undefined,
    features: mel || input.name === 'input_features' ? rank : 0,
  });
  for (const clip of clips) if (clip.shape) checkShape(clip, input);
  const labelled = told !== undefined && clips.every((clip) => clip.text !== undefined);
  const named: Partial<Record<SplitName, Clip[]>> = {};
  for (const clip of clips) if (clip.split) named[clip.split] = [...(named[clip.split] ?? []), clip];
  const { splits, rule } = splitItems(
    named,
    clips.filter((clip) => !clip.split),
    'clips',
  );
  const items = Object.fromEntries(
    SPLITS.map((s) => [s, splits[s].map((clip, index) => ({ ...clip, index, ...answer(clip, decoder) }))]),
  ) as unknown as Readonly<Record<SplitName, readonly Item[]>>;
  const counts = {
    calibrate: items.calibrate.length,
    select: items.select.length,
    report: items.report.length,
  };
  extras.check(counts);
  const all = SPLITS.flatMap((s) => items[s]);
  const key = await digestOf([...all.map((item) => item.samples), ...extras.parts], {
    kind: 'audio',
    recipe,
    filled: plan.filled,
    fixedBatch: fixedBatch ?? null,
    extras: extras.settings,
    items: SPLITS.map((s) =>
      items[s].map((i) => [i.samples.length, i.shape ?? null, i.answer ? [...i.answer.ids] : null]),
    ),
  });
  const makeInput = inputMaker(options, frames);
  const per = (most: number) => fixedBatch ?? most;
  const grouped = new Map<string, readonly (readonly Item[])[]>();
  const groupsOf = (split: SplitName, most: number) => {
    const known = grouped.get(`${split}/${most}`) ?? group(items[split], most, mel !== undefined);
    grouped.set(`${split}/${most}`, known);
    return known;
  };
  const feed = (chosen: readonly Item[], split?: SplitName) =>
    makeBatch(chosen, options, fixedBatch, makeInput, counts, split);
  const find = (prompt: string): Item => {
    const wanted = prompt.trim().toLowerCase();
    return (
      items.report.find((i) => wanted !== '' && i.name.toLowerCase().startsWith(wanted)) ?? items.report[0]
    );
  };
  return {
    kind: 'audio',
    unit: 'clips',
    key,
    rule,
    notes: [...recipe.notes, ...notes, ...(decoder?.rules.notes ?? []), ...answerNotes(options, labelled)],
    labelled,
    itemsPerBatch: fixedBatch ?? (mel ? FEATURES_PER_BATCH : WAVES_PER_BATCH),
    size: (split) => ({
      items: items[split].length,
      scored: labelled
        ? items[split].reduce((n, i) => n + i.answer!.truth.filter((id) => id >= 0).length, 0)
        : items[split].length,
    }),
    batches: (split, most) => groupsOf(split, per(most)).length,
    batch(split, index, most) {
      const chosen = groupsOf(split, per(most))[index];
      if (!chosen) throw new RangeError(`The split ${split} has no batch ${index}.`);
      return feed(chosen, split);
    },
    ...(decoder?.codec && {
      decode: decoder.codec.decode,
      writer: {
        start: [decoder.rules.start, ...decoder.rules.prefix],
        end: decoder.rules.end,
        most: decoder.most,
        promptOf(prompt) {
          const { name, text } = find(prompt);
          return text === undefined ? name : `${name}: ${text}`;
        },
        feeds(prompt, ids) {
          const truth = new Int32Array(ids.length).fill(-1);
          return feed([{ ...find(prompt), answer: { ids, truth } }]).feeds;
        },
      },
    }),
  };
}

function numberAt({ dims }: TensorInput, axis: number): number | undefined {
  const dim = dims?.[axis];
  return typeof dim === 'number' ? dim : undefined;
}

/** @throws DataError where the features that the recipe makes are not those that the graph fixes */
function checkFeatures({ input, recipe: { mel } }: AudioOptions): void {
  if (!mel) return;
  const made = [mel.features, Math.floor(mel.samples / mel.hop)];
  const wanted = [numberAt(input, 1), numberAt(input, 2)];
  if (wanted.every((size, k) => size === undefined || size === made[k])) return;
  throw new DataError(
    `preprocessor_config.json makes features of ${made.join('×')}, but the model takes ${wanted.map((d) => d ?? '?').join('×')}. Drop the one that was saved with this model.`,
  );
}

function checkShape({ name, shape = [] }: Clip, { name: input, dims }: TensorInput): void {
  const wanted = dims?.slice(1) ?? shape;
  if (wanted.every((dim, k) => typeof dim !== 'number' || dim === shape[k])) return;
  throw new DataError(
    `“${name}” has features of ${shape.join('×')}, but the input “${input}” takes ${wanted.map((d) => (typeof d === 'number' ? d : '?')).join('×')}. Save it in that shape.`,
  );
}

function answer({ text }: Clip, decoder: AudioOptions['decoder']): { answer?: Answer } {
  if (!decoder) return {};
  const ids = text === undefined ? undefined : decoder.codec?.encode(text, 'A transcript');
  return { answer: answerOf(ids, decoder.rules, decoder.most) };
}

function answerNotes({ decoder }: AudioOptions, labelled: boolean): string[] {
  if (labelled) return [];
  return [
    decoder
      ? 'There are no transcripts, so the decoder is fed its beginning only, and its layers are measured on little: drop a .csv or .tsv of files and texts (with the tokenizer.json) to feed and score what is said.'
      : 'Nothing is known of right answers, so a merged model is compared with the original’s outputs.',
  ];
}

/** Clips of one length together; features all have the same. */
function group(items: readonly Item[], most: number, anyLength: boolean): Item[][] {
  const sizeOf = (item: Item) => item.shape?.join() ?? (anyLength ? '' : String(item.samples.length));
  const sorted = anyLength
    ? items.toSorted((a, b) => (a.answer?.ids.length ?? 0) - (b.answer?.ids.length ?? 0))
    : items.toSorted((a, b) => a.samples.length - b.samples.length);
  const groups: Item[][] = [];
  for (const item of sorted) {
    const last = groups.at(-1);
    if (last && last.length < most && sizeOf(last[0]) === sizeOf(item)) last.push(item);
    else groups.push([item]);
  }
  return groups;
}

interface Made {
  readonly values: Float32Array;
  /** Without the batch. */
  readonly shape: readonly number[];
}

/** Makes what one clip is fed as. */
function inputMaker({ recipe }: AudioOptions, frames: number | undefined): (item: Item) => Made {
  const { mel } = recipe;
  const logMel = mel && createLogMel(mel);
  const kept = new Map<Float32Array, Made>();
  let bytes = 0;
  return (item) => {
    const { samples } = item;
    if (item.shape) return { values: samples, shape: item.shape };
    const known = kept.get(samples);
    if (known) return known;
    const made = ((): Made => {
      if (!mel || !logMel)
        return { values: recipe.normalise ? normaliseSound(samples) : samples, shape: [samples.length] };
      const whole = new Float32Array(mel.samples);
      whole.set(samples);
      return { values: logMel(whole), shape: [mel.features, frames!] };
    })();
    bytes += made.values.byteLength;
    kept.set(samples, made);
    for (const [oldest, { values }] of kept) {
      if (bytes <= KEPT_BYTES || oldest === samples) break;
      kept.delete(oldest);
      bytes -= values.byteLength;
    }
    return made;
  };
}

function makeBatch(
  chosen: readonly Item[],
  { input, recipe, plan, extras, decoder, width }: AudioOptions,
  fixedBatch: number | undefined,
  makeInput: (item: Item) => Made,
  counts: Readonly<Record<SplitName, number>>,
  split: SplitName | undefined,
): Batch {
  const items = fixedBatch ?? chosen.length;
  const filled = Array.from({ length: items }, (_, k) => chosen[Math.min(k, chosen.length - 1)]);
  const counted = filled.map((_, k) => k < chosen.length);
  const isFull = items === chosen.length;
  const made = filled.map(makeInput);
  const { shape } = made[0];
  const size = shape.reduce((n, d) => n * d, 1);
  const values = new Float32Array(items * size);
  made.forEach((m, k) => {
    values.set(m.values, k * size);
  });
  const answers = filled.flatMap((item) => item.answer ?? []);
  const spoken =
    decoder &&
    decoderBatch(
      answers,
      counted,
      decoder.fixed ?? Math.max(...answers.map((a) => a.ids.length)),
      decoder.rules.pad,
    );
  const real = Uint8Array.from(counted, Number);
  const alone: Targets = {
    kind: 'none',
    items,
    ...(width !== undefined && { width }),
    ...(!isFull && { real }),
  };
  const heard = recipe.mel && frameMask(filled, shape, recipe.mel.hop);
  const whole = plan.make({
    items,
    made: { [input.name]: tensorOf(input.elemType, [items, ...shape], values) },
    sound: { length: shape.at(-1)! },
    ...(spoken && { decoder: spoken.tokens }),
  });
  return {
    feeds: {
      ...whole,
      ...extras.feeds(items, counts, split && { split, rows: filled.map((item) => item.index) }),
    },
    items,
    targets: spoken?.targets ?? alone,
    padding: {
      ...(!isFull && { items: real }),
      ...(heard && { encoder: heard }),
      ...(spoken?.padding && { decoder: spoken.padding }),
    },
  };
}

/** [items × half of the frames]: 1 where a clip still sounds. Absent where all of them fill their frames. */
function frameMask(items: readonly Item[], shape: readonly number[], hop: number): Uint8Array | undefined {
  const places = Math.ceil(shape.at(-1)! / 2);
  const mask = new Uint8Array(items.length * places);
  items.forEach((item, k) => {
    const heard = item.shape ? places : Math.min(places, Math.ceil(item.samples.length / hop / 2));
    mask.fill(1, k * places, k * places + heard);
  });
  return mask.includes(0) ? mask : undefined;
}
