/**
 * Original and variant side by side on real outputs: text written from one prompt, or guesses on images.
 *
 * Text: both models begin with the same prompt and the same seed. Each token is chosen from the logits of the last
 * position; once prompt and text are longer than the context length, only the last contextLength tokens are fed, with
 * positions from 0 again. The texts of the result do not repeat the prompt. Asked for no tokens at all, a text model
 * shows instead what it holds likeliest to follow pieces of the report split.
 * Encoder–decoders: the prompt goes to the encoder, and the decoder writes until it gives an end token. Models of sound
 * take a clip of the report split instead, named by the prompt.
 * Masked language models show what they hold likeliest behind a mask. Images: up to twelve, spread evenly over the
 * report split.
 *
 * Known limits: caches of keys and values are fed empty at every step, so a text costs tokens × one run of the model
 * over at most contextLength tokens, and with an encoder its run each time; decoders alone do not stop at an
 * end-of-text token, which their files name in too many ways.
 */
import type { Dataset, Feeds, Writer } from '../data/dataset.ts';
import { DataError } from '../data/errors.ts';
import { createUniform, likeliest, pickToken } from '../evaluate/sampling.ts';
import type { StageContext } from './context.ts';
import type { Changes } from './live-model.ts';
import type {
  ClassGuess,
  ExampleResult,
  GenerateRequest,
  ImageExample,
  Task,
  TokenExample,
} from './types.ts';

const MOST_TOKENS = 4096;
const IMAGES = 12;
const PIECES = 6;
const LIKELIEST = 5;
/** Tokens before the one in question that are shown. */
const SHOWN_CONTEXT = 48;

/** A dataset of text, with what generation needs of it. */
type TextDataset = Dataset & Required<Pick<Dataset, 'encode' | 'decode' | 'feedsFor' | 'contextLength'>>;

/**
 * @param changes of the variant; without any, the original stands on both sides and runs once
 * @throws DataError with a sentence for a prompt or settings that cannot be used; the signal's reason when cancelled
 */
export async function makeExamples(
  context: StageContext,
  request: GenerateRequest,
  changes: Changes | undefined,
): Promise<ExampleResult> {
  const { dataset } = context;
  if (!dataset) throw new DataError('Examples need the model’s data. Drop some under “Calibrate” first.');
  if (dataset.kind === 'images' && !['image-encoder', 'text-and-image'].includes(context.opened.task)) {
    return { kind: 'images', items: await imageExamples(context, dataset, changes) };
  }
  if (dataset.maskToken !== undefined) {
    return { kind: 'tokens', items: await maskExamples(context, dataset, dataset.maskToken, changes) };
  }
  if (dataset.writer) return answerExamples(context, dataset, dataset.writer, request, changes);
  if (!isText(dataset)) throw new DataError(noTextSentence(dataset, context.opened.task));
  checkRequest(request);
  if (request.tokens === 0) return { kind: 'tokens', items: await tokenExamples(context, dataset, changes) };
  const prompt = dataset.encode(request.prompt);
  if (prompt.length === 0) throw new DataError('Type a prompt: the model needs something to go on from.');
  context.job.expect(request.tokens * (changes ? 2 : 1));
  const original = await write(context, dataset, prompt, request, 'original');
  const merged = changes ? await write(context, dataset, prompt, request, 'merged model', changes) : original;
  return { kind: 'text', prompt: request.prompt, original, merged };
}

function noTextSentence({ kind }: Dataset, task: Task): string {
  return kind === 'tensors' || task === 'seq2seq-audio'
    ? 'This data has no tokenizer, so no text can be written.'
    : 'This model writes no text: compare it by the scores.';
}

function isText(dataset: Dataset): dataset is TextDataset {
  const { encode, decode, feedsFor, contextLength } = dataset;
  return Boolean(encode && decode && feedsFor && contextLength);
}

