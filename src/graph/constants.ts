/**
 * Constants of a graph: where a value that never changes is stored, and the small ones' values.
 *
 * Why: exporters put weights in initializers, in Constant nodes, and behind Identity, Cast or Transpose. Detection
 * asks “is this a constant, of what shape, stored where?” and, for shapes and scalar factors, “what is its value?”.
 *
 * Known limits: constants computed by other operators (Concat, Reshape) are not followed; those behind DequantizeLinear
 * are, in packing.ts.
 */
import { readFloats, readInts } from '../onnx/tensors.ts';
import type { NodeInfo, OnnxModel, TensorInfo } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import type { GraphIndex } from './index-graph.ts';

/** Where a constant value comes from. */
export interface ConstantSource {
  readonly tensor: TensorInfo;
  /** The Constant node that holds the tensor; absent for an initializer. */
  readonly holder?: NodeInfo;
  /** True where a Transpose of the two axes stands between the stored tensor and the value. */
  readonly transposed: boolean;
  /** Shape of the value as its consumer sees it. */
  readonly dims: readonly number[];
  /** ONNX data type as its consumer sees it; another one than the tensor's behind a Cast. */
  readonly dataType: number;
}

export interface Constants {
  /** The source of a value, or undefined where it is not a constant that Layerfold follows. */
  sourceOf(value: string): ConstantSource | undefined;
  /** Whether a value is computed from constants alone. */
  isConstant(value: string): boolean;
  /** Values of a small integer constant (at most 16 elements; one, for types of fewer than 32 bits). */
  intsOf(value: string): readonly number[] | undefined;
  /** Value of a floating-point constant of one element; where it is quantized in the graph, before that. */
  scalarOf(value: string): number | undefined;
}

const SMALL = 16;
const NARROW: ReadonlySet<number> = new Set([DataType.int8, DataType.uint8, DataType.int16, DataType.uint16]);

/** The tensor inside a Constant node, where it is given as the `value` attribute. */
function constantTensor(node: NodeInfo): TensorInfo | undefined {
  return node.opType === 'Constant' && node.domain === '' ? node.attributes.get('value')?.t : undefined;
}

/**
 * Indexes the constants of a model and reads the small ones.
 * @throws OnnxError where a small constant's bytes are missing or damaged.
 */
export async function readConstants(model: OnnxModel, index: GraphIndex): Promise<Constants> {
  const ints = new Map<TensorInfo, readonly number[]>();
  const scalars = new Map<TensorInfo, number>();
  const tensors = [...model.graph.initializers];
  for (const node of model.graph.nodes) {
    const tensor = constantTensor(node);
    if (tensor) tensors.push(tensor);
  }
  const pending: Promise<void>[] = [];
  for (const tensor of tensors) {
    if (tensor.storage.kind === 'external' || tensor.storage.kind === 'empty') continue;
    const count = elementCount(tensor.dims);
    const isInt = tensor.dataType === DataType.int64 || tensor.dataType === DataType.int32;
    if (isInt ? count <= SMALL : count === 1 && NARROW.has(tensor.dataType)) {
      pending.push(readInts(model, tensor).then((v) => void ints.set(tensor, v)));
    } else if (count === 1 && isReadableFloat(tensor.dataType)) {
      pending.push(readFloats(model, tensor).then((v) => void scalars.set(tensor, v[0])));
    }
  }
  await Promise.all(pending);

  const sourceOf = (value: string, depth = 0): ConstantSource | undefined => {
    const initializer = index.initializers.get(value);
    if (initializer) return sourceIn(initializer);
    const node = index.producers.get(value);
    if (!node || depth > 8) return undefined;
    const tensor = constantTensor(node);
    if (tensor) return { ...sourceIn(tensor), holder: node };
    if (node.opType === 'Identity') return sourceOf(node.inputs[0], depth + 1);
    if (node.opType === 'Cast') {
      const inner = sourceOf(node.inputs[0], depth + 1);
      const dataType = node.attributes.get('to')?.i;
      return inner && isReadableFloat(inner.dataType) && dataType !== undefined && isReadableFloat(dataType)
        ? { ...inner, dataType }
        : undefined;
    }
    if (node.opType === 'Transpose') {
      const inner = sourceOf(node.inputs[0], depth + 1);
      if (inner?.dims.length !== 2) return undefined;
      const perm = node.attributes.get('perm')?.ints ?? [1, 0];
      if (perm[0] === 0) return inner;
      return { ...inner, transposed: !inner.transposed, dims: [inner.dims[1], inner.dims[0]] };
    }
    return undefined;
  };
  const byTensor =
    <T>(values: ReadonlyMap<TensorInfo, T>) =>
    (value: string): T | undefined => {
      const source = sourceOf(value);
      if (source) return values.get(source.tensor);
      const node = index.producers.get(value);
      return node?.opType === 'Cast' ? byTensor(values)(node.inputs[0]) : undefined;
    };
  const scalarOf = (value: string, depth = 0): number | undefined => {
    const node = index.producers.get(value);
    if (node?.opType === 'Constant') {
      const inline = node.attributes.get('value_float')?.f;
      if (inline !== undefined) return inline;
    }
    if (node?.opType !== 'DequantizeLinear' || depth > 8) return byTensor(scalars)(value);
    const [codes, scale, zero] = node.inputs;
    const before = index.producers.get(codes);
    if (before?.opType === 'QuantizeLinear') return scalarOf(before.inputs[0], depth + 1);
    const [code, factor] = [byTensor(ints)(codes), scalarOf(scale, depth + 1)];
    const shift = zero ? byTensor(ints)(zero) : [0];
    if (code?.length !== 1 || shift?.length !== 1 || factor === undefined) return undefined;
    return (code[0] - shift[0]) * factor;
  };
  const isConstant = (value: string, depth = 0): boolean => {
    if (sourceOf(value) || scalarOf(value) !== undefined) return true;
    const node = index.producers.get(value);
    if (!node || depth > 8 || node.opType.startsWith('Random')) return false;
    const inputs = node.inputs.filter((v) => v !== '');
    return inputs.length > 0 && inputs.every((v) => isConstant(v, depth + 1));
  };
  return {
    sourceOf: (value) => sourceOf(value),
    intsOf: (value) => {
      const node = index.producers.get(value);
      if (node?.opType === 'Constant') {
        const inline = node.attributes.get('value_ints')?.ints ?? node.attributes.get('value_int')?.i;
        if (inline !== undefined) return typeof inline === 'number' ? [inline] : inline;
      }
      return byTensor(ints)(value);
    },
    scalarOf: (value) => scalarOf(value),
    isConstant: (value) => isConstant(value),
  };
}

function sourceIn(tensor: TensorInfo): ConstantSource {
  return { tensor, transposed: false, dims: tensor.dims, dataType: tensor.dataType };
}

function isReadableFloat(dataType: number): boolean {
  return (
    dataType === DataType.float ||
    dataType === DataType.float16 ||
    dataType === DataType.bfloat16 ||
    dataType === DataType.double
  );
}
