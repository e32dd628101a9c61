/**
 * Pixels of a dataset as people see them: RGBA, 0–255, opaque.
 *
 * Bytes are shown as they are, brightened alike where a file uses few of the 256 levels (digits of 0–16); values that
 * were normalised before are stretched from the image's own smallest and largest value to 0–255, so that colours may
 * be shifted. One channel is grey, three are RGB, of four the last is taken for opacity and left out; others show
 * their first.
 */
import type { NpyArray } from './npy.ts';

/** One image: a view of its values, and how to read them. */
export interface Pixels {
  readonly pixels: NpyArray['data'];
  /** The values are uint8 levels, not normalised ones. */
  readonly bytes: boolean;
  /** The largest level of the file, for bytes. */
  readonly brightest?: number;
  readonly channelsLast: boolean;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** RGBA, row-major [height × width × 4]. */
export function pictureOf(image: Pixels): { width: number; height: number; pixels: Uint8ClampedArray } {
  const { width, height, channels } = image;
  const plane = width * height;
  const [low, high] = image.bytes ? [0, levels(image.brightest ?? 255)] : rangeOf(image.pixels);
  const scale = high > low ? 255 / (high - low) : 0;
  const colours = channels === 3 || channels === 4 ? 3 : 1;
  const pixels = new Uint8ClampedArray(plane * 4);
  for (let p = 0; p < plane; p++) {
    for (let c = 0; c < 3; c++) {
      const channel = colours === 3 ? c : 0;
      const at = image.channelsLast ? p * channels + channel : channel * plane + p;
      pixels[p * 4 + c] = (Number(image.pixels[at]) - low) * scale;
    }
    pixels[p * 4 + 3] = 255;
  }
  return { width, height, pixels };
}

/** What stands for white: 255, or the brightest level where that is one of few. */
function levels(brightest: number): number {
  return brightest > 0 && brightest < 64 ? brightest : 255;
}

function rangeOf(values: ArrayLike<number | bigint>): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < values.length; k++) {
    const value = Number(values[k]);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
