/** What a model is for, from made-up signatures and from the manifest's files. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ValueInfo } from '../onnx/types.ts';
import { openModel } from './opened.ts';
import { isPooled, refineTask, taskOf } from './task.ts';

const value = (name: string, dims?: ValueInfo['dims']): ValueInfo => ({
  name,
  elemType: 1,
  ...(dims && { dims }),
  field: { start: 0, end: 0 },
});
const task = (inputs: string, output: [string, ValueInfo['dims']?], vocabulary = 24) =>
  taskOf(
    inputs.split(' ').map((name) => value(name, name === 'pixel_values' ? ['b', 3, 8, 8] : ['b', 't'])),
    value(...output),
    vocabulary,
  );

describe('tasks', () => {
  test.each<[string, [string, ValueInfo['dims']?], string]>([
    ['input_ids attention_mask', ['logits', ['b', 't', 24]], 'causal-lm'],
    ['input_ids', ['logits'], 'causal-lm'],
    ['input_ids', ['output_0', ['b', 't', 24]], 'causal-lm'],
    ['input_ids attention_mask token_type_ids', ['logits', ['b', 't', 24]], 'masked-lm'],
    ['input_ids token_type_ids past_key_values.0.key', ['logits', ['b', 't', 24]], 'causal-lm'],
    ['input_ids attention_mask', ['logits', ['b', 't', 9]], 'text-classification'],
    ['input_ids attention_mask', ['logits', ['b', 2]], 'text-classification'],
    ['input_ids attention_mask', ['last_hidden_state', ['b', 't', 384]], 'text-encoder'],
    ['input_ids attention_mask', ['output', ['b', 't', 16]], 'text-encoder'],
    ['input_ids attention_mask', ['sentence_embedding', ['b', 384]], 'text-encoder'],
    ['input_ids encoder_hidden_states', ['logits', ['b', 't', 24]], 'unknown'],
    ['input_ids decoder_input_ids', ['logits', ['b', 't', 24]], 'seq2seq-text'],
    ['input_features decoder_input_ids', ['logits', ['b', 't', 24]], 'seq2seq-audio'],
    ['input_values', ['logits', ['b', 'f', 32]], 'audio-ctc'],
    ['input_values attention_mask', ['last_hidden_state', ['b', 'f', 32]], 'audio-encoder'],
    ['pixel_values', ['logits', ['b', 1000]], 'image-classification'],
    ['pixel_values pixel_mask', ['logits', ['b', 1000]], 'image-classification'],
    ['pixel_values', ['last_hidden_state', ['b', 5, 16]], 'image-encoder'],
    ['pixel_values', ['image_embeds', ['b', 16]], 'image-encoder'],
    ['input_ids attention_mask pixel_values', ['logits_per_image', ['b', 'c']], 'text-and-image'],
    ['a b', ['logits', ['b', 2]], 'unknown'],
  ])('%s → %j', (inputs, output, expected) => {
    expect(task(inputs, output)).toBe(expected);
  });

  test('of the manifest’s files', async () => {
    const of = async (name: string) => {
      const bytes = readFileSync(new URL(`../testing/models/${name}.onnx`, import.meta.url));
      return (await openModel(new Blob([bytes]), name)).task;
    };
    expect(await of('gpt2-torchscript-17')).toBe('causal-lm');
    expect(await of('roberta-dynamo')).toBe('text-encoder');
    expect(await of('t5-gated-torchscript-17')).toBe('seq2seq-text');
    expect(await of('whisper-dynamo')).toBe('seq2seq-audio');
    expect(await of('wav2vec2-dynamo')).toBe('audio-encoder');
    expect(await of('siglip-vision-dynamo')).toBe('image-encoder');
    expect(await of('clip-dynamo')).toBe('text-and-image');
    expect(await of('deit-torchscript-18')).toBe('image-classification');
  });

  test('are made out by config.json and the tokenizer where the graph leaves them open', () => {
    expect(refineTask('causal-lm', ['RobertaForMaskedLM'], undefined)).toBe('masked-lm');
    expect(refineTask('causal-lm', [], true)).toBe('masked-lm');
    expect(refineTask('causal-lm', ['GPT2LMHeadModel'], true)).toBe('causal-lm');
    expect(refineTask('masked-lm', ['BertLMHeadModel'], true)).toBe('causal-lm');
    expect(refineTask('text-encoder', ['BertForMaskedLM'], true)).toBe('text-encoder');
  });

  test('outputs of one row an item are told from those of one a position', () => {
    expect([value('x', ['b', 8]), value('pooler_output')].map(isPooled)).toEqual([true, true]);
    expect([value('x', ['b', 't', 8]), value('last_hidden_state'), undefined].map(isPooled)).toEqual([
      false,
      false,
      false,
    ]);
  });
});
