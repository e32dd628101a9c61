/**
 * onnxruntime's MatMulNBits: a matrix [N, K] in 2, 4 or 8 bits, with a scale (and a zero point) a block along K.
 *
 * Why: language models are published so for the browser. Source: onnxruntime's contrib operators, com.microsoft 1:
 * B [N, ceil(K / block), block · bits / 8] with low bits first, and zero points packed row by row; without them each is
 * 2^(bits − 1). What fills a last block beyond K does not matter; here it decodes to zero.
 *
 * New scales: see groups.ts. Without zero points, a scale may be negative, so that the largest value takes the code 0,
 * which has no opposite: so does onnxruntime's own quantizer.
 *
 * Known limits: zero points of a float type, and permuted inputs (g_idx), are no scheme (see graph/packing.ts).
 */
import { rawByteLength } from '../tensor/dtype.ts';
import { pack, readScales, roundAway, unpack, writeScales } from './bytes.ts';
import { type Choice, chooseScales, decode, encode, groupsAlong } from './groups.ts';
import { type BlockScheme, blocksInRow, codeRange, type Quantized } from './scheme.ts';

/** f32 [N, K] that the bytes stand for. */
export function dequantizeBlocks(scheme: BlockScheme, parts: Quantized): Float32Array<ArrayBuffer> {
  const { bits, inSize, outSize } = scheme;
  const width = paddedWidth(scheme);
  const all = unpack(parts.values, bits, outSize * width);
  return decode(rows(all, outSize, width, inSize), groupsOf(scheme), scalesIn(scheme, parts));
}

/**
 * Codes for f32 [N, K].
 * @param fixed scales and zero points to encode with; absent: new ones are chosen
 */
export function quantizeBlocks(
  scheme: BlockScheme,
  values: Float32Array,
  fixed?: Omit<Quantized, 'values'>,
): Quantized {
  const { bits, inSize, outSize, scaleType, symmetric } = scheme;
  const range = codeRange(scheme);
  const groups = groupsOf(scheme);
  const choice = fixed
    ? scalesIn(scheme, fixed)
    : chooseScales(values, groups, {
        ...range,
        ...(symmetric && { zero: 2 ** (bits - 1) }),
        signed: symmetric,
        search: true,
        store: (scale) => roundAway(scaleType, scale),
      });
  const codes = new Uint8Array(values.length);
  encode(values, groups, choice, range, codes);
  const width = paddedWidth(scheme);
  const filled = width === inSize ? codes : rows(codes, outSize, inSize, width);
  const perRow = blocksInRow(scheme);
  if (width > inSize) {
    for (let n = 0; n < outSize; n++) {
      filled.fill(choice.zeros[n * perRow + perRow - 1], n * width + inSize, (n + 1) * width);
    }
  }
  const packed = pack(filled, bits);
  if (fixed) return { values: packed, ...fixed };
  const scales = writeScales(scaleType, choice.scales);
  if (symmetric) return { values: packed, scales };
  // Each row of zero points fills whole bytes.
  const zeroWidth = Math.ceil((perRow * bits) / 8) * (8 / bits);
  const zeros = rows(Uint8Array.from(choice.zeros), outSize, perRow, zeroWidth);
  return { values: packed, scales, zeroPoints: pack(zeros, bits) };
}

/** Bytes that each part must have. */
export function blockSizes(scheme: BlockScheme) {
  const { bits, outSize, scaleType } = scheme;
  const perRow = blocksInRow(scheme);
  return {
    values: (outSize * paddedWidth(scheme) * bits) / 8,
    scales: rawByteLength(scaleType, outSize * perRow),
    zeroPoints: outSize * Math.ceil((perRow * bits) / 8),
  };
}

/** Codes in a row, the last block filled up. */
function paddedWidth(scheme: BlockScheme): number {
  return blocksInRow(scheme) * scheme.blockSize;
}

function groupsOf({ outSize, inSize, blockSize }: BlockScheme) {
  return groupsAlong(outSize, inSize, 1, blockSize, false);
}

function scalesIn(scheme: BlockScheme, { scales, zeroPoints }: Omit<Quantized, 'values'>): Choice {
  const { bits, outSize, scaleType } = scheme;
  const perRow = blocksInRow(scheme);
  const count = outSize * perRow;
  const zeros = new Int32Array(count).fill(2 ** (bits - 1));
  if (zeroPoints) {
    const width = Math.ceil((perRow * bits) / 8) * (8 / bits);
    zeros.set(rows(unpack(zeroPoints, bits, outSize * width), outSize, width, perRow));
  }
  return { scales: readScales(scaleType, scales).subarray(0, count), zeros };
}

/** Rows of another width: cut, or filled with zeros. */
function rows(values: Uint8Array, count: number, from: number, to: number): Uint8Array {
  if (from === to) return values;
  const out = new Uint8Array(count * to);
  const width = Math.min(from, to);
  for (let n = 0; n < count; n++) out.set(values.subarray(n * from, n * from + width), n * to);
  return out;
}
