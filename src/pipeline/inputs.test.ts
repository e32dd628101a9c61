/**
 * Models of every kind, fed from files and compared with onnxruntime-node on feeds that this file makes by itself; and
 * what is filled up, left out of statistics.
 */
import { readFileSync } from 'node:fs';
import * as node from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import type { NamedBlob } from '../data/files.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { createStudio } from '../testing/studio-in-node.ts';
import { toMatrix } from './features.ts';
import type { OpenResult } from './types.ts';

const named = (name: string, part: BlobPart): NamedBlob => Object.assign(new Blob([part]), { name });
const file = (name: string) => readFileSync(new URL(`../testing/models/${name}.onnx`, import.meta.url));
const LETTERS = ' abcdefghijklmnopqrs';
const SPECIAL = { '[CLS]': 20, '[SEP]': 21, '[MASK]': 22 };

function tokenizer(special: boolean): NamedBlob {
  const added = special ? Object.entries(SPECIAL) : [];
  const piece = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  return named(
    'tokenizer.json',
    JSON.stringify({
      added_tokens: added.map(([content, id]) => ({ id, content, special: true })),
      normalizer: null,
      pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
      post_processor: special
        ? {
            type: 'TemplateProcessing',
            single: [piece('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, piece('[SEP]')],
            pair: [],
            special_tokens: Object.fromEntries(
              added.slice(0, 2).map(([t, id]) => [t, { id: t, ids: [id], tokens: [t] }]),
            ),
          }
        : null,
      decoder: { type: 'Fuse' },
      model: {
        type: 'WordLevel',
        vocab: Object.fromEntries([...[...LETTERS].map((c, i) => [c, i]), ...added]),
        unk_token: 'a',
      },
    }),
  );
}

async function opened(model: string, ...files: NamedBlob[]) {
  const studio = await createStudio();
  const result: OpenResult = await studio.open([named(`${model}.onnx`, file(model)), ...files]);
  expect(result.needs).toEqual([]);
  return { studio, data: result.data! };
}

type Feeds = Record<string, node.Tensor>;
const int64 = (rows: number[][]) =>
  new node.Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);

async function run(model: string, feeds: Feeds) {
  const session = await node.InferenceSession.create(file(model), { intraOpNumThreads: 1 });
  const out = await session.run(feeds);
  await session.release();
  return out;
}

/** exp of the mean NLL of rows of logits. */
function perplexity(rows: { z: number[]; id: number }[]): number {
  const nll = rows.map(({ z, id }) => Math.log(z.reduce((s, v) => s + Math.exp(v), 0)) - z[id]);
  return Math.exp(nll.reduce((s, v) => s + v, 0) / nll.length);
}

const row = (t: node.Tensor, at: number) => {
  const width = t.dims.at(-1)!;
  return Array.from((t.data as Float32Array).slice(at * width, (at + 1) * width));
};

const idsOf = (text: string) => [...text].map((c) => LETTERS.indexOf(c));

test('an encoder–decoder for text is scored with its own answers fed, and writes', async () => {
  const pairs = ['abcde\tba', 'bcdef\tdcb', 'fghij\ta', 'klmno\tb', 'ppppp\tcdb', 'qrsab\tsa'];
  const config = named('config.json', '{"decoder_start_token_id":3,"eos_token_id":1,"pad_token_id":0}');
  const split = (name: string, rows: string[]) => named(`${name}.tsv`, rows.join('\n'));
  const { studio, data } = await opened(
    'marian-dynamo',
    tokenizer(false),
    config,
    split('calibrate', pairs),
    split('select', pairs.slice(0, 2)),
    split('report', pairs.slice(0, 3)),
  );
  expect(data).toMatchObject({ kind: 'pairs', task: 'seq2seq-text', metric: 'perplexity' });
  const { original, samples } = await studio.evaluate('report');
  const rows: { z: number[]; id: number }[] = [];
  for (const pair of pairs.slice(0, 3)) {
    const [source, target] = pair.split('\t').map(idsOf);
    const wanted = [...target, 1];
    const decoder = [3, ...target, 0, 0, 0].slice(0, 4);
    const { logits } = await run('marian-dynamo', {
      input_ids: int64([source, source]),
      decoder_input_ids: int64([decoder, decoder]),
    });
    wanted.forEach((id, t) => {
      rows.push({ z: row(logits, t), id });
    });
  }
  expect(samples).toBe(rows.length);
  expect(original).toBeCloseTo(perplexity(rows), 4);
  const measured = await studio.measure();
  // Six sources of five tokens; answers of 3, 4, 2, 2, 4 and 3 places.
  expect(measured.matrices.filter((m) => m.kind === 'cka').map((m) => m.samples)).toEqual([30, 18]);
  const written = await studio.examples({ prompt: 'abcde', tokens: 3, temperature: 0, seed: 1 });
  let text = [3];
  for (let k = 0; k < 3; k++) {
    const decoder = [...text, 0, 0, 0].slice(0, 4);
    const source = idsOf('abcde');
    const { logits } = await run('marian-dynamo', {
      input_ids: int64([source, source]),
      decoder_input_ids: int64([decoder, decoder]),
    });
    const z = row(logits, text.length - 1);
    const best = z.indexOf(Math.max(...z));
    if (best === 1) break;
    text = [...text, best];
  }
  const spelled = text
    .slice(1)
    .map((id) => LETTERS[id] ?? '')
    .join('');
  expect(written).toMatchObject({ kind: 'text', prompt: 'abcde', original: spelled });
  await studio.dispose();
}, 30_000);

test('an encoder of text is fed special tokens, and compared by the angle of its vectors', async () => {
  const text = Array.from({ length: 60 }, (_, k) => LETTERS[(k * k * 7 + k) % 20]).join('');
  const splits = ['calibrate', 'select', 'report'].map((s) => named(`${s}.txt`, text.slice(0, 15)));
  const { studio, data } = await opened('roberta-dynamo', tokenizer(true), ...splits);
  expect(data).toMatchObject({ task: 'text-encoder', metric: 'cosine', metrics: ['cosine'] });
  const first = await studio.evaluate('report');
  // Five chunks of three letters between [CLS] and [SEP], in batches of two: what fills the last up is not scored.
  expect(first).toMatchObject({ metric: 'cosine', original: 0, merged: 0, samples: 25 });
  await studio.dispose();
}, 30_000);

/** [items × 3 × 8 × 8] */
function pictures(items: number): Uint8Array<ArrayBuffer> {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${items}, 3, 8, 8), }`.padEnd(118);
  const data = Float32Array.from({ length: items * 192 }, (_, k) => Math.sin(k * k));
  const start = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0];
  return Uint8Array.from([...start, ...Buffer.from(header), ...new Uint8Array(data.buffer)]);
}

test('a tower for text and one for images are both compared', async () => {
  const captions = named('captions.csv', 'a.png,abc\nb.png,def\nc.png,"f g"\nd.png,a');
  const { studio, data } = await opened(
    'clip-dynamo',
    tokenizer(true),
    named('images.npy', pictures(9)),
    captions,
  );
  expect(data).toMatchObject({ task: 'text-and-image', metric: 'cosine' });
  // Of nine images two are in the report split, which one batch of two holds.
  expect(data.splits.map((s) => s.items)).toEqual([5, 2, 2]);
  expect(await studio.evaluate('report')).toMatchObject({ original: 0, samples: 4 });
  // The last batch of the five is filled up, which is not counted.
  const { matrices } = await studio.measure();
  const [texts, images] = matrices.filter((m) => m.kind === 'cka').map((m) => m.samples);
  expect(images).toBe(25);
  expect(texts).toBe(25);
  await studio.dispose();
}, 30_000);

/** A recording of 16-bit PCM at 16 kHz. */
function wav(samples: number[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(44 + samples.length * 2);
  const view = new DataView(out.buffer);
  out.set(Buffer.from('RIFF    WAVEfmt '));
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 16_000, true);
  view.setUint16(34, 16, true);
  out.set(Buffer.from('data'), 36);
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((v, k) => {
    view.setInt16(44 + 2 * k, Math.round(v * 32_768), true);
  });
  return out;
}

test('a model of sound is fed the waveform, normalised', async () => {
  const clip = (k: number) =>
    Array.from({ length: 400 }, (_, n) => Math.round(Math.sin(n * 0.1 * (k + 1)) * 1000) / 32_768);
  const clips = ['calibrate', 'select', 'report'].map((s, k) => named(`${s}.wav`, wav(clip(k))));
  const { studio, data } = await opened('wav2vec2-dynamo', ...clips);
  expect(data).toMatchObject({ kind: 'audio', task: 'audio-encoder', metric: 'cosine' });
  const { samples } = await studio.evaluate('report');
  expect(samples).toBe(19);
  await studio.dispose();
}, 30_000);

test('speech to text is scored on transcripts', async () => {
  const settings = named('preprocessor_config.json', '{"chunk_length":0.16,"feature_size":8}');
  const names = ['calibrate', 'select', 'report'];
  const clips = names.map((s, k) =>
    named(`${s}.wav`, wav(Array.from({ length: 2560 }, (_, n) => Math.sin(n * 0.02 * (k + 1)) / 4))),
  );
  const table = named('texts.csv', names.map((s) => `${s}.wav,ab`).join('\n'));
  const config = named('config.json', '{"decoder_start_token_id":2,"eos_token_id":1,"pad_token_id":0}');
  const { studio, data } = await opened(
    'whisper-torchscript-17',
    settings,
    config,
    tokenizer(false),
    table,
    ...clips,
  );
  expect(data).toMatchObject({ task: 'seq2seq-audio', metric: 'perplexity' });
  const { samples, original } = await studio.evaluate('report');
  expect(samples).toBe(3);
  expect(original).toBeGreaterThan(1);
  const written = await studio.examples({ prompt: '', tokens: 2, temperature: 0, seed: 1 });
  expect(written).toMatchObject({ kind: 'text', prompt: 'report.wav: ab' });
  await studio.dispose();
}, 30_000);

describe('rows that fill a batch up', () => {
  const backend = createCpuBackend();
  const value = (dims: number[]) => {
    const data = Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, k) => k);
    return { type: 'float32', dims, read: async () => data, release: () => undefined };
  };
  const rows = async (dims: number[], padding: Parameters<typeof toMatrix>[3]) => {
    const matrix = await toMatrix(backend, value(dims), 2, padding);
    const data = await backend.read(matrix);
    return Array.from({ length: matrix.rows }, (_, r) => data[2 * r] / 2);
  };
  const encoder = Uint8Array.of(1, 1, 0, 1, 0, 0);
  const decoder = Uint8Array.of(1, 0, 1, 1);

  test('are left out of the side that they are on', async () => {
    expect(await rows([2, 3, 2], { encoder, decoder })).toEqual([0, 1, 3]);
    expect(await rows([4, 2], { encoder, decoder })).toEqual([0, 2, 3]);
    expect(await rows([2, 3, 2], { encoder, decoder: Uint8Array.of(1, 0, 1, 1, 1, 1) })).toEqual([0, 3]);
    expect(await rows([2, 5, 2], { encoder, decoder })).toHaveLength(10);
  });

  test('are left out with their whole item', async () => {
    expect(await rows([2, 5, 2], { items: Uint8Array.of(1, 0) })).toEqual([0, 1, 2, 3, 4]);
    expect(await rows([2, 3, 2], { items: Uint8Array.of(0, 1), encoder })).toEqual([3]);
  });
});
