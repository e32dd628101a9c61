/**
 * Values that share a scale, and the choice of that scale.
 *
 * Why: every scheme differs only in which values share a scale, and in the codes that there are. New weights have new
 * ranges, so they get new scales: requantizing is choosing them well.
 *
 * The choice, for each group by itself and without chance: first the plain scale, which reaches every value (the range
 * over the number of codes). Then, for codes of at most 8 bits, scales that give the range up a little (factors 1,
 * 0.95, … 0.5, as long as any group gains) are tried, and the one with the least squared error is kept: a few clipped
 * values may cost less than coarser steps for all others. So the squared error never exceeds the plain scale's.
 *
 * Rounding is ONNX's: half to even of the f32 quotient, then saturation.
 */
import type { Codes } from './bytes.ts';

/**
 * Which group each value is in. Run i holds the values starts[i] … starts[i + 1] − 1; they are all in group bases[i]
 * (step 0), or in the groups from bases[i] on, one each (step 1).
 */
export interface Groups {
  readonly count: number;
  readonly starts: Uint32Array;
  readonly bases: Uint32Array;
  readonly step: 0 | 1;
}

/** Groups of an array [outer, size, inner] in blocks of `block` along the middle; `shared`: all of outer and inner alike. */
export function groupsAlong(
  outer: number,
  size: number,
  inner: number,
  block: number,
  shared: boolean,
): Groups {
  const blocks = Math.ceil(size / block);
  const count = shared ? blocks : outer * blocks * inner;
  // Runs are as long as can be: whole blocks, whole rows of neighbours, or everything.
  const whole = inner === 1 && block === 1;
  const perRow = whole ? 1 : inner === 1 ? blocks : size;
  const starts = new Uint32Array(outer * perRow + 1);
  const bases = new Uint32Array(outer * perRow);
  for (let o = 0, run = 0; o < outer; o++) {
    for (let r = 0; r < perRow; r++, run++) {
      const at = inner === 1 ? r * block : r;
      starts[run] = (o * size + at) * inner;
      const b = Math.floor(at / block);
      bases[run] = shared ? b : (o * blocks + b) * inner;
    }
  }
  starts[outer * perRow] = outer * size * inner;
  return { count, starts, bases, step: whole || (inner > 1 && !shared) ? 1 : 0 };
}

/** One group of everything. */
export function oneGroup(length: number): Groups {
  return { count: 1, starts: Uint32Array.of(0, length), bases: Uint32Array.of(0), step: 0 };
}

export interface Choice {
  readonly scales: Float32Array;
  /** Subtracted from the codes; one a group. */
  readonly zeros: Int32Array;
}

/** What scales may be. */
export interface Choosing {
  /** Smallest and largest code. */
  readonly min: number;
  readonly max: number;
  /** The zero point of all groups; absent where each group has its own. */
  readonly zero?: number;
  /** Whether scales may be negative, so that the largest value takes the code that has no opposite. */
  readonly signed: boolean;
  /** Whether scales that clip are tried. */
  readonly search: boolean;
  /** A scale as it can be stored. */
  readonly store: (scale: number) => number;
}

const FACTORS = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5];
/** Adding and subtracting it rounds a number below 2^51 half to even. */
export const ROUND = 6755399441055744;

/** Scales and zero points for values, which must be finite. */
export function chooseScales(values: Float32Array, groups: Groups, choosing: Choosing): Choice {
  const { low, high } = rangesOf(values, groups);
  const best = scalesFor(low, high, 1, plain, choosing);
  if (!choosing.search) return best;
  const least = errorsOf(values, groups, best, choosing);
  for (const factor of FACTORS) {
    const tried = scalesFor(low, high, factor, tight, choosing);
    const errors = errorsOf(values, groups, tried, choosing);
    let gains = false;
    for (let g = 0; g < groups.count; g++) {
      if (!(errors[g] < least[g])) continue;
      gains = true;
      least[g] = errors[g];
      best.scales[g] = tried.scales[g];
      best.zeros[g] = tried.zeros[g];
    }
    // The first one is not narrower than the plain scale, only another.
    if (!gains && factor < 1) break;
  }
  return best;
}

