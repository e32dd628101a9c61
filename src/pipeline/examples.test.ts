/**
 * Text and guesses of the page's models against onnxruntime-node on the files: a plain loop, written separately, over
 * the sample and over the merged file that the writer makes.
 */

import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { solveAssignment } from '../align/assignment.ts';
import { type NamedBlob, sortFiles } from '../data/files.ts';
import { parseNpy } from '../data/npy.ts';
import { createTextDataset } from '../data/text.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { createRuntimeGemm } from '../runtime/ort/gemm.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import { savedBytes } from '../testing/saved-bytes.ts';
import type { StageContext } from './context.ts';
import { addFiles, NO_FILES, prepareData } from './data-stage.ts';
import { makeExamples } from './examples.ts';
import { LiveModel } from './live-model.ts';
import { openModel } from './opened.ts';
import { PairStore } from './pairs.ts';
import { Job, type JobOptions } from './progress.ts';
import type { GenerateRequest } from './types.ts';
import { buildVariant, releaseVariant, type Variant } from './variant.ts';

const PROMPT = 'ROMEO:';
const CONTEXT = 128;
const greedy = (tokens: number): GenerateRequest => ({ prompt: PROMPT, tokens, temperature: 0, seed: 1 });

async function named(path: string): Promise<NamedBlob> {
  return Object.assign(await openAsBlob(path), { name: basename(path) });
}

async function openSample(name: string, files: readonly string[]): Promise<StageContext> {
  const sessions = await loadNodeFactory();
  const dropped = await Promise.all(files.map((file) => named(`public/samples/${name}/${file}`)));
  const opened = await openModel(await openAsBlob(`public/samples/${name}/model.onnx`), 'model.onnx');
  const job = new Job();
  return {
    opened,
    live: await LiveModel.create(opened, sessions, job),
    dataset: (await prepareData(opened, addFiles(NO_FILES, sortFiles(dropped)))).dataset,
    backend: createCpuBackend({ gemm: createRuntimeGemm(sessions) }),
    solve: async (score, size) => solveAssignment(score, size),
    pairs: new PairStore(),
    job,
  };
}

/** Merges layers 4–7: the variant, and its file. */
async function merge47(context: StageContext) {
  const groupId = context.opened.search.groups[0].id;
  const sets = [{ groupId, layers: [4, 5, 6, 7] }];
  const variant = await buildVariant(context, {
    sets,
    method: 'permute',
    reference: 'first',
    score: 'default',
  });
  return { variant, file: await savedBytes(context.opened, variant.files) };
}

const onJob = (context: StageContext, options: JobOptions): StageContext => ({
  ...context,
  job: new Job(options),
});

