/**
 * The decoder's side of an encoder–decoder: what it is fed while it is told the right answer (teacher forcing).
 *
 * The decoder is fed [start, prefix, text] and is to give [prefix, text, end], one place on. The prefix (a language, a
 * task) is given, so it is not scored. Sequences of one batch are filled up on the right; what is filled up is neither
 * scored nor counted as a row.
 *
 * Source: the shift of labels in Hugging Face's encoder–decoder models; `forced_bos_token_id`, `forced_decoder_ids`,
 * `lang_to_id` and `task_to_id` of their generation configuration.
 */
import { type Json, listOf, wholeOf } from './config.ts';
import type { Targets } from './dataset.ts';
import type { Tokens } from './feeds.ts';
import type { TextCodec } from './tokenizer.ts';

export interface DecoderRules {
  readonly start: number;
  /** Tokens that are given after the start. */
  readonly prefix: readonly number[];
  /** Tokens that end a text. */
  readonly end: readonly number[];
  /** Fills up. */
  readonly pad: number;
  /** Sentences. */
  readonly notes: readonly string[];
}

/**
 * @param config config.json and generation_config.json, of which the latter goes first
 */
export function decoderRules(config: Json, generation: Json, codec: TextCodec | undefined): DecoderRules {
  const both = { ...config, ...withoutNulls(generation) };
  const told = wholeOf(both, ['decoder_start_token_id'], 0);
  const start = told ?? wholeOf(both, ['pad_token_id'], 0) ?? 0;
  const { before, after } = codec?.around ?? { before: [], after: [] };
  const speech = speechPrefix(both);
  const forced = listOf(both, 'forced_bos_token_id');
  const ends = listOf(both, 'eos_token_id');
  return {
    start,
    prefix: speech.ids ?? (forced.length > 0 ? forced : before.filter((id) => id !== start)),
    end: after.length > 0 ? after : ends.slice(0, 1),
    pad: wholeOf(both, ['pad_token_id'], 0) ?? 0,
    notes: [
      ...(told === undefined
        ? [
            `Neither generation_config.json nor config.json says how the decoder begins: token ${start} is taken. Drop them if that is wrong.`,
          ]
        : []),
      ...speech.notes,
    ],
  };
}

function withoutNulls(json: Json): Json {
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null));
}

/** Whisper: language, task, and that no times are wanted. */
function speechPrefix(json: Json): { ids?: readonly number[]; notes: readonly string[] } {
  const forced = json.forced_decoder_ids;
  const pairs = Array.isArray(forced) ? forced.filter((p) => Array.isArray(p)) : [];
  const languages = json.lang_to_id as Readonly<Record<string, number>> | undefined;
  const tasks = json.task_to_id as Readonly<Record<string, number>> | undefined;
  const english = languages?.['<|en|>'];
  const noTimes = wholeOf(json, ['no_timestamps_token_id'], 0);
  if (pairs.length > 0) {
    const missing = pairs.some(([, id]) => !Number.isInteger(id));
    const ids = pairs.map(([, id]) => (Number.isInteger(id) ? (id as number) : english));
    return {
      ids: ids.filter((id) => id !== undefined),
      notes: missing && english !== undefined ? [ENGLISH] : [],
    };
  }
  if (english === undefined) {
    return noTimes === undefined ? { notes: [] } : { ids: [noTimes], notes: [] };
  }
  const ids = [english, tasks?.transcribe, noTimes].filter((id) => id !== undefined);
  return { ids, notes: [ENGLISH] };
}

const ENGLISH = 'The speech is taken as English.';

/** One text for the decoder. */
export interface Answer {
  /** Fed. */
  readonly ids: Int32Array;
  /** What each place is to give; −1 where it is not scored. */
  readonly truth: Int32Array;
}

/**
 * @param text token ids, or undefined where the answer is not known: the decoder then gets start and prefix only
 * @param most places that can be fed; longer texts are cut
 */
export function answerOf(text: Int32Array | undefined, rules: DecoderRules, most: number): Answer {
  const { start, prefix, end } = rules;
  const head = [start, ...prefix];
  if (!text) {
    const ids = Int32Array.from(head.slice(0, most));
    return { ids, truth: new Int32Array(ids.length).fill(-1) };
  }
  const wanted = [...prefix, ...text, ...end];
  const ids = Int32Array.from(
    [...head, ...text, ...end.slice(0, -1)].slice(0, Math.min(most, wanted.length)),
  );
  const truth = Int32Array.from(ids, (_, k) => (k < prefix.length ? -1 : wanted[k]));
  return { ids, truth };
}

/**
 * @param counted 0 for an item that only fills a fixed batch
 * @param length places of the batch
 */
export function decoderBatch(
  answers: readonly Answer[],
  counted: readonly boolean[],
  length: number,
  pad: number,
): { tokens: Tokens; targets: Targets; padding: Uint8Array | undefined } {
  const items = answers.length;
  const ids = new Int32Array(items * length).fill(pad);
  const truth = new Int32Array(items * length).fill(-1);
  const real = new Uint8Array(items * length);
  const rows = new Uint8Array(items * length);
  answers.forEach((answer, i) => {
    ids.set(answer.ids, i * length);
    real.fill(1, i * length, i * length + answer.ids.length);
    if (!counted[i]) return;
    truth.set(answer.truth, i * length);
    rows.fill(1, i * length, i * length + answer.ids.length);
  });
  const padding = rows.includes(0) ? rows : undefined;
  return {
    tokens: { ids, length, real },
    targets: { kind: 'token', ids: truth, items, length, ...(padding && { real: padding }) },
    padding,
  };
}
