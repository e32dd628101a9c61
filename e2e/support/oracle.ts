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

/** exp of the mean negative log-likelihood; each chunk predicts all its characters but the first. */
async function perplexity(session: InferenceSession, name: SampleName): Promise<number> {
  const tokenizer = JSON.parse(readFileSync(sampleFile(name, 'tokenizer.json'), 'utf8'));
  const vocabulary: Record<string, number> = tokenizer.model.vocab;
  const characters = [...readFileSync(sampleFile(name, 'report.txt'), 'utf8')];
  const ids = characters.map((character) => vocabulary[character]);
  const chunks = Math.floor(ids.length / contextLength);
  let loss = 0;
  for (let first = 0; first < chunks; first += batchSize) {
    const rows = Math.min(batchSize, chunks - first);
    const batch = ids.slice(first * contextLength, (first + rows) * contextLength);
    const dims = [rows, contextLength];
    const feeds: Record<string, Tensor> = {
      input_ids: new Tensor('int64', BigInt64Array.from(batch, BigInt), dims),
    };
    if (session.inputNames.includes('attention_mask')) {
      feeds.attention_mask = new Tensor('int64', new BigInt64Array(batch.length).fill(1n), dims);
    }
    const logits = (await session.run(feeds))[session.outputNames[0]];
    const values = logits.data as Float32Array;
    const classes = logits.dims[2];
    for (let at = 0; at < batch.length; at++) {
      if ((at + 1) % contextLength === 0) continue;
      const row = values.subarray(at * classes, (at + 1) * classes);
      const highest = row.reduce((a, b) => Math.max(a, b));
      const sum = row.reduce((total, logit) => total + Math.exp(logit - highest), 0);
      loss += highest + Math.log(sum) - row[batch[at + 1]];
    }
  }
  return Math.exp(loss / (chunks * (contextLength - 1)));
}

async function accuracy(session: InferenceSession, name: SampleName): Promise<number> {
  const preprocessor = JSON.parse(readFileSync(sampleFile(name, 'preprocessor_config.json'), 'utf8'));
  const images = readNpy(sampleFile(name, 'report-images.npy'));
  const labels = readNpy(sampleFile(name, 'report-labels.npy')).values;
  const [count, height, width] = images.shape;
  const [mean] = preprocessor.image_mean;
  const [deviation] = preprocessor.image_std;
  const pixels = Float32Array.from(
    images.values,
    (value) => (value * preprocessor.rescale_factor - mean) / deviation,
  );
  const size = height * width;
  let right = 0;
  for (let first = 0; first < count; first += 50) {
    const rows = Math.min(50, count - first);
    const batch = pixels.slice(first * size, (first + rows) * size);
    const feeds = { pixel_values: new Tensor('float32', batch, [rows, 1, height, width]) };
    const logits = (await session.run(feeds))[session.outputNames[0]];
    const classes = logits.dims[1];
    for (let row = 0; row < rows; row++) {
      const scores = (logits.data as Float32Array).subarray(row * classes, (row + 1) * classes);
      const best = scores.indexOf(scores.reduce((a, b) => Math.max(a, b)));
      if (best === labels[first + row]) right += 1;
    }
  }
  return right / count;
}

/** The metric of a file on the report split. */
export async function scoreFile(path: string, name: SampleName): Promise<number> {
  const session = await InferenceSession.create(path);
  try {
    return name === 'shakespeare-gpt2' ? await perplexity(session, name) : await accuracy(session, name);
  } finally {
    await session.release();
  }
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
