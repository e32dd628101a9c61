/**
 * An encoder and its decoder, dropped together: measured as one model, merged in both stacks, saved as files that run
 * together, and that give the same text with a cache and without.
 */
import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { unzipSync } from 'fflate';
import * as node from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import type { NamedBlob } from '../data/files.ts';
import { createStudio } from '../testing/studio-in-node.ts';
import { openModels } from './opened.ts';
import { paddingOn, sideOf } from './side.ts';
import type { Studio } from './studio.ts';

const root = 'src/testing/models';

async function named(path: string): Promise<NamedBlob> {
  return new File([await openAsBlob(path)], path.split('/').at(-1)!);
}

function text(name: string, contents: string): NamedBlob {
  return new File([contents], name);
}

/** Lines of pairs over the words t3 … t23 of the tiny tokenizers. */
function pairs(count: number): string {
  const words = (k: number, n: number) =>
    Array.from({ length: n }, (_, i) => `t${3 + ((k * 7 + i * 5) % 20)}`).join(' ');
  return Array.from({ length: count }, (_, k) =>
    JSON.stringify({ source: words(k, 3 + (k % 4)), target: words(k + 3, 2 + (k % 3)) }),
  ).join('\n');
}

type Sessions = Record<string, node.InferenceSession>;

async function unzipped(studio: Studio, format: 'onnx' | 'zip' = 'onnx') {
  const { blob, fileName } = await studio.download(format);
  expect(fileName).toMatch(/\.zip$/);
  return unzipSync(new Uint8Array(await blob.arrayBuffer()));
}

async function sessionsOf(files: Readonly<Record<string, Uint8Array>>): Promise<Sessions> {
  const sessions: Sessions = {};
  for (const [name, bytes] of Object.entries(files)) {
    if (name.endsWith('.onnx'))
      sessions[name] = await node.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  }
  return sessions;
}

const ints = (values: readonly number[], dims: readonly number[]) =>
  new node.Tensor('int64', BigInt64Array.from(values, BigInt), dims);

function likeliest(logits: node.Tensor): number {
  const width = logits.dims.at(-1)!;
  const last = (logits.data as Float32Array).slice(-width);
  return last.indexOf(Math.max(...last));
}

async function encode({ 'encoder_model.onnx': encoder }: Sessions, ids: readonly number[]) {
  const attention_mask = ints(
    ids.map(() => 1),
    [1, ids.length],
  );
  const { last_hidden_state } = await encoder.run({ input_ids: ints(ids, [1, ids.length]), attention_mask });
  return { encoder_hidden_states: last_hidden_state, encoder_attention_mask: attention_mask };
}

/** Greedy tokens, running the whole decoder each time. */
async function withoutCache(sessions: Sessions, ids: readonly number[], steps: number): Promise<number[]> {
  const given = await encode(sessions, ids);
  const made = [0];
  for (let k = 0; k < steps; k++) {
    const decoder = sessions['decoder_model.onnx'];
    const { logits } = await decoder.run({ input_ids: ints(made, [1, made.length]), ...given });
    made.push(likeliest(logits));
  }
  return made;
}

/** Greedy tokens by the first decoder once and the second with its cache. */
async function withCache(sessions: Sessions, ids: readonly number[], steps: number): Promise<number[]> {
  const given = await encode(sessions, ids);
  const made = [0];
  let past: Record<string, node.Tensor> = {};
  for (let k = 0; k < steps; k++) {
    const first = k === 0;
    const session = sessions[first ? 'decoder_model.onnx' : 'decoder_with_past_model.onnx'];
    const feeds: Record<string, node.Tensor> = { input_ids: ints([made.at(-1)!], [1, 1]), ...given, ...past };
    const outputs = await session.run(
      Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])),
    );
    for (const [name, value] of Object.entries(outputs)) {
      if (name.startsWith('present')) past = { ...past, [name.replace('present', 'past_key_values')]: value };
    }
    made.push(likeliest(outputs.logits));
  }
  return made;
}

