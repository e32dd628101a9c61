import { describe, expect, it } from 'vitest';
import { opened, studio } from '../testing/studio-setup.ts';
import { chosenFormat, expectedSize, formatsOf, savedName, suggestedName } from './formats.ts';
import type { FileSummary, MergePlan } from './types.ts';

const file = (name: string, dataFiles: readonly string[] = []): FileSummary => ({
  name,
  role: 'model',
  bytes: 10,
  dataFiles,
});
const model = (...files: FileSummary[]) => ({ fileName: files.map(({ name }) => name).join(' + '), files });

const sets = [
  { groupId: 'decoder', layers: [1, 4, 5] },
  { groupId: 'decoder', layers: [8, 9] },
];
const plan: MergePlan = { sets, method: 'permute', reference: 'first', score: 'default' };

describe('names of files', () => {
  const one = model(file('gpt2.onnx'));
  const pair = model(file('encoder_model.onnx'), file('decoder_model.onnx'), file('decoder_with_past.onnx'));

  it.each([
    ['onnx', 'gpt2-merged-1+4+5_8-9.onnx'],
    ['onnx-float16', 'gpt2-merged-1+4+5_8-9-float16.onnx'],
    ['zip', 'gpt2-merged-1+4+5_8-9.zip'],
    ['safetensors', 'gpt2-merged-1+4+5_8-9-safetensors.zip'],
  ] as const)('follow the format %s', (format, name) => {
    expect(suggestedName(one, plan, format)).toBe(name);
  });

  it('stay what they were where nothing is merged', () => {
    expect(suggestedName(one, null)).toBe('gpt2.onnx');
    expect(suggestedName(one, { ...plan, sets: [] })).toBe('gpt2.onnx');
  });

  it('say which method left layers out', () => {
    expect(suggestedName(one, { ...plan, method: 'layer-drop', sets: sets.slice(1) })).toBe(
      'gpt2-layer-drop-8-9.onnx',
    );
  });

  it('are those of a zip for several files, and for a model with data files', () => {
    expect(suggestedName(pair, plan)).toBe('model-merged-1+4+5_8-9.zip');
    expect(suggestedName(pair, null, 'onnx-float16')).toBe('model-float16.zip');
    expect(suggestedName(model(file('llama.onnx', ['llama.onnx_data'])), null)).toBe('llama.zip');
  });

  it('begin with what several names share', () => {
    const whisper = model(file('whisper-tiny-encoder.onnx'), file('whisper-tiny-decoder.onnx'));
    expect(suggestedName(whisper, null)).toBe('whisper-tiny.zip');
    const decoders = model(file('decoder_model.onnx'), file('decoder_with_past_model.onnx'));
    expect(suggestedName(decoders, null)).toBe('model.zip');
  });

  it('take the ending of what came', () => {
    expect(savedName('gpt2-merged-4-7.onnx', 'model.onnx')).toBe('gpt2-merged-4-7.onnx');
    expect(savedName('gpt2-merged-4-7.onnx', 'model.zip')).toBe('gpt2-merged-4-7.zip');
  });
});

describe('formats', () => {
  it('are those that the model can be saved as, plain ONNX first', () => {
    expect(formatsOf({ formats: ['zip', 'onnx'] }).map(({ id }) => id)).toEqual(['onnx', 'zip']);
    expect(formatsOf({ formats: [] }).map(({ id }) => id)).toEqual(['onnx']);
  });

  it('do not promise a size that is not known', () => {
    expect(expectedSize('onnx', 10_117_531)).toBe('10.1 MB');
    expect(expectedSize('onnx-float16', 10_117_531)).toBe('about 5.06 MB');
    expect(expectedSize('safetensors', 10_117_531)).not.toMatch(/\d/);
  });

  it('begin with ONNX, and with it again for another model', async () => {
    const { now } = await opened({ checkpoint: true });
    expect(chosenFormat(now()).id).toBe('onnx');
    now().setFormat('safetensors');
    expect(chosenFormat(now()).action).toBe('Download safetensors');
    await now().openSample('digits-vit');
    expect(chosenFormat(now()).id).toBe('onnx');
  });

  it('fall back to ONNX where the model has not got the one asked for', async () => {
    const { now, saved } = await opened({ halfPrecision: true });
    now().setFormat('onnx-float16');
    expect(chosenFormat(now()).id).toBe('onnx');
    await now().download();
    expect(now().errors).toEqual([]);
    expect(saved.map(({ name }) => name)).toEqual(['model.onnx']);
  });
});

describe('saving in a format', () => {
  it('asks the picker for the name that the format has, and the worker for the format', async () => {
    const all = studio({ pair: true });
    await all.now().openSample('shakespeare-gpt2');
    const asked: string[] = [];
    all.door.choosePlace = async (name) => {
      asked.push(name);
      return { name: 'mine.zip', write: async () => undefined };
    };
    const { download } = all.api;
    const formats: string[] = [];
    all.api.download = (format, options) => {
      formats.push(format);
      return download(format, options);
    };
    all.now().setFormat('onnx-float16');
    await all.now().download();
    expect(asked).toEqual(['model-float16.zip']);
    expect(formats).toEqual(['onnx-float16']);
    expect(all.now().saveAs.saved?.fileName).toBe('mine.zip');
  });

  it('keeps what is to be known of the file until another format is chosen', async () => {
    const { now } = await opened();
    now().setFormat('zip');
    await now().download();
    const saved = now().saveAs.saved;
    expect(saved?.fileName).toBe('model.zip');
    expect(saved?.notes).toEqual(['README.md in the zip shows how onnxruntime and transformers.js load it.']);
    now().setFormat('zip');
    expect(now().saveAs.saved).toBe(saved);
    now().setFormat('onnx');
    expect(now().saveAs.saved).toBeNull();
  });

  it('forgets the notes of the file before when saving fails', async () => {
    const { now, api } = await opened();
    now().setFormat('zip');
    await now().download();
    api.download = () => Promise.reject(new Error('The disk is full: make room and save again.'));
    await now().download();
    expect(now().errors[0].step).toBe('download');
    expect(now().saveAs.saved).toBeNull();
  });
});
