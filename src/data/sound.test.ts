/** Sound: files of all kinds, rates, spectra and features, against formulas and numbers of transformers' extractors. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataType } from '../tensor/dtype.ts';
import { createAudioDataset } from './audio.ts';
import { NO_EXTRAS } from './extras.ts';
import { planFeeds } from './feeds.ts';
import type { NamedBlob } from './files.ts';
import { createFourier } from './fourier.ts';
import { createLogMel } from './mel.ts';
import { resampleSound } from './resample.ts';
import { normaliseSound, readSoundRecipe } from './sound-recipe.ts';
import { readTranscripts } from './transcripts.ts';
import { parseWav } from './wav.ts';

const named = (name: string, bytes: BlobPart, path?: string): NamedBlob =>
  Object.assign(new Blob([bytes]), { name, ...(path && { path }) });

/** A WAVE file, written by the format's description. */
function wav(
  values: number[][],
  { bits = 16, code = 1, rate = 16_000, extensible = false, size = undefined as number | undefined } = {},
): Uint8Array<ArrayBuffer> {
  const channels = values[0].length;
  const bytes = bits / 8;
  const head = extensible ? 40 : 16;
  const data = values.length * channels * bytes;
  const out = new Uint8Array(12 + 8 + head + 10 + 8 + data);
  const view = new DataView(out.buffer);
  const text = (at: number, s: string) => out.set(Buffer.from(s), at);
  text(0, 'RIFF');
  view.setUint32(4, out.length - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, head, true);
  view.setUint16(20, extensible ? 0xfffe : code, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint16(34, bits, true);
  if (extensible) view.setUint16(44, code, true);
  // A chunk of odd size between: it is followed by a byte of padding.
  const list = 20 + head;
  text(list, 'LIST');
  view.setUint32(list + 4, 1, true);
  const at = list + 10;
  text(at, 'data');
  view.setUint32(at + 4, size ?? data, true);
  values.flat().forEach((v, k) => {
    const p = at + 8 + k * bytes;
    if (code === 3) bits === 32 ? view.setFloat32(p, v, true) : view.setFloat64(p, v, true);
    else if (bits === 8) view.setUint8(p, Math.round(v * 128) + 128);
    else {
      const level = BigInt(Math.round(v * 2 ** (bits - 1)));
      for (let b = 0; b < bytes; b++) view.setUint8(p + b, Number((level >> BigInt(8 * b)) & 255n));
    }
  });
  return out;
}

describe('WAVE files', () => {
  const values = [[0.5], [-1], [0], [-0.25], [0.75]];
  test.each([
    { bits: 8 },
    { bits: 16 },
    { bits: 24 },
    { bits: 32 },
    { bits: 32, code: 3 },
    { bits: 64, code: 3 },
    { bits: 24, extensible: true },
  ])('of %j give the samples that were written', (settings) => {
    expect(parseWav(wav(values, { ...settings, rate: 8000 }), 'a.wav')).toEqual({
      rate: 8000,
      samples: Float32Array.from(values.flat()),
    });
  });

  test('of two channels give their mean; a size that is not known yet is the rest', () => {
    const stereo = wav(
      [
        [0.5, -0.25],
        [1, 0],
      ].map((pair) => pair.map((v) => v / 2)),
    );
    expect([...parseWav(stereo, 'a.wav').samples]).toEqual([0.0625, 0.25]);
    expect(parseWav(wav(values, { size: 0xffffffff }), 'a.wav').samples).toHaveLength(5);
  });

  test('that are none, or compressed, are refused', () => {
    expect(() => parseWav(new Uint8Array(40), 'a.wav')).toThrow('“a.wav” is not a WAVE file');
    expect(() => parseWav(wav(values, { bits: 8, code: 7 }), 'a.wav')).toThrow(
      '“a.wav” holds µ-law with 8 bits, which cannot be read. Save it as PCM of 16 bits.',
    );
    expect(() => parseWav(wav(values).subarray(0, 44), 'a.wav')).toThrow('it has no samples');
  });
});

describe('another rate', () => {
  test.each([
    [44_100, 16_000],
    [8000, 16_000],
    [48_000, 16_000],
    [22_050, 24_000],
  ])('from %i to %i keeps a tone, and takes away what is too high', (from, to) => {
    const tone = (rate: number, hertz: number, count: number) =>
      Float32Array.from({ length: count }, (_, n) => Math.sin((2 * Math.PI * hertz * n) / rate));
    const out = resampleSound(tone(from, 1234, from / 5), from, to);
    expect(out).toHaveLength(to / 5);
    const wanted = tone(to, 1234, to / 5);
    const inside = [...out.keys()].slice(200, -200);
    expect(Math.max(...inside.map((n) => Math.abs(out[n] - wanted[n])))).toBeLessThan(1e-5);
    if (from <= to) return;
    const high = resampleSound(tone(from, to * 0.53, from / 5), from, to);
    expect(Math.max(...inside.map((n) => Math.abs(high[n])))).toBeLessThan(1e-5);
  });
});

test('the transform of a frame of any length is the formula', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 60 }),
      (x) => {
        const { re, im } = createFourier(x.length)(x);
        for (let k = 0; k < x.length; k++) {
          const angle = (n: number) => (-2 * Math.PI * k * n) / x.length;
          expect(re[k]).toBeCloseTo(
            x.reduce((s, v, n) => s + v * Math.cos(angle(n)), 0),
            10,
          );
          expect(im[k]).toBeCloseTo(
            x.reduce((s, v, n) => s + v * Math.sin(angle(n)), 0),
            10,
          );
        }
      },
    ),
    { numRuns: 60 },
  );
});