/** Codes for values: round(value / scale) + zero point, saturated. */
export function encode(
  values: Float32Array,
  { starts, bases, step }: Groups,
  { scales, zeros }: Choice,
  { min, max }: Pick<Choosing, 'min' | 'max'>,
  codes: Codes,
): void {
  for (let run = 0; run < bases.length; run++) {
    const end = starts[run + 1];
    for (let i = starts[run], g = bases[run]; i < end; i++, g += step) {
      const code = Math.fround(values[i] / scales[g]) + ROUND - ROUND + zeros[g];
      codes[i] = code < min ? min : code > max ? max : code;
    }
  }
}

/** (code − zero point) · scale in f32. */
export function decode(
  codes: Codes,
  { starts, bases, step }: Groups,
  { scales, zeros }: Choice,
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(starts[bases.length]);
  for (let run = 0; run < bases.length; run++) {
    const end = starts[run + 1];
    for (let i = starts[run], g = bases[run]; i < end; i++, g += step) {
      values[i] = Math.fround(codes[i] - zeros[g]) * scales[g];
    }
  }
  return values;
}

/** Least and greatest value of each group, zero among them. */
function rangesOf(values: Float32Array, { count, starts, bases, step }: Groups) {
  const low = new Float32Array(count);
  const high = new Float32Array(count);
  for (let run = 0; run < bases.length; run++) {
    const end = starts[run + 1];
    for (let i = starts[run], g = bases[run]; i < end; i++, g += step) {
      if (values[i] < low[g]) low[g] = values[i];
      else if (values[i] > high[g]) high[g] = values[i];
    }
  }
  return { low, high };
}

/** Where zero's code is fixed: the scale that spans `low` … `high`. */
type Span = (low: number, high: number, below: number, above: number, signed: boolean) => number;

/** The largest magnitude over the largest code: what onnxruntime's quantizers take. */
const plain: Span = (low, high, _below, above) => Math.max(high, -low) / above;

/** The finest scale that reaches both ends, making use of a code that has no opposite (−128, −8). */
const tight: Span = (low, high, below, above, signed) => {
  if (signed) return (high > -low ? -high : -low) / below;
  return Math.max(high / above, below > 0 ? -low / below : 0);
};

function scalesFor(
  low: Float32Array,
  high: Float32Array,
  factor: number,
  span: Span,
  { min, max, zero, signed, store }: Choosing,
): Choice {
  const scales = new Float32Array(low.length);
  const zeros = new Int32Array(low.length);
  for (let g = 0; g < low.length; g++) {
    const from = low[g] * factor;
    const to = high[g] * factor;
    const scale =
      zero === undefined ? (to - from) / (max - min) : span(from, to, zero - min, max - zero, signed);
    // A group of zeros has no range.
    scales[g] = store(scale) || 1;
    if (zero !== undefined) zeros[g] = zero;
    else zeros[g] = Math.min(max, Math.max(min, min - from / scales[g] + ROUND - ROUND));
  }
  return { scales, zeros };
}

/** Squared error of each group. */
function errorsOf(
  values: Float32Array,
  { count, starts, bases, step }: Groups,
  { scales, zeros }: Choice,
  { min, max }: Choosing,
): Float64Array {
  const errors = new Float64Array(count);
  for (let run = 0; run < bases.length; run++) {
    const end = starts[run + 1];
    for (let i = starts[run], g = bases[run]; i < end; i++, g += step) {
      const scale = scales[g];
      const zero = zeros[g];
      let code = Math.fround(values[i] / scale) + ROUND - ROUND + zero;
      code = code < min ? min : code > max ? max : code;
      const off = (code - zero) * scale - values[i];
      errors[g] += off * off;
    }
  }
  return errors;
}
