/**
 * Element types of the values of a graph.
 *
 * Why: a value that becomes an input of a block must be declared with its type, and older exporters record no types
 * of inner values. ONNX's rules for types are simple where those for shapes are not: most operators give what their
 * first input has.
 *
 * Known limits: operators outside the table that change the type are guessed to keep it; recorded types win.
 */
import type { NodeInfo } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import type { GraphIndex } from './index-graph.ts';

const INT64 = new Set(['Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero']);
const BOOL = new Set([
  'Equal', 'Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual', 'Not', 'And', 'Or', 'Xor', 'IsNaN', 'IsInf',
]); // biome-ignore format: a list reads best packed
/** Operators whose result has the type of another input than the first. */
const TYPED_BY: Readonly<Record<string, number>> = {
  Where: 1,
  CastLike: 1,
  OneHot: 2,
  DequantizeLinear: 1,
  QuantizeLinear: 2,
};
/** Types of operators whose outputs do not follow from their inputs. */
const FIXED: Readonly<Record<string, readonly number[]>> = {
  MatMulInteger: [DataType.int32],
  ConvInteger: [DataType.int32],
  DynamicQuantizeLinear: [DataType.uint8, DataType.float, DataType.uint8],
};
/** Outputs of a nested graph's operator: which graph, and how many of its outputs come before. */
const NESTED: Readonly<Record<string, { graph: string; skip: number }>> = {
  If: { graph: 'then_branch', skip: 0 },
  Loop: { graph: 'body', skip: 1 },
  Scan: { graph: 'body', skip: 0 },
};

/** Type of every value by name; values whose type cannot be told are absent. */
export function elementTypes(index: GraphIndex): ReadonlyMap<string, number> {
  const types = new Map<string, number>();
  for (const [name, tensor] of index.initializers) types.set(name, tensor.dataType);
  for (const info of [...index.inputs.values(), ...index.valueInfos.values(), ...index.graph.outputs]) {
    if (info.elemType !== undefined) types.set(info.name, info.elemType);
  }
  const sorted = [...index.graph.nodes].sort((a, b) => index.order(a) - index.order(b));
  for (const node of sorted) {
    node.outputs.forEach((name, output) => {
      if (name === '' || types.has(name)) return;
      const type = typeOfOutput(node, output, types);
      if (type !== undefined) types.set(name, type);
    });
  }
  return types;
}

function typeOfOutput(
  node: NodeInfo,
  output: number,
  types: ReadonlyMap<string, number>,
): number | undefined {
  const { opType, attributes } = node;
  if (INT64.has(opType)) return DataType.int64;
  if (BOOL.has(opType)) return DataType.bool;
  if (opType === 'Cast') return attributes.get('to')?.i;
  if (opType === 'Constant') {
    if (attributes.has('value_float') || attributes.has('value_floats')) return DataType.float;
    if (attributes.has('value_int') || attributes.has('value_ints')) return DataType.int64;
    return attributes.get('value')?.t?.dataType;
  }
  if (opType === 'ConstantOfShape') return attributes.get('value')?.t?.dataType ?? DataType.float;
  if (attributes.has('dtype')) return attributes.get('dtype')?.i;
  const nested = NESTED[opType];
  if (nested) return attributes.get(nested.graph)?.g?.outputs[output + nested.skip]?.elemType;
  if (FIXED[opType]) return FIXED[opType][output];
  if (opType === 'TopK' && output === 1) return DataType.int64;
  if (opType === 'Dropout' && output === 1) return DataType.bool;
  const from = TYPED_BY[opType];
  if (from !== undefined) {
    return types.get(node.inputs[from]) ?? (opType === 'QuantizeLinear' ? DataType.uint8 : undefined);
  }
  for (const input of node.inputs) {
    const type = types.get(input);
    if (type !== undefined) return type;
  }
  return undefined;
}