describe('shakespeare-gpt2', () => {
  let context: StageContext;
  let merged: { variant: Variant; file: Uint8Array };

  beforeAll(async () => {
    const texts = ['calibrate.txt', 'select.txt', 'report.txt'];
    context = await openSample('shakespeare-gpt2', ['config.json', 'tokenizer.json', ...texts]);
    merged = await merge47(context);
  }, 60_000);

  afterAll(async () => {
    releaseVariant(merged.variant);
    await context.live.release();
  });

  /** The likeliest character after character, on one thread, straight from a file. */
  async function writeInNode(model: Uint8Array, tokens: number): Promise<string> {
    const json = JSON.parse(await readFile('public/samples/shakespeare-gpt2/tokenizer.json', 'utf8'));
    const letters = Object.fromEntries(Object.entries(json.model.vocab).map(([c, id]) => [id as number, c]));
    const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
    let text = PROMPT;
    for (let k = 0; k < tokens; k++) {
      const seen = [...text].slice(-CONTEXT);
      const dims = [1, seen.length];
      const values: Record<string, bigint[]> = {
        input_ids: seen.map((c) => BigInt(json.model.vocab[c])),
        attention_mask: seen.map(() => 1n),
        position_ids: seen.map((_, t) => BigInt(t)),
      };
      const feeds = Object.fromEntries(
        session.inputNames.map((n) => [n, new ort.Tensor('int64', BigInt64Array.from(values[n]), dims)]),
      );
      const { logits } = await session.run(feeds);
      const row = (logits.data as Float32Array).slice(-logits.dims[2]);
      text += letters[row.indexOf(row.reduce((a, b) => Math.max(a, b)))];
    }
    await session.release();
    return text.slice(PROMPT.length);
  }

  test('writes the same as onnxruntime-node beyond the context, original and merged', async () => {
    const tokens = CONTEXT + 12;
    const result = await makeExamples(onJob(context, {}), greedy(tokens), merged.variant.changes);
    if (result.kind !== 'text') throw new Error(`${result.kind} instead of text`);
    const original = await readFile('public/samples/shakespeare-gpt2/model.onnx');
    expect(result.original).toBe(await writeInNode(original, tokens));
    expect(result.merged).toBe(await writeInNode(merged.file, tokens));
    expect(result.original).toHaveLength(tokens);
    expect(result.merged).not.toBe(result.original);
    expect(result.prompt).toBe(PROMPT);
  }, 60_000);

  test('draws the same text for the same seed, and the original stands on both sides without a variant', async () => {
    const draw = async (seed: number) => {
      const request = { prompt: PROMPT, tokens: 30, temperature: 1, seed };
      const result = await makeExamples(onJob(context, {}), request, undefined);
      if (result.kind !== 'text') throw new Error(`${result.kind} instead of text`);
      expect(result.merged).toBe(result.original);
      return result.original;
    };
    const first = await draw(7);
    expect(await draw(7)).toBe(first);
    expect(await draw(8)).not.toBe(first);
  });

  test('writes the same for a model of fixed size, where the rest is filled up', async () => {
    const sample = (name: string) => named(`public/samples/shakespeare-gpt2/${name}`);
    const text = Object.assign(await sample('report.txt'), { name: 'text.txt' });
    const dataset = await createTextDataset([text], await sample('tokenizer.json'), {
      contextLength: CONTEXT,
      contextSource: '',
      inputs: context.opened.inputs.map((v) => v.name),
      fixedBatch: 2,
      fixedLength: true,
    });
    const free = await makeExamples(onJob(context, {}), greedy(12), undefined);
    expect(await makeExamples({ ...onJob(context, {}), dataset }, greedy(12), undefined)).toEqual(free);
  });

  test('reports each token, and stops between two when cancelled', async () => {
    const controller = new AbortController();
    const labels: string[] = [];
    const before = context.live.blockRuns;
    const job = onJob(context, {
      signal: controller.signal,
      onProgress: ({ label }) => {
        labels.push(label);
        if (labels.length === 3) controller.abort(new Error('enough'));
      },
    });
    await expect(makeExamples(job, greedy(50), merged.variant.changes)).rejects.toThrow('enough');
    expect(labels.at(-1)).toBe('Writing with the original, token 3 of 50');
    expect(context.live.blockRuns - before).toBe(3 * context.live.blockCount);
  });

  test('asked for no tokens, shows what may follow pieces of the report split', async () => {
    const result = await makeExamples(onJob(context, {}), greedy(0), merged.variant.changes);
    if (result.kind !== 'tokens') throw new Error(`${result.kind} instead of tokens`);
    const report = await readFile('public/samples/shakespeare-gpt2/report.txt', 'utf8');
    expect(result.items).toHaveLength(6);
    for (const { context: before, truth, original, merged: after } of result.items) {
      expect(report).toContain(before + truth);
      for (const guesses of [original, after]) {
        const p = guesses.map((g) => g.probability);
        expect(p).toHaveLength(5);
        expect(p).toEqual([...p].sort((a, b) => b - a));
        expect(p.reduce((a, b) => a + b)).toBeLessThanOrEqual(1);
      }
      expect(after).not.toEqual(original);
    }
  });

  test('refuses prompts and settings that cannot be used, with a sentence', async () => {
    const refused = async (change: Partial<GenerateRequest>, sentence: string) =>
      expect(makeExamples(context, { ...greedy(5), ...change }, undefined)).rejects.toThrow(sentence);
    await refused({ prompt: '' }, 'Type a prompt: the model needs something to go on from.');
    await refused({ prompt: 'Zürich' }, 'has “ü” at position 1, which this tokenizer does not know');
    await refused({ tokens: -1 }, 'give a whole number from 0 to 4096');
    await refused({ temperature: Number.NaN }, 'A temperature of NaN is not possible');
    await refused({ seed: 0.5 }, 'The seed 0.5 is not a whole number.');
    const bare = { ...context, dataset: null };
    await expect(makeExamples(bare, greedy(5), undefined)).rejects.toThrow('Examples need the model’s data.');
  });
});

test('digits-vit: pictures, labels and guesses as in onnxruntime-node, original and merged', async () => {
  const arrays = ['calibrate', 'select', 'report'].flatMap((s) => [`${s}-images.npy`, `${s}-labels.npy`]);
  const context = await openSample('digits-vit', ['config.json', 'preprocessor_config.json', ...arrays]);
  const { variant, file } = await merge47(context);
  const result = await makeExamples(context, greedy(0), variant.changes);
  if (result.kind !== 'images') throw new Error(`${result.kind} instead of images`);
  expect(result.items).toHaveLength(12);

  const read = async (name: string) =>
    parseNpy(await readFile(`public/samples/digits-vit/report-${name}.npy`), name);
  const images = await read('images');
  const { data: labels } = await read('labels');
  const size = 28 * 28;
  const count = images.shape[0];
  const chosen = Array.from({ length: 12 }, (_, k) => Math.floor((k * count) / 12));
  const data = Float32Array.from({ length: 12 * size }, (_, k) => {
    const level = images.data[chosen[Math.floor(k / size)] * size + (k % size)];
    return (Number(level) / 255 - 0.5) / 0.5;
  });
  for (const [which, model] of [
    ['original', await readFile('public/samples/digits-vit/model.onnx')],
    ['merged', file],
  ] as const) {
    const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
    const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', data, [12, 1, 28, 28]) };
    const logits = (await session.run(feeds))[session.outputNames[0]].data as Float32Array;
    result.items.forEach((item, k) => {
      const row = [...logits.slice(k * 10, (k + 1) * 10)];
      const top = Math.max(...row);
      expect(item[which].label).toBe(row.indexOf(top));
      const probability = 1 / row.reduce((sum, z) => sum + Math.exp(z - top), 0);
      expect(item[which].probability).toBeCloseTo(probability, 4);
    });
    await session.release();
  }
  result.items.forEach((item, k) => {
    expect(item.label).toBe(Number(labels[chosen[k]]));
    expect([item.width, item.height, item.pixels.length]).toEqual([28, 28, size * 4]);
    expect(item.pixels[4 * 400]).toBe(Number(images.data[chosen[k] * size + 400]));
  });
  releaseVariant(variant);
  await context.live.release();
}, 60_000);
