/**
 * Quantized FFN weights as the flat model has them: f32, made from their codes when they are asked for.
 */
import { type FlatModel, nodeKey, type StoredPacking, type Unpacked } from '../flatten/types.ts';
import type { FfnSearch } from '../graph/ffn.ts';
import type { Packing } from '../graph/packing.ts';
import { tensorBytes } from '../onnx/tensors.ts';
import type { OnnxModel, TensorInfo } from '../onnx/types.ts';
import { dequantize, settle } from '../quantize/quantize.ts';
import { shapeOf } from '../quantize/scheme.ts';
import { rawByteLength } from '../tensor/dtype.ts';
import { transpose } from '../tensor/matrix.ts';
import { elementCount } from '../tensor/shape.ts';

/**
 * The quantized constants of the FFNs found, by the key of the node that unpacks each.
 * @param flat without anything unpacked
 */
export async function unpackable(flat: FlatModel, search: FfnSearch): Promise<ReadonlyMap<string, Unpacked>> {
  const found = new Map<string, Unpacked>();
  const packings = search.groups.flatMap((g) => g.ffns.flatMap((f) => f.weights.map((w) => w.packing)));
  const readers = new Map<TensorInfo, number>();
  for (const packing of packings) {
    const zeros = packing?.zeroPoints?.source.tensor;
    if (zeros) readers.set(zeros, (readers.get(zeros) ?? 0) + 1);
  }
  for (const packing of packings) {
    const origin = packing && flat.originOfNode(packing.node);
    if (!packing || !origin) continue;
    const zeros = packing.zeroPoints?.source.tensor;
    const isShared = zeros !== undefined && readers.get(zeros)! > 1;
    const stored = await storedPacking(flat, packing, isShared);
    const shape = shapeOf(packing.scheme);
    const { model } = origin.scope.use.part;
    found.set(nodeKey(origin.scope, origin.node), {
      packing: stored,
      dims: stored.flipped ? [shape[1], shape[0]] : shape,
      read: async () => {
        const values = await unpack(model, stored);
        return (stored.flipped ? transpose(values, shape[0], shape[1]) : values) as Float32Array<ArrayBuffer>;
      },
    });
  }
  return found;
}

/** Zero points of up to this many bytes are read when a model is opened; larger ones only where they are shared. */
const SMALL_ZEROS = 4096;

async function storedPacking(flat: FlatModel, packing: Packing, isShared: boolean): Promise<StoredPacking> {
  const { scheme, values, scales, zeroPoints, dataScale } = packing;
  const inFile = ({ source }: Packing['values']) => flat.storedAs(source.tensor)!.tensor;
  const zeros = zeroPoints?.source.tensor;
  const isSmall = zeros && rawByteLength(zeros.dataType, elementCount(zeros.dims)) <= SMALL_ZEROS;
  const read = zeros && (isSmall || isShared) ? await tensorBytes(flat.model, zeros) : undefined;
  return {
    scheme,
    fixedZeroPoints: read !== undefined && settle(scheme, read).symmetric,
    values: inFile(values),
    scales: inFile(scales),
    ...(zeroPoints && { zeroPoints: inFile(zeroPoints) }),
    // MatMulNBits keeps the matrix as outputs × inputs, and stands for a MatMul of inputs × outputs.
    flipped: scheme.kind === 'blocks' || values.source.transposed,
    foreignScale: dataScale !== undefined,
  };
}

/** f32 values in the scheme's own shape. */
async function unpack(model: OnnxModel, packing: StoredPacking): Promise<Float32Array<ArrayBuffer>> {
  const { scheme, values, scales, zeroPoints } = packing;
  const parts = {
    values: await tensorBytes(model, values),
    scales: await tensorBytes(model, scales),
    ...(zeroPoints && { zeroPoints: await tensorBytes(model, zeroPoints) }),
  };
  return dequantize(scheme, parts) as Float32Array<ArrayBuffer>;
}
