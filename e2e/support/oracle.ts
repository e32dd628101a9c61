/**
 * Scores a saved file in onnxruntime-node, from the data files and the definition of the metric alone: nothing of src/.
 * Also runs `onnx.checker` where a Python with onnx is at hand.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { contextLength, type SampleName, sampleFile } from './fixtures.ts';
import { readNpy } from './npy.ts';

const batchSize = 8;
const imagesPerBatch = 50;

type Ids = readonly number[];

async function withSession<Result>(
  path: string,
  use: (session: InferenceSession) => Promise<Result>,
): Promise<Result> {
  const session = await InferenceSession.create(path);
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

function readVocabulary(name: SampleName): Record<string, number> {
  return JSON.parse(readFileSync(sampleFile(name, 'tokenizer.json'), 'utf8')).model.vocab;
}

/** The tokenizer of the text sample is a table of characters. */
function encode(text: string, name: SampleName): number[] {
  const vocabulary = readVocabulary(name);
  return [...text].map((character) => vocabulary[character]);
}

const reportIds = (name: SampleName) => encode(readFileSync(sampleFile(name, 'report.txt'), 'utf8'), name);

/** The report split cut into windows of the context length; a shorter rest is left out. */
function windowsOf(ids: Ids, stride: number): Ids[] {
  const count = Math.floor((ids.length - contextLength) / stride) + 1;
  return Array.from({ length: count }, (_, k) => ids.slice(k * stride, k * stride + contextLength));
}

/** Logits at every position of windows of one length, in order. */
async function textLogits(session: InferenceSession, windows: readonly Ids[]): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let first = 0; first < windows.length; first += batchSize) {
    const batch = windows.slice(first, first + batchSize);
    const ids = batch.flat();
    const dims = [batch.length, batch[0].length];
    const feeds: Record<string, Tensor> = {
      input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), dims),
    };
    if (session.inputNames.includes('attention_mask')) {
      feeds.attention_mask = new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims);
    }
    const logits = (await session.run(feeds))[session.outputNames[0]];
    rows.push(...rowsOf(logits.data as Float32Array, logits.dims[2]));
  }
  return rows;
}

/** Logits of every image of the report split, in order. */
async function imageLogits(session: InferenceSession, name: SampleName): Promise<Float32Array[]> {
  const preprocessor = JSON.parse(readFileSync(sampleFile(name, 'preprocessor_config.json'), 'utf8'));
  const images = readNpy(sampleFile(name, 'report-images.npy'));
  const [count, height, width] = images.shape;
  const [mean] = preprocessor.image_mean;
  const [deviation] = preprocessor.image_std;
  const pixels = Float32Array.from(
    images.values,
    (value) => (value * preprocessor.rescale_factor - mean) / deviation,
  );
  const size = height * width;
  const rows: Float32Array[] = [];
  for (let first = 0; first < count; first += imagesPerBatch) {
    const length = Math.min(imagesPerBatch, count - first);
    const batch = pixels.slice(first * size, (first + length) * size);
    const feeds = { pixel_values: new Tensor('float32', batch, [length, 1, height, width]) };
    const logits = (await session.run(feeds))[session.outputNames[0]];
    rows.push(...rowsOf(logits.data as Float32Array, logits.dims[1]));
  }
  return rows;
}

function rowsOf(values: Float32Array, width: number): Float32Array[] {
  return Array.from({ length: values.length / width }, (_, row) =>
    values.slice(row * width, (row + 1) * width),
  );
}

/** Every distribution that a file gives on the report split, as logits. */
function reportLogits(path: string, name: SampleName): Promise<Float32Array[]> {
  return withSession(path, (session) =>
    name === 'shakespeare-gpt2'
      ? textLogits(session, windowsOf(reportIds(name), contextLength))
      : imageLogits(session, name),
  );
}

const best = (row: Float32Array) => row.indexOf(row.reduce((a, b) => Math.max(a, b)));