describe('a Marian-style pair', () => {
  const folder = `${root}/marian-pair`;
  const files = [
    'encoder_model.onnx',
    'decoder_model.onnx',
    'decoder_with_past_model.onnx',
    'tokenizer.json',
    'config.json',
    'generation_config.json',
  ];

  test('opens together, is merged in both stacks, and downloads files that run together, with and without a cache', async () => {
    const studio = await createStudio();
    const dropped = [
      ...(await Promise.all(files.map((f) => named(`${folder}/${f}`)))),
      text('pairs.jsonl', pairs(60)),
    ];
    const opened = await studio.open(dropped);
    expect(opened.needs).toEqual([]);
    expect(opened.model.files.map((f) => f.role)).toEqual(['encoder', 'decoder', 'decoder-with-past']);
    expect(opened.model.groups.map((g) => g.layers)).toEqual([2, 2]);
    expect(opened.model.task).toBe('seq2seq-text');

    const { matrices } = await studio.measure();
    for (const m of matrices.filter((x) => x.kind === 'cka')) {
      expect(m.values[0]).toBeCloseTo(1, 6);
      expect(m.values[1]).toBeGreaterThan(0);
      expect(m.values[1]).toBeLessThan(1);
    }
    const sets = opened.model.groups.map((g) => ({ groupId: g.id, layers: [0, 1] }));
    const { saving } = await studio.merge({ sets, method: 'permute', reference: 'first', score: 'default' });
    // Two FFNs of 16 → 40 with biases in the two stacks; the decoder's is in two files.
    expect(saving.parametersSaved).toBe(2 * (2 * 16 * 40 + 40 + 16));
    expect(saving.bytesSaved).toBeGreaterThan(3 * 4 * (2 * 16 * 40 + 40 + 16));
    const score = await studio.evaluate('report');
    expect(score.metric).toBe('perplexity');
    expect(score.merged).not.toBe(score.original);
    expect(score.merged).toBeGreaterThan(1);

    const unpacked = await unzipped(studio);
    expect(Object.keys(unpacked)).toEqual(files.slice(0, 3));
    const sessions = await sessionsOf(unpacked);
    const source = [5, 9, 14, 7, 2];
    const plain = await withoutCache(sessions, source, 8);
    expect(await withCache(sessions, source, 8)).toEqual(plain);

    const originals = Object.fromEntries(
      await Promise.all(
        files.slice(0, 3).map(async (f) => [f, new Uint8Array(await readFile(`${folder}/${f}`))]),
      ),
    );
    const before = await sessionsOf(originals);
    const logitsOf = async (s: Sessions) =>
      (await s['decoder_model.onnx'].run({ input_ids: ints([0, 4], [1, 2]), ...(await encode(s, source)) }))
        .logits.data as Float32Array;
    const [a, b] = [await logitsOf(before), await logitsOf(sessions)];
    expect(Math.max(...a.map((v, i) => Math.abs(v - b[i])))).toBeGreaterThan(1e-3);

    const zip = await unzipped(studio, 'zip');
    expect(Object.keys(zip).sort()).toEqual(['RUNNING.md', ...files].sort());
    await studio.dispose();
  });

  test('nothing merged: every file is as it was, byte for byte', async () => {
    const studio = await createStudio();
    await studio.open(await Promise.all(files.slice(0, 3).map((f) => named(`${folder}/${f}`))));
    const unpacked = await unzipped(studio);
    for (const f of files.slice(0, 3))
      expect((await readFile(`${folder}/${f}`)).equals(unpacked[f])).toBe(true);
  });

  test('a decoder without its encoder is shown, and asks for it', async () => {
    const studio = await createStudio();
    const { needs, model } = await studio.open([await named(`${folder}/decoder_model.onnx`)]);
    expect(model.groups.map((g) => g.layers)).toEqual([2]);
    expect(needs).toEqual([
      {
        what: 'model',
        sentence:
          '“decoder_model.onnx” reads what an encoder gives (encoder_hidden_states), so it cannot run alone. Drop it together with its encoder_model.onnx.',
      },
    ]);
  });

  test('files of two exports are refused when they would be merged alike', async () => {
    const studio = await createStudio();
    const other = await named(`${root}/marian-pair/decoder_with_past_model.onnx`);
    const bytes = new Uint8Array(await other.arrayBuffer());
    const opened = await studio.open([
      await named(`${folder}/encoder_model.onnx`),
      await named(`${folder}/decoder_model.onnx`),
      new File([changed(bytes)], 'decoder_with_past_model.onnx'),
    ]);
    const sets = [{ groupId: opened.model.groups[1].id, layers: [0, 1] }];
    const plan = { sets, method: 'vanilla', reference: 'first', score: 'default' } as const;
    await expect(studio.merge(plan)).rejects.toThrow(
      /“decoder_with_past_model.onnx” and “decoder_model.onnx” hold different weights for .*, so they are not files of one export/,
    );
  });
});

