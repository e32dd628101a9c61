/**
 * Picture files to pixels.
 *
 * PNG is decoded here, at once and the same everywhere: a browser would apply colour profiles and premultiply
 * opacity, which Pillow does not. Other formats are left to a decoder that is passed in (the browser's; there is none
 * in Node). Channels are made as Pillow's `convert` makes them: grey = (19595 R + 38470 G + 7471 B + 2¹⁵) / 2¹⁶,
 * opacity left out, 16 bits cut to their high 8.
 *
 * Known limits: gamma, colour profiles and Exif orientation of PNG files are ignored; of several frames only the
 * first is read.
 */
import { decode } from 'fast-png';
import { DataError } from './errors.ts';
import type { Raster } from './resize.ts';

/**
 * Decodes what is no PNG, as RGBA.
 * @throws any error for bytes that it cannot decode
 */
export type ImageDecoder = (bytes: Uint8Array<ArrayBuffer>, type: string) => Promise<Raster>;

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** The format by the first bytes, as a media type; names of files lie. */
export function formatOf(bytes: Uint8Array): string | undefined {
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  if (PNG.every((b, k) => bytes[k] === b)) return 'image/png';
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return 'image/jpeg';
  if (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP') return 'image/webp';
  if (text(0, 4) === 'GIF8') return 'image/gif';
  if (text(4, 8) === 'ftyp' && text(8, 11) === 'avi') return 'image/avif';
  if (text(0, 2) === 'BM') return 'image/bmp';
  return undefined;
}

/**
 * The size of a PNG, whose chunks are walked to its end without unpacking: a file that is cut short is told at once.
 * @throws DataError where the file is not whole
 */
export function pngSize(bytes: Uint8Array, name: string): { width: number; height: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = PNG.length; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (view.getUint32(at + 4) !== 0x49454e44) continue;
    const [width, height] = [view.getUint32(16), view.getUint32(20)];
    if (width > 0 && height > 0) return { width, height };
    break;
  }
  throw new DataError(`“${name}” is cut short: its PNG data has no end. Copy or download it again.`);
}

/** @throws DataError where the data is damaged */
export function decodePng(bytes: Uint8Array, name: string): Raster {
  try {
    const { width, height, depth, channels, data, palette } = decode(bytes);
    if (bytes[COLOUR_TYPE] === 3) {
      if (!palette) throw new RangeError('it has no palette');
      const indices = samplesOf(data, depth, width, height);
      return { width, height, channels: 3, data: coloursOf(indices, palette) };
    }
    const levels = samplesOf(data, depth, width * channels, height);
    if (depth < 8) for (let k = 0; k < levels.length; k++) levels[k] *= 255 / (2 ** depth - 1);
    return { width, height, channels, data: levels };
  } catch (error) {
    throw new DataError(
      `“${name}” could not be decoded as PNG: ${error instanceof Error ? error.message : String(error)}. Save it again, or leave it out.`,
    );
  }
}

/** Where a PNG says whether its samples are grey, colours or entries of a palette. */
const COLOUR_TYPE = 25;

/** Samples of 1 to 16 bits, a byte each; of 16 the high 8. */
function samplesOf(data: ArrayLike<number>, depth: number, perRow: number, rows: number): Uint8Array {
  if (depth === 8) return Uint8Array.from(data);
  if (depth === 16) return Uint8Array.from(data, (v) => v >> 8);
  // Packed from the high bits on; each row begins a byte.
  const perByte = 8 / depth;
  const rowBytes = Math.ceil(perRow / perByte);
  const samples = new Uint8Array(perRow * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < perRow; x++) {
      const byte = data[y * rowBytes + Math.floor(x / perByte)];
      samples[y * perRow + x] = (byte >> (8 - depth * ((x % perByte) + 1))) & (2 ** depth - 1);
    }
  }
  return samples;
}

function coloursOf(indices: Uint8Array, palette: readonly (readonly number[])[]): Uint8Array {
  const data = new Uint8Array(indices.length * 3);
  indices.forEach((index, p) => {
    const colour = palette[index];
    if (!colour) throw new RangeError(`colour ${index} is not in its palette of ${palette.length}`);
    data.set(colour.slice(0, 3), p * 3);
  });
  return data;
}

/** The image in 1 (grey) or 3 (RGB) channels; of 2 and 4 the last is opacity. */
export function toChannels(image: Raster, channels: 1 | 3): Raster {
  if (image.channels === channels) return image;
  const colours = image.channels < 3 ? 1 : 3;
  const count = image.width * image.height;
  const data = new Uint8Array(count * channels);
  for (let p = 0; p < count; p++) {
    const from = p * image.channels;
    const [r, g, b] = [image.data[from], image.data[from + 1], image.data[from + 2]];
    if (channels === 1) data[p] = colours === 1 ? r : (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16;
    else {
      data[p * 3] = r;
      data[p * 3 + 1] = colours === 1 ? r : g;
      data[p * 3 + 2] = colours === 1 ? r : b;
    }
  }
  return { width: image.width, height: image.height, channels, data };
}

/** The browser's own decoder, where there is one: in a page or a worker, not in Node. */
export function browserDecoder(): ImageDecoder | undefined {
  if (typeof createImageBitmap !== 'function' || typeof OffscreenCanvas !== 'function') return undefined;
  return async (bytes, type) => {
    const bitmap = await createImageBitmap(new Blob([bytes], { type }), {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
    });
    try {
      const { width, height } = bitmap;
      const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
      if (!context) throw new RangeError('there is no canvas to decode it on');
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      return { width, height, channels: 4, data: new Uint8Array(data.buffer) };
    } finally {
      bitmap.close();
    }
  };
}
