/**
 * The running note. Its JavaScript is parsed; where LAYERFOLD_PYTHON names a Python with onnxruntime, its Python runs on
 * the samples, and says what onnxruntime-node says.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { parseSync } from 'vite';
import { describe, expect, test } from 'vitest';
import { type OnnxNoteOptions, onnxNote, sortNoteFiles } from './onnx-note.ts';

const block = (note: string, language: string) =>
  new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(note)![1];

describe('the text', () => {
  test('external data belongs to the model whose name it begins with', () => {
    const { models, external } = sortNoteFiles([
      'decoder_model.onnx',
      'decoder_model.onnx_data',
      'decoder_model_merged.onnx',
      'decoder_model_merged.onnx_data',
      'weights.bin',
      'config.json',
      'RUNNING.md',
    ]);
    expect(models).toEqual(['decoder_model.onnx', 'decoder_model_merged.onnx']);
    expect([...external.values()]).toEqual([
      ['decoder_model.onnx_data', 'weights.bin'],
      ['decoder_model_merged.onnx_data'],
    ]);
  });

  test('says what is shared and what to keep together', () => {
    const note = onnxNote({
      files: ['m.onnx', 'm.onnx_data', 'm.onnx_data_1'],
      task: 'causal-lm',
      tied: ['layers 4–7', 'layers 9–10'],
    });
    expect(note).toContain(
      '`m.onnx` is an ordinary ONNX model. Keep `m.onnx_data` and `m.onnx_data_1` in the same',
    );
    expect(note).toContain('shared by layers 4–7; layers 9–10. The file stores them once');
    expect(note).toContain('use_external_data_format: { "m.onnx": 2 }');
    expect(note).toContain(
      'also needs `config.json`, `tokenizer.json` and `tokenizer_config.json` of the original model',
    );
  });

  const javascript = (options: OnnxNoteOptions) => block(onnxNote(options), 'js');

  test('transformers.js is told the file by its stem and type', () => {
    const of = (...files: string[]) => javascript({ files, task: 'image-classification' });
    expect(of('model-merged-4-7.onnx')).toContain(`model_file_name: "model-merged-4-7",\n  dtype: 'fp32'`);
    expect(of('model_fp16.onnx')).toContain(`model_file_name: "model",\n  dtype: 'fp16',`);
    expect(of('model_q4f16.onnx')).toContain(`model_file_name: "model",\n  dtype: 'q4f16',`);
    expect(of('m.onnx', 'w.bin')).toContain('externalData: [{ path: "w.bin", data: "w.bin" }]');
    expect(of('m.onnx')).not.toContain('xternal');
  });

  test('a cache is used where there is one', () => {
    const files = ['model.onnx'];
    expect(javascript({ files, task: 'causal-lm' })).not.toContain('generate');
    const inputs = ['input_ids', 'past_key_values.0.key'];
    expect(javascript({ files, task: 'causal-lm', inputs })).toContain('model.generate(');
  });

  test('encoder–decoder models go by their names', () => {
    const files = ['encoder_model.onnx', 'decoder_model.onnx', 'decoder_with_past_model.onnx'];
    const note = onnxNote({ files, task: 'seq2seq' });
    expect(note).toContain('`encoder_model.onnx` and `decoder_model_merged.onnx` under these names only');
    expect(block(note, 'python')).toContain('decoder = ort.InferenceSession("decoder_model.onnx")');
    const merged = onnxNote({ files: ['encoder_model.onnx', 'decoder_model_merged.onnx'], task: 'seq2seq' });
    expect(merged).not.toContain('under these names only');
    expect(block(merged, 'python')).toContain('decoder = ort.InferenceSession("decoder_model_merged.onnx")');
  });

  test.each(['causal-lm', 'image-classification', 'seq2seq', 'unknown'] as const)(
    '%s: JavaScript',
    (task) => {
      for (const inputs of [[], ['input_features', 'past_key_values.0.key']]) {
        const code = javascript({ files: ['a "b".onnx', 'c.data'], task, inputs });
        expect(parseSync('note.js', code).errors).toEqual([]);
        expect(code).toContain("from '@huggingface/transformers';");
      }
    },
  );
});

const python = process.env.LAYERFOLD_PYTHON || undefined;
const canRun =
  python !== undefined &&
  spawnSync(python, ['-c', 'import onnxruntime, tokenizers, PIL'], { stdio: 'ignore' }).status === 0;

/** Runs a note's Python in a folder of links to files, and gives what it prints. */
function run(
  paths: readonly string[],
  options: Omit<OnnxNoteOptions, 'files'>,
  more?: (folder: string) => void,
) {
  const folder = mkdtempSync(join(tmpdir(), 'layerfold-'));
  try {
    const files = paths.map((path) => path.split('/').at(-1)!);
    for (const [k, path] of paths.entries()) symlinkSync(resolve(path), join(folder, files[k]));
    more?.(folder);
    writeFileSync(join(folder, 'run.py'), block(onnxNote({ ...options, files }), 'python'));
    const { stdout, stderr, status } = spawnSync(python!, ['run.py'], { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.runIf(canRun)('the Python code', () => {
  const text = 'public/samples/shakespeare-gpt2';
  const images = 'public/samples/digits-vit';

  test.each([`${text}/model.onnx`, 'src/testing/fixtures/shakespeare-gpt2/model-torchscript.onnx'])(
    'writes text with %s',
    async (model) => {
      const { vocab } = JSON.parse(readFileSync(`${text}/tokenizer.json`, 'utf8')).model;
      const spelt = Object.keys(vocab).sort((a, b) => vocab[a] - vocab[b]);
      const session = await InferenceSession.create(model);
      const ids = [...'To be, or not to be'].map((c) => vocab[c]);
      for (let k = 0; k < 20; k++) {
        const tensor = (values: number[]) =>
          new Tensor('int64', BigInt64Array.from(values, BigInt), [1, ids.length]);
        const feeds: Record<string, Tensor> = { input_ids: tensor(ids) };
        if (session.inputNames.includes('attention_mask')) feeds.attention_mask = tensor(ids.map(() => 1));
        const { data, dims } = (await session.run(feeds))[session.outputNames[0]];
        const last = (data as Float32Array).subarray((ids.length - 1) * dims[2]);
        ids.push(last.indexOf(Math.max(...last)));
      }
      await session.release();
      const printed = run([model, `${text}/tokenizer.json`], { task: 'causal-lm' });
      // The tokenizers library may put spaces between what it joins.
      const letters = (s: string) => s.replace(/\s/g, '');
      expect(letters(printed)).toBe(letters(ids.map((id) => spelt[id]).join('')));
    },
    60_000,
  );

  test('tells what is in a picture', () => {
    const label = readFileSync(`${images}/report-labels.npy`).at(-1000)!;
    const draw = (folder: string) => {
      const script = `
import numpy as np, sys
from PIL import Image
Image.fromarray(np.load(sys.argv[1])[0].reshape(28, 28)).save(sys.argv[2])`;
      const png = join(folder, 'picture.png');
      spawnSync(python!, ['-c', script, resolve(`${images}/report-images.npy`), png]);
    };
    const files = ['model.onnx', 'config.json', 'preprocessor_config.json'].map(
      (name) => `${images}/${name}`,
    );
    expect(run(files, { task: 'image-classification' }, draw)).toBe(`LABEL_${label}\n`);
  }, 60_000);

  test('runs what it knows nothing of', () => {
    const printed = run([`${text}/model.onnx`], { task: 'unknown' });
    expect(printed).toMatch(/^model\.onnx \S+ \(1, 8, 65\)\n$/);
  }, 60_000);
});
