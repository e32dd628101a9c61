/**
 * ONNX's QuantizeLinear and DequantizeLinear: codes with a scale a tensor, a slice along an axis, or a block.
 *
 * Why: onnxruntime's and PyTorch's quantizers write weights and biases so, behind a DequantizeLinear node.
 *
 * New scales, where none are given: see groups.ts. Symmetric schemes span the largest magnitude (int8: over 127, as
 * onnxruntime's quantizer does); others the least to the greatest value, zero among them, with the zero point rounded.
 */
import { bitsPerElement, DataType, rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { codeArray, readCodes, readScales, roundAway, roundTo, writeCodes, writeScales } from './bytes.ts';
import { type Choice, chooseScales, decode, encode, type Groups, groupsAlong, oneGroup } from './groups.ts';
import { codeRange, type LinearScheme, labelOf, type Quantized, QuantizeError } from './scheme.ts';

/** f32 [dims] that the bytes stand for. */
export function dequantizeLinear(scheme: LinearScheme, parts: Quantized): Float32Array<ArrayBuffer> {
  const codes = readCodes(scheme.dataType, parts.values, elementCount(scheme.dims));
  const values = decode(codes, groupsOf(scheme), scalesIn(scheme, parts));
  const type = scheme.outputType ?? scheme.scaleType;
  if (type !== DataType.float) for (let i = 0; i < values.length; i++) values[i] = roundTo(type, values[i]);
  return values;
}

/**
 * Codes for f32 [dims].
 * @param fixed scales and zero points to encode with; absent: new ones are chosen
 * @throws QuantizeError where codes without a sign and without zero points cannot hold negative values
 */
export function quantizeLinear(
  scheme: LinearScheme,
  values: Float32Array,
  fixed?: Omit<Quantized, 'values'>,
): Quantized {
  const range = codeRange(scheme);
  const groups = groupsOf(scheme);
  const { scaleType, dataType, symmetric } = scheme;
  if (symmetric && !fixed && range.min === 0 && values.some((v) => v < 0)) {
    throw new QuantizeError(
      `The weights now have negative values, which their scheme (${labelOf(scheme)}, without zero points) cannot hold; drop the model before quantization instead.`,
    );
  }
  // Scales of half precision, and the many steps of int32, must be rounded up to reach the ends.
  const round = scaleType !== DataType.float || dataType === DataType.int32 ? roundAway : roundTo;
  const choice = fixed
    ? scalesIn(scheme, fixed)
    : chooseScales(values, groups, {
        ...range,
        ...(symmetric && { zero: 0 }),
        signed: false,
        search: bitsPerElement(dataType) <= 8,
        store: (scale) => round(scaleType, scale),
      });
  const codes = codeArray(dataType, values.length);
  encode(values, groups, choice, range, codes);
  if (fixed) return { values: writeCodes(dataType, codes), ...fixed };
  const zeroPoints = symmetric
    ? undefined
    : writeCodes(dataType, codeArray(dataType, groups.count).map((_, g) => choice.zeros[g]) as typeof codes);
  return {
    values: writeCodes(dataType, codes),
    scales: writeScales(scaleType, choice.scales),
    ...(zeroPoints && { zeroPoints }),
  };
}

/** Bytes that each part must have. */
export function linearSizes({ dims, dataType, scaleDims, scaleType }: LinearScheme) {
  const count = elementCount(scaleDims);
  return {
    values: rawByteLength(dataType, elementCount(dims)),
    scales: rawByteLength(scaleType, count),
    zeroPoints: rawByteLength(dataType, count),
  };
}

function groupsOf({ dims, axis, blockSize }: LinearScheme): Groups {
  if (axis === undefined) return oneGroup(elementCount(dims));
  const outer = elementCount(dims.slice(0, axis));
  const inner = elementCount(dims.slice(axis + 1));
  return groupsAlong(outer, dims[axis], inner, blockSize ?? 1, blockSize === undefined);
}

function scalesIn(scheme: LinearScheme, { scales, zeroPoints }: Omit<Quantized, 'values'>): Choice {
  const count = elementCount(scheme.scaleDims);
  return {
    scales: readScales(scheme.scaleType, scales).subarray(0, count),
    zeros: zeroPoints
      ? Int32Array.from(readCodes(scheme.dataType, zeroPoints, count))
      : new Int32Array(count),
  };
}
