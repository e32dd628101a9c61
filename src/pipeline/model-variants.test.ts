/** Folders as hubs have them: which file of each model is opened, and what is said of the others. */
import { describe, expect, test } from 'vitest';
import type { NamedBlob } from '../data/files.ts';
import { chooseVariants, variantsNote } from './model-variants.ts';

const file = (path: string): NamedBlob =>
  Object.assign(new Blob(['']), { name: path.split('/').at(-1)!, path });
const chosen = (...paths: string[]) => chooseVariants(paths.map(file)).models.map((m) => m.path);

describe('of copies in several precisions', () => {
  test('full precision is opened, wherever it stands', () => {
    const all = ['bnb4', 'fp16', 'int8', 'q4', 'q4f16', 'quantized', 'uint8'].map(
      (p) => `onnx/model_${p}.onnx`,
    );
    expect(chosen(...all, 'onnx/model.onnx')).toEqual(['onnx/model.onnx']);
    expect(chosen('onnx/model.onnx', ...all)).toEqual(['onnx/model.onnx']);
    expect(chosen(...all)).toEqual(['onnx/model_fp16.onnx']);
    expect(chosen('model_quantized.onnx', 'model_q4f16.onnx')).toEqual(['model_q4f16.onnx']);
  });

  test('names of optimum and of sentence-transformers are known', () => {
    const names = [
      'model_O1',
      'model_O4',
      'model_qint8_avx512_vnni',
      'model_quint8_avx2',
      'model_qint8_arm64',
    ];
    expect(chosen(...names.map((n) => `${n}.onnx`), 'model.onnx')).toEqual(['model.onnx']);
    expect(chosen('model_qint8_arm64.onnx', 'model_O4.onnx', 'model_O2.onnx')).toEqual(['model_O2.onnx']);
  });

  test('encoder and decoders are chosen each', () => {
    const parts = ['encoder_model', 'decoder_model', 'decoder_model_merged', 'decoder_with_past_model'];
    const paths = parts.flatMap((p) => [`onnx/${p}_quantized.onnx`, `onnx/${p}.onnx`, `onnx/${p}_fp16.onnx`]);
    expect(chosen(...paths)).toEqual(parts.map((p) => `onnx/${p}.onnx`));
  });
});

test('different models, folders and files of one name stay as they are', () => {
  expect(chosen('text_model.onnx', 'vision_model.onnx')).toHaveLength(2);
  expect(chosen('a/model.onnx', 'b/model_fp16.onnx')).toHaveLength(2);
  expect(chosen('model.onnx', 'model.onnx', 'model_fp16.onnx')).toHaveLength(3);
  expect(chosen('model_1.onnx', 'model_2.onnx')).toHaveLength(2);
});

test('the note names what was opened and what was not', () => {
  expect(variantsNote(chooseVariants([file('model.onnx')]))).toBeUndefined();
  expect(variantsNote(chooseVariants([file('model_fp16.onnx'), file('model.onnx')]))).toBe(
    'Opened “model.onnx”; going by the names, “model_fp16.onnx” is the same model in another precision and was left out. To merge it instead, drop it without the others.',
  );
  expect(variantsNote(chooseVariants(['model_q4.onnx', 'model.onnx', 'model_int8.onnx'].map(file)))).toBe(
    'Opened “model.onnx”; going by the names, “model_q4.onnx” and “model_int8.onnx” are the same model in other precisions and were left out. To merge one of them instead, drop it without the others.',
  );
});
