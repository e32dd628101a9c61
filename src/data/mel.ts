/**
 * Log-mel features of sound, as Whisper's feature extractor makes them.
 *
 * Frames of n_fft samples every hop_length, centred, the ends mirrored, under a periodic Hann window; power spectrum;
 * triangular filters on Slaney's mel scale (linear below 1 kHz, logarithmic above) from 0 to 8 kHz, each of unit area;
 * log10 of at least 1e-10; nothing lower than the clip's maximum − 8; (x + 4) / 4. The last frame is left out.
 *
 * Source: WhisperFeatureExtractor of Hugging Face's transformers; M. Slaney, “Auditory Toolbox” (1998). Checked against
 * numbers from the former in sound.test.ts.
 */
import { createFourier } from './fourier.ts';

export interface MelSettings {
  /** Filters. */
  readonly features: number;
  readonly frameLength: number;
  readonly hop: number;
  readonly rate: number;
}

const HIGHEST_HERTZ = 8000;

/** Features of one clip, row-major [features × floor(samples / hop)]. */
export function createLogMel(settings: MelSettings): (samples: Float32Array) => Float32Array {
  const { features, frameLength: length, hop } = settings;
  const fourier = createFourier(length);
  const bins = Math.floor(length / 2) + 1;
  const filters = melFilters(settings, bins);
  const window = Float64Array.from({ length }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / length));
  return (samples) => {
    const frames = Math.floor(samples.length / hop);
    const out = new Float32Array(features * frames);
    const frame = new Float64Array(length);
    const power = new Float64Array(bins);
    const half = Math.floor(length / 2);
    let highest = Number.NEGATIVE_INFINITY;
    for (let t = 0; t < frames; t++) {
      for (let n = 0; n < length; n++)
        frame[n] = window[n] * samples[mirror(t * hop + n - half, samples.length)];
      const { re, im } = fourier(frame);
      for (let b = 0; b < bins; b++) power[b] = re[b] * re[b] + im[b] * im[b];
      filters.forEach(({ first, weights }, m) => {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * power[first + k];
        const level = Math.log10(Math.max(1e-10, sum));
        highest = Math.max(highest, level);
        out[m * frames + t] = level;
      });
    }
    for (let k = 0; k < out.length; k++) out[k] = (Math.max(out[k], highest - 8) + 4) / 4;
    return out;
  };
}

/** An index beyond an end, mirrored at that end's sample. */
function mirror(index: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const at = ((index % period) + period) % period;
  return at < length ? at : period - at;
}

interface Filter {
  /** The first bin with a weight. */
  readonly first: number;
  readonly weights: Float64Array;
}

function melFilters({ features, rate }: MelSettings, bins: number): Filter[] {
  const highest = toMel(HIGHEST_HERTZ);
  const edges = Array.from({ length: features + 2 }, (_, k) => toHertz((highest * k) / (features + 1)));
  const hertz = Array.from({ length: bins }, (_, b) => (b * rate) / 2 / (bins - 1));
  return Array.from({ length: features }, (_, m) => {
    const [low, centre, high] = edges.slice(m, m + 3);
    const all = hertz.map((f) =>
      Math.max(0, Math.min((f - low) / (centre - low), (high - f) / (high - centre)) * (2 / (high - low))),
    );
    const first = Math.max(
      0,
      all.findIndex((w) => w > 0),
    );
    const last = all.findLastIndex((w) => w > 0);
    return { first, weights: Float64Array.from(all.slice(first, last + 1)) };
  });
}

const LINEAR_UP_TO = 1000;
const MELS_THERE = 15;
const STEP = Math.log(6.4) / 27;

function toMel(hertz: number): number {
  return hertz < LINEAR_UP_TO ? (3 * hertz) / 200 : MELS_THERE + Math.log(hertz / LINEAR_UP_TO) / STEP;
}

function toHertz(mel: number): number {
  return mel < MELS_THERE ? (200 * mel) / 3 : LINEAR_UP_TO * Math.exp(STEP * (mel - MELS_THERE));
}
