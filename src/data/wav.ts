/**
 * Reads .wav files: PCM of 8 (unsigned), 16, 24 and 32 bits and floats of 32 and 64 bits, any number of channels.
 *
 * Channels are averaged. Integers are divided by 2^(bits − 1), so that samples lie in [−1, 1). Source: the RIFF/WAVE
 * format with WAVE_FORMAT_EXTENSIBLE, whose first two bytes of the sub-format are the plain format's.
 *
 * Known limits: compressed formats (µ-law, ADPCM, MP3 in WAVE) are refused by name.
 */
import { DataError } from './errors.ts';

export interface Sound {
  /** Samples a second. */
  readonly rate: number;
  /** One channel. */
  readonly samples: Float32Array;
}

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
const NAMES: Readonly<Record<number, string>> = {
  2: 'ADPCM',
  6: 'A-law',
  7: 'µ-law',
  17: 'IMA ADPCM',
  85: 'MP3',
};

/** @throws DataError for what cannot be read as sound */
export function parseWav(bytes: Uint8Array, name: string): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 12 || tag(0) !== 'RIFF' || tag(8) !== 'WAVE') {
    throw new DataError(
      `“${name}” is not a WAVE file: it does not begin as one. Convert it (for instance with ffmpeg -i in.mp3 out.wav) and drop that.`,
    );
  }
  let format: { code: number; channels: number; rate: number; bits: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const start = at + 8;
    const told = view.getUint32(at + 4, true);
    // A recorder that streams does not know the size yet.
    const size = Math.min(told, bytes.length - start);
    if (tag(at) === 'fmt ' && size >= 16) {
      const code = view.getUint16(start, true);
      format = {
        code: code === EXTENSIBLE && size >= 26 ? view.getUint16(start + 24, true) : code,
        channels: view.getUint16(start + 2, true),
        rate: view.getUint32(start + 4, true),
        bits: view.getUint16(start + 14, true),
      };
    }
    if (tag(at) === 'data' && format) {
      const { code, channels, rate, bits } = format;
      const read = readerOf(code, bits);
      if (!read || channels === 0 || rate === 0) {
        throw new DataError(
          `“${name}” holds ${NAMES[code] ?? `samples of format ${code}`} with ${bits} bits, which cannot be read. Save it as PCM of 16 bits.`,
        );
      }
      const count = Math.floor(size / ((bits / 8) * channels));
      const samples = new Float32Array(count);
      for (let k = 0; k < count; k++) {
        let sum = 0;
        for (let c = 0; c < channels; c++) sum += read(view, start + ((k * channels + c) * bits) / 8);
        samples[k] = sum / channels;
      }
      return { rate, samples };
    }
    at = start + told + (told & 1);
  }
  throw new DataError(
    `“${name}” is cut short: it has no ${format ? 'samples' : 'format'}. Copy or download it again.`,
  );
}

type Read = (view: DataView, at: number) => number;

function readerOf(code: number, bits: number): Read | undefined {
  if (code === FLOAT) {
    if (bits === 32) return (view, at) => view.getFloat32(at, true);
    return bits === 64 ? (view, at) => view.getFloat64(at, true) : undefined;
  }
  if (code !== PCM) return undefined;
  switch (bits) {
    case 8:
      return (view, at) => (view.getUint8(at) - 128) / 128;
    case 16:
      return (view, at) => view.getInt16(at, true) / 2 ** 15;
    case 24:
      return (view, at) => (view.getUint8(at) + view.getInt16(at + 1, true) * 256) / 2 ** 23;
    case 32:
      return (view, at) => view.getInt32(at, true) / 2 ** 31;
    default:
      return undefined;
  }
}
