/** Files that do not belong together are refused with a sentence. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { NamedBlob } from '../data/files.ts';
import { openOnnx } from '../onnx/reader.ts';
import { openModelFiles } from './model-files.ts';

const file = (path: string, name = path.split('/').at(-1)!): NamedBlob =>
  Object.assign(new Blob([readFileSync(`src/testing/models/${path}`)]), { name });

/** The encoder with another width: its output's last dimension, 16 in the file, is said to be 24. */
async function widerEncoder(): Promise<NamedBlob> {
  const bytes = new Uint8Array(readFileSync('src/testing/models/marian-pair/encoder_model.onnx'));
  const name = new TextEncoder().encode('last_hidden_state');
  const at = bytes.findLastIndex((_, k) => name.every((b, i) => bytes[k + i] === b));
  // The last dimension: a message of two bytes, dim_value (field 1) and the number.
  const dim = bytes.findIndex((b, k) => k > at && b === 0x08 && bytes[k + 1] === 16 && bytes[k - 1] === 2);
  bytes[dim + 1] = 24;
  const made = Object.assign(new Blob([bytes]), { name: 'encoder_model.onnx' });
  expect((await openOnnx(made)).graph.outputs[0].dims?.at(-1)).toBe(24);
  return made;
}

test('an encoder and a decoder of different widths', async () => {
  const decoder = file('marian-pair/decoder_model.onnx');
  const files = [await widerEncoder(), decoder];
  await expect(openModelFiles(files, files)).rejects.toThrow(
    '“encoder_model.onnx” gives vectors of 24 numbers and “decoder_model.onnx” reads vectors of 16, so they are of two models. Drop the encoder and the decoder of one model.',
  );
  const pair = [file('marian-pair/encoder_model.onnx'), decoder];
  expect((await openModelFiles(pair, pair)).main.map((f) => f.role)).toEqual(['encoder', 'decoder']);
});

test('two models at once', async () => {
  const files = [file('vit-dynamo.onnx'), file('gpt2-dynamo.onnx'), file('bert-dynamo.onnx')];
  await expect(openModelFiles(files, files)).rejects.toThrow(
    '“vit-dynamo.onnx”, “gpt2-dynamo.onnx” and “bert-dynamo.onnx” were dropped together, but one model is opened at a time.',
  );
});
