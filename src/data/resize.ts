/**
 * Antialiased resizing of 8-bit images, equal to Pillow's Image.resize level for level.
 *
 * Why: preprocessors of image models were run with Pillow, and a browser's canvas resizes differently, by enough to
 * move an accuracy. The algorithm is Pillow's (src/libImaging/Resample.c, described in its documentation under
 * "Filters"), written anew: a separable filter whose support grows with the downscaling factor, weights of each
 * output pixel normalised to 1 and rounded to fixed point (22 bits after the point), first over x, then over y, each
 * pass rounded and clipped to 0–255. Nearest takes the pixel under the centre. An axis whose size stays is skipped.
 *
 * Images are row-major [height × width × channels], uint8. Channels are independent: opacity is not premultiplied,
 * as Pillow does for RGBA; convert first.
 */

/** uint8 levels, row-major [height × width × channels]. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

interface Filter {
  /** Distance, in pixels of the coarser grid, beyond which the weight is 0. */
  readonly support: number;
  weight(x: number): number;
}

/** Bits after the point of a weight: 32, less 8 for the level, less 2 for sign and overshoot. */
const PRECISION = 32 - 8 - 2;

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
/** Keys' cubic with a = −0.5. */
const A = -0.5;

/** By the numbers that Pillow, and so preprocessor_config.json, gives them; 0 is nearest. */
const FILTERS: Readonly<Record<number, Filter>> = {
  1: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
  2: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  3: {
    support: 2,
    weight(x) {
      const d = Math.abs(x);
      if (d < 1) return ((A + 2) * d - (A + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * A : 0;
    },
  },
  4: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  5: {
    support: 1,
    weight(x) {
      const d = Math.abs(x);
      return d < 1 ? sinc(d) * (0.54 + 0.46 * Math.cos(Math.PI * d)) : 0;
    },
  },
};

/** Resampling codes: Pillow's. */
export const Resample = { nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3, box: 4, hamming: 5 } as const;

export function isResample(code: number): boolean {
  return code === Resample.nearest || code in FILTERS;
}

/**
 * @param resample one of `Resample`
 * @returns the image itself where the size stays
 * @throws RangeError for a size that is not a positive whole number, or an unknown code
 */
export function resize(image: Raster, width: number, height: number, resample: number): Raster {
  for (const size of [width, height]) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`An image cannot be ${width}×${height}.`);
  }
  if (!isResample(resample)) throw new RangeError(`There is no resampling number ${resample}.`);
  if (width === image.width && height === image.height) return image;
  if (resample === Resample.nearest) return nearest(image, width, height);
  const filter = FILTERS[resample];
  const wide = width === image.width ? image : alongX(image, tapsOf(image.width, width, filter));
  return height === wide.height ? wide : alongY(wide, tapsOf(wide.height, height, filter));
}

/** Weights of each output position: `count[o]` of them, from input position `first[o]`, at o × `stride`. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly stride: number;
  readonly weights: Int32Array;
}

function tapsOf(inSize: number, outSize: number, filter: Filter): Taps {
  const scale = inSize / outSize;
  const widened = Math.max(scale, 1);
  const support = filter.support * widened;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * stride);
  const exact = new Float64Array(stride);
  for (let o = 0; o < outSize; o++) {
    const centre = (o + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const to = Math.min(inSize, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let i = from; i < to; i++) {
      exact[i - from] = filter.weight((i - centre + 0.5) * (1 / widened));
      sum += exact[i - from];
    }
    first[o] = from;
    count[o] = to - from;
    for (let k = 0; k < to - from; k++) {
      const fixed = (sum === 0 ? exact[k] : exact[k] / sum) * 2 ** PRECISION;
      weights[o * stride + k] = Math.trunc(fixed + (fixed < 0 ? -0.5 : 0.5));
    }
  }
  return { first, count, stride, weights };
}

/** A fixed-point sum, with half a level added before, as a level. */
function level(sum: number): number {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

const HALF = 2 ** (PRECISION - 1);

function alongX({ width, height, channels, data }: Raster, taps: Taps): Raster {
  const { first, count, stride, weights } = taps;
  const outWidth = first.length;
  const out = new Uint8Array(outWidth * height * channels);
  for (let y = 0; y < height; y++) {
    const row = y * width * channels;
    for (let x = 0; x < outWidth; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = HALF;
        let from = row + first[x] * channels + c;
        for (let k = x * stride; k < x * stride + count[x]; k++, from += channels)
          sum += data[from] * weights[k];
        out[(y * outWidth + x) * channels + c] = level(sum);
      }
    }
  }
  return { width: outWidth, height, channels, data: out };
}

function alongY({ width, channels, data }: Raster, taps: Taps): Raster {
  const { first, count, stride, weights } = taps;
  const outHeight = first.length;
  const row = width * channels;
  const out = new Uint8Array(row * outHeight);
  const sums = new Int32Array(row);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(HALF);
    for (let k = 0; k < count[y]; k++) {
      const weight = weights[y * stride + k];
      const from = (first[y] + k) * row;
      for (let p = 0; p < row; p++) sums[p] += data[from + p] * weight;
    }
    for (let p = 0; p < row; p++) out[y * row + p] = level(sums[p]);
  }
  return { width, height: outHeight, channels, data: out };
}

function nearest(
  { width: inWidth, height: inHeight, channels, data }: Raster,
  width: number,
  height: number,
) {
  const xs = centres(inWidth, width);
  const ys = centres(inHeight, height);
  const out = new Uint8Array(width * height * channels);
  let at = 0;
  for (const y of ys) {
    for (const x of xs) {
      const from = (y * inWidth + x) * channels;
      for (let c = 0; c < channels; c++) out[at++] = data[from + c];
    }
  }
  return { width, height, channels, data: out };
}

/** The input position under each output's centre; the steps are added up, as Pillow does, for equal rounding. */
function centres(inSize: number, outSize: number): Int32Array {
  const scale = inSize / outSize;
  const positions = new Int32Array(outSize);
  let at = scale * 0.5;
  for (let o = 0; o < outSize; o++, at += scale) positions[o] = Math.min(inSize - 1, Math.floor(at));
  return positions;
}
