/** Counted against the architectures' own formulas, on models from both exporters. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openOnnx } from '../onnx/reader.ts';
import { elementCount } from '../tensor/shape.ts';
import { findFfns, storedTensors } from './ffn.ts';
import { besideFfns } from './layer-weights.ts';

/** Elements that each layer holds beside its FFN, by group. */
async function counts(path: string): Promise<number[][]> {
  const search = await findFfns(await openOnnx(new Blob([readFileSync(path)])));
  const beside = besideFfns(search);
  return search.groups.map(({ ffns }) =>
    ffns.map((ffn) => [...beside.get(ffn)!].reduce((sum, { dims }) => sum + elementCount(dims), 0)),
  );
}

const d = 16;
const biased = 4 * d * d + 4 * d;
const layerNorm = 2 * d;
const models = 'src/testing/models';

test.each([
  // Query, key, value and output, before and after each a normalisation.
  ['gpt2-dynamo', [[0, 1, 1].map((known) => known * (biased + 2 * layerNorm))]],
  ['bert-dynamo', [[0, 1, 1].map((known) => known * (biased + 2 * layerNorm))]],
  // Half as many heads for keys and values; no bias, and norms of a scale alone.
  ['llama-dynamo', [[0, 1, 1].map((known) => known * (3 * d * d + 2 * d))]],
  // One normalisation for attention and FFN, which stand side by side.
  ['phi-dynamo', [[0, 1, 1].map((known) => known * (biased + layerNorm))]],
])('%s: attention and normalisations, the first layer unknown', async (name, expected) => {
  expect(await counts(`${models}/${name}.onnx`)).toEqual(expected);
});

test('a decoder layer has two attentions and three normalisations', async () => {
  const [encoder, decoder] = await counts(`${models}/marian-dynamo.onnx`);
  expect(encoder.slice(1)).toEqual([1, 2].map(() => biased + 2 * layerNorm));
  expect(decoder.slice(1)).toEqual([2 * biased + 3 * layerNorm]);
});

test('a model of which nothing can be merged has no layers', async () => {
  expect(await counts(`${models}/refused-softmax.onnx`)).toEqual([]);
});

test('no layer counts what several read, nor what an FFN holds', async () => {
  const search = await findFfns(
    await openOnnx(new Blob([readFileSync(`${models}/gpt2-torchscript-11.onnx`)])),
  );
  const beside = besideFfns(search);
  const ffns = search.groups.flatMap((g) => g.ffns);
  const ofLayers = ffns.flatMap((f) => [...beside.get(f)!]);
  const ofFfns = new Set(ffns.flatMap((f) => [...storedTensors(f)]));
  expect(new Set(ofLayers).size).toBe(ofLayers.length);
  expect(ofLayers.filter((t) => ofFfns.has(t))).toEqual([]);
  const names = [...beside.get(ffns[1])!].map((t) => t.name).filter((n) => /\bh\.\d/.test(n));
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) expect(name).toContain('h.1.');
});