function checkRequest({ tokens, temperature, seed }: GenerateRequest): void {
  if (!Number.isInteger(tokens) || tokens < 0 || tokens > MOST_TOKENS) {
    throw new DataError(`${tokens} tokens cannot be written: give a whole number from 0 to ${MOST_TOKENS}.`);
  }
  if (!Number.isFinite(temperature) || temperature < 0) {
    throw new DataError(
      `A temperature of ${temperature} is not possible: give 0 (always the likeliest) or more.`,
    );
  }
  if (!Number.isSafeInteger(seed)) throw new DataError(`The seed ${seed} is not a whole number.`);
}

/** The text that a model writes after the prompt. */
async function write(
  context: StageContext,
  dataset: TextDataset,
  prompt: Int32Array,
  { tokens, temperature, seed }: GenerateRequest,
  who: string,
  changes?: Changes,
): Promise<string> {
  const ids = [...prompt];
  const uniform = createUniform(seed);
  for (let k = 0; k < tokens; k++) {
    const logits = await nextLogits(
      context,
      dataset,
      Int32Array.from(ids.slice(-dataset.contextLength)),
      changes,
    );
    ids.push(pickToken(logits, temperature, uniform));
    await context.job.step(`Writing with the ${who}, token ${k + 1} of ${tokens}`);
  }
  // Decoded with the prompt: many tokenizers write a word's first token differently at the beginning of a text.
  const before = dataset.decode(prompt);
  const all = dataset.decode(ids);
  return all.startsWith(before) ? all.slice(before.length) : dataset.decode(ids.slice(prompt.length));
}

/** What an encoder–decoder makes of the prompt. */
async function answerExamples(
  context: StageContext,
  dataset: Dataset,
  writer: Writer,
  request: GenerateRequest,
  changes: Changes | undefined,
): Promise<ExampleResult> {
  checkRequest(request);
  const prompt = writer.promptOf(request.prompt);
  const tokens = Math.min(request.tokens || ANSWER_TOKENS, writer.most - writer.start.length);
  context.job.expect(tokens * (changes ? 2 : 1));
  const original = await answer(context, dataset, writer, { ...request, tokens }, 'original');
  const merged = changes
    ? await answer(context, dataset, writer, { ...request, tokens }, 'merged model', changes)
    : original;
  return { kind: 'text', prompt, original, merged };
}

/** Tokens of an answer where none were asked for. */
const ANSWER_TOKENS = 40;

async function answer(
  context: StageContext,
  dataset: Dataset,
  writer: Writer,
  { prompt, tokens, temperature, seed }: GenerateRequest,
  who: string,
  changes?: Changes,
): Promise<string> {
  const written: number[] = [];
  const uniform = createUniform(seed);
  for (let k = 0; k < tokens; k++) {
    const ids = Int32Array.from([...writer.start, ...written]);
    const logits = await logitsRow(context, writer.feeds(prompt, ids), ids.length - 1, changes);
    const next = pickToken(logits, temperature, uniform);
    await context.job.step(`Writing with the ${who}, token ${k + 1} of ${tokens}`);
    if (writer.end.includes(next)) break;
    written.push(next);
  }
  return dataset.decode?.(written) ?? written.join(' ');
}

/** What both models hold likeliest behind one mask of some pieces. */
async function maskExamples(
  context: StageContext,
  dataset: Dataset,
  mask: number,
  changes: Changes | undefined,
): Promise<TokenExample[]> {
  const chosen = spread(dataset.batches('report', 1), PIECES);
  const decode = (ids: ArrayLike<number>) => dataset.decode?.(ids) ?? Array.from(ids).join(' ');
  context.job.expect(chosen.length);
  const items: TokenExample[] = [];
  for (const chunk of chosen) {
    const { feeds, targets } = dataset.batch('report', chunk, 1);
    if (targets.kind !== 'token') continue;
    const truth = targets.ids.subarray(0, targets.length);
    const at = truth.findIndex((id, k) => id >= 0 && k >= truth.length / 2);
    const row = at >= 0 ? at : truth.findIndex((id) => id >= 0);
    const guess = async (by: Changes | undefined) =>
      likeliest(await logitsRow(context, feeds, row, by), LIKELIEST).map(({ id, probability }) => ({
        token: decode([id]),
        probability,
      }));
    const original = await guess(undefined);
    const merged = changes ? await guess(changes) : original;
    const input = feeds.input_ids?.data as ArrayLike<number | bigint>;
    const before = Array.from(input, Number).slice(Math.max(0, row - SHOWN_CONTEXT), row + 1);
    items.push({
      context: decode([...before.slice(0, -1), mask]),
      truth: decode([truth[row]]),
      original,
      merged,
    });
    await context.job.step(`Guessing a hidden token, ${items.length} of ${chosen.length}`);
  }
  return items;
}

