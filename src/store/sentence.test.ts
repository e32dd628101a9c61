import { describe, expect, it } from 'vitest';
import { sentenceParts } from './sentence.ts';

const names = (sentence: string, ...own: string[]) =>
  sentenceParts(
    sentence,
    own.map((name) => ({ name, dtype: 'float32', shape: 'batch' })),
  ).flatMap((part) => (part.kind === 'name' ? [part.text] : []));

describe('sentences', () => {
  it.each([
    [
      '“decoder_model.onnx” reads what an encoder gives (encoder_hidden_states). Drop it with its encoder_model.onnx.',
      ['decoder_model.onnx', 'encoder_hidden_states', 'encoder_model.onnx'],
    ],
    ['Drop the tokenizer.json that belongs to this model.', ['tokenizer.json']],
    ['.txt or .jsonl files, or calibrate.txt, select.txt.', ['calibrate.txt', 'select.txt']],
    ['Weights are kept in float16. They are written back.', []],
    ['The weights are in “onnx/model.onnx_data”.', ['onnx/model.onnx_data']],
  ])('find the names in %s', (sentence, found) => {
    expect(names(sentence)).toEqual(found);
  });

  it('know the names of the model’s own inputs, also where they look like words', () => {
    expect(names('It asks for pixels and not for pixelshift.', 'pixels')).toEqual(['pixels']);
    expect(names('It asks for past.0.key.', 'past.0.key')).toEqual(['past.0.key']);
  });

  it('lose nothing', () => {
    const sentence = '“a.onnx” and input_ids: drop b.npy (c_d), e.';
    const text = sentenceParts(sentence)
      .map((part) => (part.kind === 'values' ? '' : part.text))
      .join('');
    expect(text).toBe(sentence);
  });

  it('make a list of inputs that are listed', () => {
    const values = [
      { name: 'x', dtype: 'float32', shape: 'batch×80' },
      { name: 'input_features', dtype: 'float32', shape: 'batch×80×3000' },
      { name: 'language', dtype: 'int64', shape: 'batch' },
    ];
    const [, b, c] = values;
    const parts = sentenceParts(
      'Not understood: input_features (float32, batch×80×3000), language (int64, batch). Give x.npy.',
      values,
    );
    expect(parts).toEqual([
      { kind: 'words', text: 'Not understood: ' },
      { kind: 'values', values: [b, c] },
      { kind: 'words', text: 'Give ' },
      { kind: 'name', text: 'x.npy' },
      { kind: 'words', text: '.' },
    ]);
  });
});