/** What src/testing/fixtures/sound-features.json was made from, by the same formula in NumPy. */
const sound = Float32Array.from({ length: 12_000 }, (_, n) => {
  const angle = (2 * Math.PI * n) / 16_000;
  return (
    0.4 * Math.sin(440 * angle) +
    0.2 * Math.sin((1000 + 0.1 * n) * angle) * Math.exp(-n / 4000) +
    0.01 * (((n * 7919) % 1013) / 1013 - 0.5)
  );
});
const reference = JSON.parse(
  readFileSync(new URL('../testing/fixtures/sound-features.json', import.meta.url), 'utf8'),
);

describe('features', () => {
  test.each([
    ['whisper', 80],
    ['large', 128],
  ])('are those of WhisperFeatureExtractor, %s', (name, features) => {
    const { frames, values } = reference[name] as { frames: number[]; values: number[][] };
    const whole = new Float32Array(16_000);
    whole.set(sound);
    const made = createLogMel({ features, frameLength: 400, hop: 160, rate: 16_000 })(whole);
    expect(made).toHaveLength(features * 100);
    let worst = 0;
    frames.forEach((t, k) => {
      for (let m = 0; m < features; m++) worst = Math.max(worst, Math.abs(made[m * 100 + t] - values[k][m]));
    });
    expect(worst).toBeLessThan(1e-4);
  });

  test('of a waveform are those of Wav2Vec2FeatureExtractor', () => {
    const made = normaliseSound(sound);
    (reference.wav2vec2 as number[]).forEach((v, n) => {
      expect(made[n]).toBeCloseTo(v, 5);
    });
  });

  test('are asked for, or refused by name', async () => {
    expect(await readSoundRecipe(undefined, 'input_features')).toBeUndefined();
    const file = (json: object) => named('preprocessor_config.json', JSON.stringify(json));
    const recipe = await readSoundRecipe(file({ chunk_length: 0.16, feature_size: 8 }), 'input_features');
    expect(recipe?.mel).toEqual({ features: 8, frameLength: 400, hop: 160, rate: 16_000, samples: 2560 });
    await expect(
      readSoundRecipe(file({ feature_extractor_type: 'SeamlessM4TFeatureExtractor' }), 'input_features'),
    ).rejects.toThrow('features of the kind SeamlessM4TFeatureExtractor, which cannot be made here');
    await expect(readSoundRecipe(file({ hop_length: 'x' }), 'input_features')).rejects.toThrow(
      'has hop_length = "x", which is not understood',
    );
  });
});

describe('transcripts', () => {
  const clips = [named('a.wav', '', 'clips/a.wav'), named('b.wav', '', 'clips/b.wav')];
  test.each([
    ['a table', [], [named('t.tsv', 'path\tsentence\nclips/b.wav\tBee.\na.mp3\tAy, "A".')]],
    ['a table without a heading', [], [named('t.csv', 'a.wav,"Ay, ""A""."\nb.wav,Bee.')]],
    [
      'JSON lines',
      [named('t.jsonl', '{"file":"b.wav","text":"Bee."}\n{"file":"a","text":"Ay, \\"A\\"."}')],
      [],
    ],
    ['files of their names', [named('a.txt', 'Ay, "A".\n'), named('b.txt', 'Bee.')], []],
  ])('come from %s', async (_, texts, tables) => {
    expect(await readTranscripts(clips, texts, tables)).toEqual(['Ay, "A".', 'Bee.']);
  });

  test('must be there for all, or for none', async () => {
    expect(await readTranscripts(clips, [], [])).toBeUndefined();
    expect(await readTranscripts(clips, [named('note.txt', 'x')], [])).toBeUndefined();
    await expect(readTranscripts(clips, [named('a.txt', 'x')], [])).rejects.toThrow(
      '“b.wav” has no transcript, but others have.',
    );
  });
});