/** Logits after the last of 1 to contextLength tokens, [vocabulary]. */
async function nextLogits(
  context: StageContext,
  dataset: TextDataset,
  ids: Int32Array,
  changes: Changes | undefined,
): Promise<Float32Array> {
  return logitsRow(context, dataset.feedsFor(ids), ids.length - 1, changes);
}

/** Row `row` of the output that is scored, over its last axis. */
async function logitsRow(
  { live, opened }: StageContext,
  feeds: Feeds,
  row: number,
  changes: Changes | undefined,
): Promise<Float32Array> {
  const name = opened.scoreOutput?.name;
  if (!name) throw new DataError('This model has no floating-point output that could be shown.');
  const { [name]: output } = await live.run(feeds, [name], changes ? { changes } : {});
  try {
    const width = output.dims.at(-1)!;
    const values = (await output.read()) as Float32Array;
    return values.slice(row * width, (row + 1) * width);
  } finally {
    output.release();
  }
}

async function tokenExamples(
  context: StageContext,
  dataset: TextDataset,
  changes: Changes | undefined,
): Promise<TokenExample[]> {
  const chunks = dataset.batches('report', 1);
  const items: TokenExample[] = [];
  const chosen = spread(chunks, PIECES);
  context.job.expect(chosen.length);
  for (const chunk of chosen) {
    const { targets } = dataset.batch('report', chunk, 1);
    if (targets.kind !== 'next-token') continue;
    const ids = targets.ids.subarray(0, targets.length);
    // Late in the chunk, so that there is something to go on, and at least after its first token.
    const at = Math.max(1, Math.floor(ids.length * 0.75));
    const guess = async (by: Changes | undefined) =>
      likeliest(await nextLogits(context, dataset, ids.subarray(0, at), by), LIKELIEST).map(
        ({ id, probability }) => ({ token: dataset.decode([id]), probability }),
      );
    const original = await guess(undefined);
    const merged = changes ? await guess(changes) : original;
    items.push({
      context: dataset.decode(ids.subarray(Math.max(0, at - SHOWN_CONTEXT), at)),
      truth: dataset.decode([ids[at]]),
      original,
      merged,
    });
    await context.job.step(`Guessing the next token, ${items.length} of ${chosen.length}`);
  }
  return items;
}

async function imageExamples(
  context: StageContext,
  dataset: Dataset,
  changes: Changes | undefined,
): Promise<ImageExample[]> {
  const fixed = context.opened.inputs[0].dims?.[0];
  const perBatch = typeof fixed === 'number' ? fixed : 1;
  // A fixed batch must be full.
  const whole = Math.floor(dataset.size('report').items / perBatch) * perBatch;
  const chosen = spread(whole, IMAGES);
  context.job.expect(chosen.length);
  const items: ImageExample[] = [];
  for (const index of chosen) {
    const { feeds } = dataset.batch('report', Math.floor(index / perBatch), perBatch);
    const guess = async (by: Changes | undefined): Promise<ClassGuess> => {
      const [{ id, probability }] = likeliest(await logitsRow(context, feeds, index % perBatch, by), 1);
      return { label: id, probability };
    };
    const { label = NO_LABEL, ...picture } = dataset.picture!('report', index);
    const original = await guess(undefined);
    const merged = changes ? await guess(changes) : original;
    items.push({ ...picture, label, original, merged });
    await context.job.step(`Looking at image ${items.length} of ${chosen.length}`);
  }
  return items;
}

/** `label` of an image whose class is not known. */
export const NO_LABEL = -1;

/** Up to `most` indices below `count`, evenly apart, from 0. */
function spread(count: number, most: number): number[] {
  const taken = Math.min(count, most);
  return Array.from({ length: taken }, (_, k) => Math.floor((k * count) / taken));
}
