/**
 * What people really have: half precision, external data, an encoder with its decoder, a checkpoint beside the ONNX
 * file. Each is opened as files dropped together, merged, saved, and judged outside of the page.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from '@playwright/test';
import { unzipSync } from 'fflate';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { projectRoot } from './server.ts';
import { launchStudio, type Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { companionFiles, dynamoModel, reference } from './support/fixtures.ts';
import { walkOnnx } from './support/onnx-walk.ts';
import { checkerComplaint, checkerPython, scoreFile } from './support/oracle.ts';
import { scratchFolder } from './support/scratch.ts';

const folder = scratchFolder();
const models = join(projectRoot, 'src/testing/models');
const FLOAT16 = 10;

let studio: Studio;
test.beforeAll(async () => {
  studio = await launchStudio({ gpu: 'off' });
});
test.afterAll(() => studio?.close());

/** Unpacks an archive that the page saved. @returns the folder */
function unpacked(path: string): { folder: string; names: string[] } {
  const to = `${path}.unpacked`;
  mkdirSync(to);
  const files = unzipSync(new Uint8Array(readFileSync(path)));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(to, name), bytes);
  return { folder: to, names: Object.keys(files).sort() };
}

const ints = (values: readonly number[], dims: readonly number[]) =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);

/** Logits of an encoder's and a decoder's files, run one after the other. */
async function runPair(
  at: string,
  source: Record<string, Tensor>,
  target: readonly number[],
): Promise<Float32Array> {
  const encoder = await InferenceSession.create(join(at, 'encoder_model.onnx'));
  const { last_hidden_state } = await encoder.run(source);
  const decoder = await InferenceSession.create(join(at, 'decoder_model.onnx'));
  const given: Record<string, Tensor> = {
    input_ids: ints(target, [1, target.length]),
    encoder_hidden_states: last_hidden_state,
    ...(source.attention_mask && { encoder_attention_mask: source.attention_mask }),
  };
  const { logits } = await decoder.run(
    Object.fromEntries(decoder.inputNames.map((name) => [name, given[name]])),
  );
  return logits.data as Float32Array;
}

function worst(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((v, i) => Math.abs(v - b[i])));
}

test('half precision: saved from the sample, opened, merged, and as good as in full precision', async () => {
  const name = 'shakespeare-gpt2';
  const truth = reference(name);
  await studio.openSample(name);
  const half = join(folder, 'model_fp16.onnx');
  const { bytes } = await studio.download(half, { format: 'onnx-float16' });
  expect(bytes / readFileSync(dynamoModel(name)).length).toBeLessThan(0.55);

  await studio.openModel([half, ...companionFiles(name)]);
  const { parameters, groups } = await studio.summary();
  expect(parameters).toBe(truth.parameters);
  expect(groups[0].layers).toBe(truth.layers);
  const [first, last] = truth.window;
  await studio.pickWindow(first, last);
  const saved = await studio.merge({ method: 'permute', reference: 'first' });
  const ffn = 2 * truth.d_model * truth.d_ff + truth.d_model + truth.d_ff;
  expect(saved.parametersSaved).toBe((last - first) * ffn);
  expect(Math.abs(saved.bytesSaved - 2 * (last - first) * ffn)).toBeLessThan(4096);
  const score = await studio.evaluate();
  expect(relativeDifference(score.merged, truth.merged.permute.report)).toBeLessThan(0.01);

  const merged = join(folder, 'model_fp16-merged.onnx');
  await studio.download(merged);
  const matrices = walkOnnx(merged).tensors.filter((t) => t.dims.length === 2 && Math.min(...t.dims) >= 128);
  expect(new Set(matrices.map((t) => t.dataType))).toEqual(new Set([FLOAT16]));
  expect(relativeDifference(await scoreFile(merged, name), score.merged)).toBeLessThan(0.01);
  if (checkerPython) expect(checkerComplaint(merged)).toBeNull();
});