describe('a dataset of sound', () => {
  const recording = (name: string, seconds: number, path?: string) =>
    named(
      name,
      wav(
        Array.from({ length: seconds * 16_000 }, (_, n) => [Math.sin(n * 0.3) / 2]),
        {},
      ),
      path,
    );
  const waves = { name: 'input_values', elemType: DataType.float, dims: ['batch', 'samples'] };
  const sources = { arrays: [], texts: [], tables: [] };

  test('cuts waveforms into clips, of one length in a batch', async () => {
    const recipe = (await readSoundRecipe(undefined, 'input_values'))!;
    const dataset = await createAudioDataset(
      { ...sources, recordings: [recording('a.wav', 22), recording('b.wav', 20.05), recording('c.wav', 2)] },
      { input: waves, recipe, plan: planFeeds([waves], ['sound']), extras: NO_EXTRAS, width: 5 },
    );
    expect((['calibrate', 'select', 'report'] as const).map((s) => dataset.size(s).items)).toEqual([3, 2, 1]);
    expect(dataset.notes).toContain('1 clip shorter than 0.1 s are left out.');
    const { feeds, targets } = dataset.batch('calibrate', 1, 8);
    expect(feeds.input_values.dims).toEqual([2, 160_000]);
    expect(targets).toEqual({ kind: 'none', items: 2, width: 5 });
    const data = feeds.input_values.data as Float32Array;
    expect(data.reduce((s, v) => s + v * v, 0) / data.length).toBeCloseTo(1, 3);
  });

  test('fills a fixed batch up, and tells silence and what is filled up from sound', async () => {
    const input = { name: 'input_features', elemType: DataType.float16, dims: [2, 8, 16] };
    const ids = { name: 'decoder_input_ids', elemType: DataType.int32, dims: [2, 4] };
    const file = named('preprocessor_config.json', '{"chunk_length":0.16,"feature_size":8}');
    const recipe = (await readSoundRecipe(file, 'input_features'))!;
    const rules = { start: 7, prefix: [8], end: [9], pad: 0, notes: [] };
    const dataset = await createAudioDataset(
      {
        ...sources,
        recordings: ['train/a.wav', 'val/b.wav', 'test/c.wav'].map((p) => recording(p.slice(-5), 0.1, p)),
      },
      {
        input,
        recipe,
        plan: planFeeds([input, ids], ['sound', 'decoder']),
        extras: NO_EXTRAS,
        decoder: { rules, most: 4, fixed: 4 },
      },
    );
    const { feeds, targets, padding } = dataset.batch('report', 0, 8);
    expect(feeds.input_features).toMatchObject({ type: 'float16', dims: [2, 8, 16] });
    expect(feeds.decoder_input_ids).toEqual({
      type: 'int32',
      dims: [2, 4],
      data: Int32Array.of(7, 8, 0, 0, 7, 8, 0, 0),
    });
    // 0.1 s are 10 frames, which the encoder halves.
    expect([...padding!.encoder!]).toEqual([1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]);
    expect([...padding!.items!]).toEqual([1, 0]);
    expect([...padding!.decoder!]).toEqual([1, 1, 0, 0, 0, 0, 0, 0]);
    expect(targets.real).toEqual(padding!.decoder);
    expect(dataset.labelled).toBe(false);
  });

  test('refuses features that are not the model’s', async () => {
    const input = { name: 'input_features', elemType: DataType.float, dims: ['n', 80, 3000] };
    const file = named('preprocessor_config.json', '{"feature_size":128}');
    const recipe = (await readSoundRecipe(file, 'input_features'))!;
    await expect(
      createAudioDataset(
        { ...sources, recordings: [recording('a.wav', 1)] },
        { input, recipe, plan: planFeeds([input], ['sound']), extras: NO_EXTRAS },
      ),
    ).rejects.toThrow('preprocessor_config.json makes features of 128×3000, but the model takes 80×3000.');
  });
});
