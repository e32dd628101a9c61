/**
 * Parameters of files: elements of floating-point tensors, and of quantized ones, wherever the graphs keep them.
 *
 * Scalars and one-element constants are the exporter's, not the model's; scales and zero points hold no parameters.
 */
import { layoutOf } from '../onnx/layout.ts';
import type { NodeInfo, OnnxModel, TensorInfo } from '../onnx/types.ts';
import { DataType, isFloatType } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';

/** Matrices of these are weights, whatever operator reads them (MatMulInteger, QLinearMatMul, Gather before a DequantizeLinear). */
const BITS = new Set<number>([DataType.int8, DataType.uint8, DataType.int4, DataType.uint4]);

/** Elements of all trained tensors of a file, each stored copy once. */
export function parametersIn(model: OnnxModel): number {
  const { tensors, nodes } = layoutOf(model);
  const quantized = quantizedIn([...nodes.keys()], [...tensors.keys()]);
  let sum = 0;
  for (const [tensor, { isInitializer }] of tensors) {
    const known = quantized.get(tensor);
    const count = elementCount(tensor.dims);
    if (known !== undefined) sum += known;
    else if (isFloatType(tensor.dataType) && tensor.dims.length > 0 && (isInitializer || count > 1))
      sum += count;
    else if (BITS.has(tensor.dataType) && tensor.dims.length > 1) sum += count;
  }
  return sum;
}

/** What quantized tensors stand for: their elements, and none for their scales. */
function quantizedIn(nodes: readonly NodeInfo[], tensors: readonly TensorInfo[]): Map<TensorInfo, number> {
  const byName = new Map(tensors.map((t) => [t.name, t]));
  for (const n of nodes) {
    const tensor = n.opType === 'Constant' ? n.attributes.get('value')?.t : undefined;
    if (tensor) byName.set(n.outputs[0], tensor);
  }
  const sizes = new Map<TensorInfo, number>();
  const note = (name: string | undefined, count: (t: TensorInfo) => number) => {
    const tensor = name ? byName.get(name) : undefined;
    if (tensor) sizes.set(tensor, count(tensor));
  };
  for (const { opType, inputs, attributes } of nodes) {
    if (opType === 'DequantizeLinear') {
      note(inputs[0], (t) => (t.dims.length > 0 ? elementCount(t.dims) : 0));
      for (const name of inputs.slice(1)) note(name, () => 0);
    } else if (opType === 'GatherBlockQuantized') {
      const packed = (attributes.get('bits')?.i ?? 4) === 4;
      note(inputs[0], (t) => elementCount(t.dims) * (packed && t.dataType === DataType.uint8 ? 2 : 1));
      for (const name of inputs.slice(2)) note(name, () => 0);
    } else if (opType === 'MatMulNBits') {
      const size = (attributes.get('K')?.i ?? 0) * (attributes.get('N')?.i ?? 0);
      note(inputs[1], () => size);
      for (const name of inputs.slice(2, 4)) note(name, () => 0);
    }
  }
  return sizes;
}
