/**
 * What a model's feature extractor does to sound, from preprocessor_config.json: the sampling rate, and either log-mel
 * features (`input_features`) or the waveform, normalised or not (`input_values`).
 *
 * Source: WhisperFeatureExtractor and Wav2Vec2FeatureExtractor of Hugging Face's transformers. A waveform is normalised
 * to (x − mean) / √(variance + 1e-7) over the clip.
 *
 * Known limits: other kinds of features (Kaldi's filter banks, MFCC) are not made; they can be given as .npy.
 */
import { type Json, readConfig } from './config.ts';
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';
import type { MelSettings } from './mel.ts';

export interface SoundRecipe {
  /** Samples a second. */
  readonly rate: number;
  /** Features of clips of `samples` samples; absent where the waveform itself is fed. */
  readonly mel?: MelSettings & { readonly samples: number };
  readonly normalise: boolean;
  /** Sentences. */
  readonly notes: readonly string[];
}

const WHISPER = 'WhisperFeatureExtractor';

/**
 * @param input `input_features` or `input_values`
 * @returns undefined where the file is needed and is not there
 * @throws DataError for settings that are not understood
 */
export async function readSoundRecipe(
  file: NamedBlob | undefined,
  input: 'input_features' | 'input_values',
): Promise<SoundRecipe | undefined> {
  const json = await readConfig(file);
  const positive = (key: string, otherwise: number) => {
    const value = json[key] ?? otherwise;
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
    throw new DataError(
      `“${file?.name}” has ${key} = ${JSON.stringify(value)}, which is not understood. Give the model’s inputs as .npy.`,
    );
  };
  if (input === 'input_values') {
    return {
      rate: positive('sampling_rate', 16_000),
      normalise: json.do_normalize !== false,
      notes: file
        ? []
        : [
            'No preprocessor_config.json: sound is taken at 16 kHz and normalised, as most such models want it.',
          ],
    };
  }
  if (!file) return undefined;
  const kind = json.feature_extractor_type ?? json.image_processor_type ?? WHISPER;
  if (kind !== WHISPER) {
    throw new DataError(
      `“${file.name}” is for features of the kind ${String(kind)}, which cannot be made here. Give them as input_features.npy.`,
    );
  }
  return { ...whisper(json, positive), normalise: false, notes: [] };
}

function whisper(
  json: Json,
  positive: (key: string, otherwise: number) => number,
): Pick<SoundRecipe, 'rate' | 'mel'> {
  const rate = positive('sampling_rate', 16_000);
  // Some files hold the product, and no length in seconds.
  const samples =
    json.chunk_length === undefined ? positive('n_samples', 30 * rate) : positive('chunk_length', 30) * rate;
  return {
    rate,
    mel: {
      features: positive('feature_size', 80),
      frameLength: positive('n_fft', 400),
      hop: positive('hop_length', 160),
      rate,
      samples: Math.round(samples),
    },
  };
}

/** Zero mean, unit variance. */
export function normaliseSound(samples: Float32Array): Float32Array {
  let mean = 0;
  for (const x of samples) mean += x;
  mean /= samples.length;
  let variance = 0;
  for (const x of samples) variance += (x - mean) ** 2;
  const scale = 1 / Math.sqrt(variance / samples.length + 1e-7);
  return samples.map((x) => (x - mean) * scale);
}
