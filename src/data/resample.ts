/**
 * Sound at another sampling rate: an ideal low-pass filter, cut off by a Kaiser window, at the phases that occur.
 *
 * y[n] = Σ_k x[k] · h(n · from / to − k), h(t) = c · sinc(c t) · kaiser(t / W), with c = min(1, to / from) times ROLLOFF,
 * and W = LOBES / c samples on each side. Beyond its ends the sound is silent. The rates' ratio in lowest terms L / M
 * gives L different sets of taps, which are made once.
 *
 * Source: J. O. Smith, “Digital Audio Resampling” (bandlimited interpolation); Kaiser's window with β = 12.98 for
 * 120 dB. The highest eighth below half of the lower rate falls off.
 */
const LOBES = 64;
const ROLLOFF = 0.94;
const BETA = 12.98;

/** @param from,to samples a second, whole numbers */
export function resampleSound(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to || samples.length === 0) return samples;
  const divisor = gcd(from, to);
  const [phases, step] = [to / divisor, from / divisor];
  const cutoff = Math.min(1, to / from) * ROLLOFF;
  const half = Math.ceil(LOBES / cutoff);
  const width = 2 * half;
  const taps = new Map<number, Float64Array>();
  const tapsOf = (phase: number): Float64Array => {
    const known = taps.get(phase);
    if (known) return known;
    // Tap k weighs the sample at floor(t) − half + 1 + k.
    const made = Float64Array.from({ length: width }, (_, k) =>
      filter(phase / phases + half - 1 - k, cutoff, LOBES / cutoff),
    );
    taps.set(phase, made);
    return made;
  };
  const out = new Float32Array(Math.ceil((samples.length * to) / from));
  for (let n = 0; n < out.length; n++) {
    const at = n * step;
    const phase = at % phases;
    const first = (at - phase) / phases - half + 1;
    const weights = tapsOf(phase);
    const begin = Math.max(0, -first);
    const end = Math.min(width, samples.length - first);
    let sum = 0;
    for (let k = begin; k < end; k++) sum += weights[k] * samples[first + k];
    out[n] = sum;
  }
  return out;
}

function filter(t: number, cutoff: number, reach: number): number {
  const x = t / reach;
  if (Math.abs(x) >= 1) return 0;
  const angle = Math.PI * cutoff * t;
  const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
  return (cutoff * sinc * bessel(BETA * Math.sqrt(1 - x * x))) / bessel(BETA);
}

/** The modified Bessel function I₀, by its power series. */
function bessel(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; term > sum * 1e-16; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