function logSoftmax(row: Float32Array): number[] {
  const highest = row.reduce((a, b) => Math.max(a, b));
  const normaliser = highest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - highest), 0));
  return Array.from(row, (logit) => logit - normaliser);
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** exp of the mean negative log-likelihood; each chunk predicts all its characters but the first. */
function perplexity(rows: readonly Float32Array[], ids: Ids): number {
  const losses = rows.flatMap((row, at) =>
    (at + 1) % contextLength === 0 ? [] : [-logSoftmax(row)[ids[at + 1]]],
  );
  return Math.exp(mean(losses));
}

/** The metric of a file on the report split. */
export async function scoreFile(path: string, name: SampleName): Promise<number> {
  const rows = await reportLogits(path, name);
  if (name === 'shakespeare-gpt2') return perplexity(rows, reportIds(name));
  const labels = readNpy(sampleFile(name, 'report-labels.npy')).values;
  return mean(rows.map((row, image) => (best(row) === labels[image] ? 1 : 0)));
}

/** Share of the characters of each chunk but its first that are the likeliest ones. */
export async function tokenAccuracy(path: string, name: SampleName): Promise<number> {
  const ids = reportIds(name);
  const hits = (await reportLogits(path, name)).flatMap((row, at) =>
    (at + 1) % contextLength === 0 ? [] : [best(row) === ids[at + 1] ? 1 : 0],
  );
  return mean(hits);
}

/**
 * exp of the mean negative log-likelihood under a sliding window: each window scores the characters that none before
 * it has scored. The report split ends where a window ends.
 */
export function stridedPerplexity(path: string, name: SampleName, stride: number): Promise<number> {
  const ids = reportIds(name);
  const windows = windowsOf(ids, stride);
  if ((ids.length - contextLength) % stride !== 0)
    throw new RangeError(`A stride of ${stride} leaves a rest.`);
  return withSession(path, async (session) => {
    const rows = await textLogits(session, windows);
    const losses = windows.flatMap((window, k) => {
      const from = k === 0 ? 1 : contextLength - stride;
      return window.slice(from).map((id, at) => -logSoftmax(rows[k * contextLength + from + at - 1])[id]);
    });
    return Math.exp(mean(losses));
  });
}

/** Mean KL(original ‖ file) in nats, and the share of equal likeliest outputs, over all distributions. */
export async function divergence(
  original: string,
  path: string,
  name: SampleName,
): Promise<{ kl: number; agreement: number }> {
  const before = await reportLogits(original, name);
  const after = await reportLogits(path, name);
  const kl = before.map((row, at) => {
    const p = logSoftmax(row);
    const q = logSoftmax(after[at]);
    return p.reduce((sum, logP, id) => sum + Math.exp(logP) * (logP - q[id]), 0);
  });
  return {
    kl: mean(kl),
    agreement: mean(before.map((row, at) => (best(row) === best(after[at]) ? 1 : 0))),
  };
}

/** What a file writes after the prompt, the likeliest character each time; it is fed the last characters that fit. */
export function writeGreedily(
  path: string,
  name: SampleName,
  prompt: string,
  count: number,
): Promise<string> {
  const characters = Object.entries(readVocabulary(name));
  const spelt = new Map(characters.map(([character, id]) => [id, character]));
  return withSession(path, async (session) => {
    const ids = encode(prompt, name);
    for (let written = 0; written < count; written++) {
      const rows = await textLogits(session, [ids.slice(-contextLength)]);
      ids.push(best(rows[rows.length - 1]));
    }
    return ids
      .slice(-count)
      .map((id) => spelt.get(id))
      .join('');
  });
}

const pythons = [process.env.LAYERFOLD_PYTHON, 'python3', 'python'];

/** A Python that can import onnx, or undefined. */
export const checkerPython = pythons.find(
  (python) => python && spawnSync(python, ['-c', 'import onnx'], { stdio: 'ignore' }).status === 0,
);

/** What `onnx.checker` says against a file; null where it says nothing. */
export function checkerComplaint(path: string): string | null {
  if (!checkerPython) throw new Error('No Python with onnx: name one in LAYERFOLD_PYTHON.');
  const script = 'import onnx, sys; onnx.checker.check_model(sys.argv[1], full_check=True)';
  const result = spawnSync(checkerPython, ['-c', script, path], { encoding: 'utf8' });
  return result.status === 0 ? null : result.stderr;
}
