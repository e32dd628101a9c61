/**
 * What the files keep of merged values: rounded to their types, or quantized again in their schemes.
 *
 * Why: a score must be that of the file that is saved, not of the f32 values before they were rounded. What
 * quantizing added to the values is told, since nobody could see it otherwise.
 */
import type { FlatModel, StoredPacking, StoredTensor } from '../flatten/types.ts';
import type { Ffn } from '../graph/ffn.ts';
import type { FfnWeight, WeightRole } from '../graph/weights.ts';
import { tensorBytes } from '../onnx/tensors.ts';
import { type RequantizationError, requantizationError } from '../quantize/error.ts';
import { dequantize, quantize, settle } from '../quantize/quantize.ts';
import { labelOf, type Quantized, shapeOf } from '../quantize/scheme.ts';
import { DataType } from '../tensor/dtype.ts';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from '../tensor/half.ts';
import { transpose } from '../tensor/matrix.ts';

export interface Kept {
  /** As they will be read back, in the shape that the nodes see. */
  readonly values: ReadonlyMap<WeightRole, Float32Array>;
  /** What quantizing again added; absent where nothing is quantized. */
  readonly requantized?: RequantizationError & { readonly scheme: string };
}

/** Codes of values that `asKept` gave, for writing them. */
const codes = new WeakMap<Float32Array, Quantized>();

/** The quantized form of values that `asKept` gave. @throws RangeError for others */
export function codesOf(values: Float32Array): Quantized {
  const known = codes.get(values);
  if (!known) throw new RangeError('Quantized weights are written as they were kept: call asKept first.');
  return known;
}

/**
 * Values of an FFN as they will be read back from the file that they are written to.
 * @throws QuantizeError where they cannot be quantized
 */
export async function asKept(
  flat: FlatModel,
  ffn: Ffn,
  values: ReadonlyMap<WeightRole, Float32Array>,
): Promise<Kept> {
  const kept = new Map<WeightRole, Float32Array>();
  const pairs: [Float32Array, Float32Array][] = [];
  const labels = new Set<string>();
  for (const [role, data] of values) {
    const weight = ffn.weights.find((w) => w.role === role)!;
    const stored = flat.storedAs(weight.source.tensor)!;
    const { packing } = stored;
    if (packing && !packing.foreignScale) {
      const again = await requantized(weight, stored, packing, data);
      kept.set(role, again);
      pairs.push([data, again]);
      labels.add(labelOf(packing.scheme));
    } else kept.set(role, packing ? data : roundedTo(stored.tensor.dataType, data));
  }
  if (pairs.length === 0) return { values: kept };
  return { values: kept, requantized: { ...requantizationError(pairs), scheme: [...labels].join('; ') } };
}

async function requantized(
  { source }: FfnWeight,
  stored: StoredTensor,
  packing: StoredPacking,
  data: Float32Array,
): Promise<Float32Array> {
  const { zeroPoints, scheme: written } = packing;
  const zeros = zeroPoints && (await tensorBytes(stored.scope.use.part.model, zeroPoints));
  const scheme = settle(written, zeros);
  const turned = source.transposed !== packing.flipped;
  const [rows, cols] = source.dims;
  const codesNow = quantize(scheme, turned ? transpose(data, rows, cols) : data);
  // A scheme without zero points that has them in the file keeps them as they are.
  const parts = zeros && !codesNow.zeroPoints ? { ...codesNow, zeroPoints: zeros } : codesNow;
  const decoded = dequantize(scheme, parts);
  const shape = shapeOf(scheme);
  const again = turned ? transpose(decoded, shape[0], shape[1]) : decoded;
  codes.set(again, parts);
  return again;
}

/** Values as an element type of a file keeps them: rounded to nearest, ties to even. */
export function roundedTo(dataType: number, data: Float32Array): Float32Array {
  if (dataType === DataType.float16) return data.map((v) => fromHalf(toHalf(v)));
  if (dataType === DataType.bfloat16) return data.map((v) => fromBfloat16(toBfloat16(v)));
  return data;
}
