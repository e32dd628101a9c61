/** Parameters of quantized files are those of the models that they were made from. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openOnnx } from '../onnx/reader.ts';
import { parametersIn } from './parameters.ts';

const countOf = async (name: string) =>
  parametersIn(await openOnnx(new Blob([readFileSync(`src/testing/models/${name}.onnx`)])));

test.each(['gpt2-dynamic-int8', 'gpt2-qdq-int8-per-tensor', 'gpt2-qdq-uint8'])('of %s', async (name) => {
  expect(await countOf(name)).toBe(await countOf('gpt2-torchscript-17'));
});