describe('a Whisper-style pair', () => {
  const folder = `${root}/whisper-pair`;
  const files = ['encoder_model.onnx', 'decoder_model.onnx'];

  test('opens together with recordings and transcripts, and its merged files run together', async () => {
    const studio = await createStudio();
    const beside = ['config.json', 'generation_config.json', 'preprocessor_config.json'].map(
      (f) => `${folder}/${f}`,
    );
    const models = files.map((f) => `${folder}/${f}`);
    const paths = [...models, ...beside, `${root}/marian-pair/tokenizer.json`];
    const clips = Array.from({ length: 30 }, (_, k) => tone(k, `clip-${k}.wav`));
    const said = clips
      .map(({ name }, k) => `${name}\tt${3 + (k % 9)} t${4 + (k % 7)} t${5 + (k % 11)}`)
      .join('\n');
    const dropped = [
      ...(await Promise.all(paths.map(named))),
      ...clips,
      text('transcripts.tsv', `file\ttext\n${said}`),
    ];
    const opened = await studio.open(dropped);
    expect(opened.needs).toEqual([]);
    expect(opened.model.task).toBe('seq2seq-audio');
    expect(opened.model.groups.map((g) => g.layers)).toEqual([2, 2]);
    await studio.measure();
    const sets = opened.model.groups.map((g) => ({ groupId: g.id, layers: [0, 1] }));
    const { saving } = await studio.merge({ sets, method: 'permute', reference: 'first', score: 'default' });
    expect(saving.parametersSaved).toBe(2 * (2 * 16 * 40 + 40 + 16));
    const score = await studio.evaluate('report');
    expect(score.metric).toBe('perplexity');
    expect(score.merged).not.toBe(score.original);

    const sessions = await sessionsOf(await unzipped(studio));
    const original = await sessionsOf(
      Object.fromEntries(
        await Promise.all(files.map(async (f) => [f, new Uint8Array(await readFile(`${folder}/${f}`))])),
      ),
    );
    const features = new node.Tensor(
      'float32',
      Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)),
      [1, 8, 16],
    );
    const logitsOf = async (s: Sessions) => {
      const { last_hidden_state } = await s['encoder_model.onnx'].run({ input_features: features });
      const given = { input_ids: ints([1, 5, 9], [1, 3]), encoder_hidden_states: last_hidden_state };
      return (await s['decoder_model.onnx'].run(given)).logits.data as Float32Array;
    };
    const [before, after] = [await logitsOf(original), await logitsOf(sessions)];
    expect(after.every(Number.isFinite)).toBe(true);
    expect(Math.max(...before.map((v, i) => Math.abs(v - after[i])))).toBeGreaterThan(1e-3);
    await studio.dispose();
  });
});

/** One second of a tone as a 16-bit WAVE file. */
function tone(k: number, name: string): File {
  const rate = 16_000;
  const bytes = new DataView(new ArrayBuffer(44 + 2 * rate));
  const put = (at: number, word: string) => {
    for (const [i, c] of [...word].entries()) bytes.setUint8(at + i, c.charCodeAt(0));
  };
  put(0, 'RIFF');
  bytes.setUint32(4, 36 + 2 * rate, true);
  put(8, 'WAVEfmt ');
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, rate, true);
  bytes.setUint32(28, 2 * rate, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  put(36, 'data');
  bytes.setUint32(40, 2 * rate, true);
  for (let i = 0; i < rate; i++) {
    bytes.setInt16(44 + 2 * i, 12_000 * Math.sin((2 * Math.PI * (200 + 90 * k) * i) / rate), true);
  }
  return new File([bytes.buffer], name);
}

/** The same file with other weights: each float of its largest tensors a little larger. */
function changed(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const other = bytes.slice();
  // Low mantissa bytes of weights: every fourth byte of long runs of data changes values, never structure.
  for (let at = 0; at + 2560 < other.length; at++) {
    if (other[at] === 0x4a && other[at + 1] === 0x80 && other[at + 2] === 0x14) {
      for (let k = at + 3; k < at + 3 + 2560; k += 4) other[k] ^= 1;
      at += 2560;
    }
  }
  return other;
}

test('each stack is on its side, told by what it computes from', async () => {
  const { opened } = await openedPair();
  const [encoder, decoder] = opened.search.groups;
  expect(sideOf(encoder, opened.search.index)).toBe('encoder');
  expect(sideOf(decoder, opened.search.index)).toBe('decoder');
  const padding = { encoder: Uint8Array.of(1, 0), decoder: Uint8Array.of(0, 1), items: Uint8Array.of(1) };
  expect(paddingOn('decoder', padding)).toEqual({ decoder: padding.decoder, items: padding.items });
  expect(paddingOn('encoder', { decoder: padding.decoder })).toEqual({});
});

async function openedPair() {
  const files = await Promise.all(
    ['encoder_model.onnx', 'decoder_model.onnx'].map((f) => named(`${root}/marian-pair/${f}`)),
  );
  return { opened: await openModels(files, files) };
}
