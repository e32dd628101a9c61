/**
 * The discrete Fourier transform of a frame of any length, X[k] = Σ_n x[n] exp(−2πi kn / N), in f64.
 *
 * Why of any length: speech models take frames of 400 samples, which is no power of two. Cooley and Tukey's scheme is
 * followed over the length's prime factors; a prime is summed as the formula says. Twiddle factors come from one table.
 */

export interface Spectrum {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** A transform of real frames of one length; the result is overwritten by the next call. */
export function createFourier(length: number): (frame: ArrayLike<number>) => Spectrum {
  const factors = factorsOf(length);
  const cos = Float64Array.from({ length }, (_, k) => Math.cos((2 * Math.PI * k) / length));
  const sin = Float64Array.from({ length }, (_, k) => -Math.sin((2 * Math.PI * k) / length));
  const re = new Float64Array(length);
  const im = new Float64Array(length);
  const most = Math.max(1, ...factors);
  const partRe = new Float64Array(most);
  const partIm = new Float64Array(most);

  /** Transforms frame[from + stride · n], n < size, to [at, at + size). */
  function transform(
    frame: ArrayLike<number>,
    from: number,
    stride: number,
    at: number,
    level: number,
  ): void {
    const size = length / stride;
    if (size === 1) {
      re[at] = frame[from];
      im[at] = 0;
      return;
    }
    const radix = factors[level];
    const part = size / radix;
    for (let r = 0; r < radix; r++)
      transform(frame, from + r * stride, stride * radix, at + r * part, level + 1);
    for (let k = 0; k < part; k++) {
      for (let r = 0; r < radix; r++) {
        const twiddle = (r * k * stride) % length;
        const [x, y] = [re[at + r * part + k], im[at + r * part + k]];
        partRe[r] = x * cos[twiddle] - y * sin[twiddle];
        partIm[r] = x * sin[twiddle] + y * cos[twiddle];
      }
      for (let q = 0; q < radix; q++) {
        let [sumRe, sumIm] = [0, 0];
        for (let r = 0; r < radix; r++) {
          const twiddle = (r * q * part * stride) % length;
          sumRe += partRe[r] * cos[twiddle] - partIm[r] * sin[twiddle];
          sumIm += partRe[r] * sin[twiddle] + partIm[r] * cos[twiddle];
        }
        re[at + q * part + k] = sumRe;
        im[at + q * part + k] = sumIm;
      }
    }
  }

  return (frame) => {
    transform(frame, 0, 1, 0, 0);
    return { re, im };
  };
}

function factorsOf(length: number): number[] {
  const factors: number[] = [];
  let rest = length;
  for (let p = 2; p * p <= rest; p++) {
    for (; rest % p === 0; rest /= p) factors.push(p);
  }
  if (rest > 1) factors.push(rest);
  return factors;
}