test('an encoder and its decoder, Marian style: both stacks, one zip, files that run together', async () => {
  const at = join(models, 'marian-pair');
  const files = ['encoder_model.onnx', 'decoder_model.onnx', 'decoder_with_past_model.onnx'];
  const beside = ['tokenizer.json', 'config.json', 'generation_config.json'];
  const pairs = join(folder, 'pairs.jsonl');
  const line = (k: number) =>
    JSON.stringify({
      source: `t${3 + (k % 20)} t${4 + (k % 17)} t${5 + (k % 13)}`,
      target: `t${6 + (k % 11)} t${3 + (k % 7)}`,
    });
  writeFileSync(pairs, Array.from({ length: 60 }, (_, k) => line(k)).join('\n'));
  await studio.openModel([...[...files, ...beside].map((f) => join(at, f)), pairs]);
  const { groups } = await studio.summary();
  expect(groups.map((g) => [g.layers, g.dModel, g.dFf])).toEqual([
    [2, 16, 40],
    [2, 16, 40],
  ]);
  await studio.measure();
  for (const { name } of groups) {
    expect((await studio.similarity('cka', name))[0][0]).toBeCloseTo(1, 6);
    await studio.pickWindow(0, 1, name);
  }
  const { parametersSaved } = await studio.merge();
  expect(parametersSaved).toBe(2 * (2 * 16 * 40 + 40 + 16));
  const score = await studio.evaluate();
  expect(score.metric).toBe('perplexity');
  expect(score.merged).toBeGreaterThan(1);

  const zip = join(folder, 'marian.zip');
  await studio.download(zip);
  const merged = unpacked(zip);
  expect(merged.names).toEqual([...files].sort());
  const source = { input_ids: ints([5, 9, 14], [1, 3]), attention_mask: ints([1, 1, 1], [1, 3]) };
  const after = await runPair(merged.folder, source, [0, 4, 7]);
  expect(worst(after, await runPair(at, source, [0, 4, 7]))).toBeGreaterThan(1e-3);

  const whole = join(folder, 'marian-publish.zip');
  await studio.download(whole, { format: 'zip' });
  const published = unpacked(whole);
  expect(published.names).toEqual(['RUNNING.md', ...files, ...beside].sort());
  expect(worst(after, await runPair(published.folder, source, [0, 4, 7]))).toBe(0);
});

test('external data: the file that is missing is named; with it, nothing merged is byte for byte', async () => {
  const at = join(models, 'gpt2-external');
  await expect(studio.openModel([join(at, 'model.onnx')])).rejects.toThrow(
    'The weights of “model.onnx” are in “model.onnx_data”, which was not dropped with it. Drop the files together, or their folder.',
  );
  const paths = ['model.onnx', 'model.onnx_data'].map((f) => join(at, f));
  await studio.openModel(paths);
  const copy = join(folder, 'external.zip');
  await studio.download(copy);
  const { folder: to, names } = unpacked(copy);
  expect(names).toEqual(paths.map((p) => basename(p)));
  for (const path of paths)
    expect(readFileSync(join(to, basename(path))).equals(readFileSync(path))).toBe(true);
});

test('a checkpoint beside the ONNX file is merged alike', async () => {
  const name = 'shakespeare-gpt2';
  const checkpoint = join(projectRoot, 'src/testing/fixtures', name, 'model.safetensors');
  await studio.openModel([dynamoModel(name), checkpoint, ...companionFiles(name)]);
  const [first, last] = reference(name).window;
  await studio.pickWindow(first, last);
  const { parametersSaved } = await studio.merge();
  const zip = join(folder, 'checkpoint.zip');
  await studio.download(zip, { format: 'safetensors' });
  const { folder: to, names } = unpacked(zip);
  expect(names).toEqual(['LOADING.md', 'config.json', 'model.safetensors', 'tokenizer.json']);
  const size = (path: string) => readFileSync(path).length;
  const smaller = size(checkpoint) - size(join(to, 'model.safetensors'));
  expect(Math.abs(smaller - 4 * parametersSaved)).toBeLessThan(4096);
  expect(await studio.errors()).toEqual([]);
  expect(studio.consoleErrors).toEqual([]);
});
