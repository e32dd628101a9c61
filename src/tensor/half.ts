/** Half precision (IEEE 754 binary16) and bfloat16 as bits, for reading and writing them where Float16Array is missing. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The value of binary16 bits (0 … 65535). */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** Rounds to nearest, ties to even; too large becomes infinite. */
export function toHalf(value: number): number {
  float[0] = value;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: a whole number of 2^-24; adding 0.5 ulp of f32 at 2^-1 rounds to it, ties to even.
    float[0] = Math.abs(float[0]) + 0.5;
    return sign | (bits[0] - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

/** Like `toHalf`, but what is finite stays finite: beyond ±65504 it becomes that. Infinities and NaN are kept. */
export function toFiniteHalf(value: number): number {
  const half = toHalf(value);
  return (half & 0x7fff) === 0x7c00 && Number.isFinite(value) ? half - 1 : half;
}

/** The upper half of an f32, rounded to nearest, ties to even; NaN stays NaN. */
export function toBfloat16(value: number): number {
  float[0] = value;
  const all = bits[0];
  if ((all & 0x7fffffff) > 0x7f800000) return (all >>> 16) | 0x40;
  return ((all + 0x7fff + ((all >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The value of bfloat16 bits (0 … 65535): exact, as they are the upper half of an f32. */
export function fromBfloat16(half: number): number {
  bits[0] = half << 16;
  return float[0];
}
