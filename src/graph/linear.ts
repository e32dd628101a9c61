/**
 * Linear maps: operators with a constant weight matrix, as exporters and onnxruntime's optimizer write them.
 * MatMul, Gemm, FusedMatMul, FusedGemm (with its activation), Conv with a kernel of one.
 *
 * Why: an FFN is what stands between two of them (see ffn.ts).
 *
 * Quantized ones (MatMulNBits, a weight behind DequantizeLinear) have a `packing` on their operands (see packing.ts).
 *
 * Known limits: integer kernels (MatMulInteger, QLinearMatMul) are not linear maps here (see refusals.ts).
 */
import type { NodeInfo } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import type { ConstantSource, Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';
import { opOf } from './operators.ts';
import {
  blockWeight,
  dataScaleOf,
  operandOf,
  type Packing,
  type StoredConstant,
  storedConstant,
} from './packing.ts';

/** A constant operand of a node. */
export interface Operand {
  readonly node: NodeInfo;
  /** Index among the node's inputs. */
  readonly input: number;
  /** Of a quantized one, `tensor` holds the codes; shape, type and transposition are of what they stand for. */
  readonly source: ConstantSource;
  /** The tensors and the scheme of a quantized one. */
  readonly packing?: Packing;
  /** Why a quantized one has no packing, completing “because ”. */
  readonly unsupported?: string;
}

export interface LinearMap {
  readonly node: NodeInfo;
  /** Index of the data input. */
  readonly dataInput: number;
  readonly weight: Operand;
  /** Axis of the weight, as the node sees it, that is contracted with the data. */
  readonly inAxis: 0 | 1;
  readonly inSize: number;
  readonly outSize: number;
  /** Axis of the data's features, in and out, counted from the end: −1, or the channels of a convolution. */
  readonly dataAxis: number;
  /** Gemm's C, Conv's B or MatMulNBits's bias, where it is a constant vector over the outputs. */
  readonly bias?: Operand;
  /** Gemm's alpha and beta; 1 elsewhere. */
  readonly alpha: number;
  readonly beta: number;
  /** The activation that the operator applies to its own output (FusedGemm). */
  readonly activation?: string;
  readonly output: string;
}

/** The linear map that a node is, or undefined. */
export function linearMapOf(node: NodeInfo, index: GraphIndex, constants: Constants): LinearMap | undefined {
  if (node.outputs.length === 0 || node.inputs.length < 2 || constants.isConstant(node.inputs[0]))
    return undefined;
  switch (opOf(node)) {
    case 'MatMul':
      return matrixProduct(node, index, constants);
    case 'FusedMatMul':
      if (['transA', 'transBatchA', 'transBatchB'].some((a) => flag(node, a))) return undefined;
      return matrixProduct(node, index, constants);
    case 'Gemm':
    case 'FusedGemm':
      return gemm(node, index, constants);
    case 'Conv':
      return pointwise(node, index, constants);
    case 'MatMulNBits':
      return inBlocks(node, index, constants);
    default:
      return undefined;
  }
}

function flag(node: NodeInfo, name: string): boolean {
  return (node.attributes.get(name)?.i ?? 0) !== 0;
}

function matrixProduct(node: NodeInfo, index: GraphIndex, constants: Constants): LinearMap | undefined {
  const stored = storedConstant(node.inputs[1], index, constants);
  if (stored?.source.dims.length !== 2) return undefined;
  const { source } = stored;
  const inAxis = flag(node, 'transB') ? 1 : 0;
  return {
    node,
    dataInput: 0,
    weight: operandOf(node, 1, stored),
    inAxis,
    inSize: source.dims[inAxis],
    outSize: source.dims[1 - inAxis],
    dataAxis: -1,
    alpha: node.attributes.get('alpha')?.f ?? 1,
    beta: 1,
    output: node.outputs[0],
  };
}

function gemm(node: NodeInfo, index: GraphIndex, constants: Constants): LinearMap | undefined {
  const product = matrixProduct(node, index, constants);
  if (!product || flag(node, 'transA')) return undefined;
  const activation = node.attributes.get('activation')?.s;
  const map: LinearMap = {
    ...product,
    beta: node.attributes.get('beta')?.f ?? 1,
    ...(activation && { activation }),
  };
  if (node.inputs.length < 3 || node.inputs[2] === '') return map;
  const stored = storedConstant(node.inputs[2], index, constants);
  if (!stored) return undefined;
  const { dims } = stored.source;
  if (isVectorOver(dims, map.outSize)) return { ...map, bias: biasOperand(node, stored, index, constants) };
  return dims.some((d) => d !== 1) ? undefined : map;
}

/** Gemm's C or Conv's B; with the scale of the data where it is stored as int32 (see `Packing.dataScale`). */
function biasOperand(
  node: NodeInfo,
  stored: StoredConstant,
  index: GraphIndex,
  constants: Constants,
): Operand {
  const operand = operandOf(node, 2, stored);
  const { packing } = operand;
  if (packing?.scheme.kind !== 'linear' || packing.scheme.dataType !== DataType.int32) return operand;
  const dataScale = dataScaleOf(node.inputs[0], index, constants);
  return dataScale ? { ...operand, packing: { ...packing, dataScale } } : operand;
}

/** Conv with a kernel of one position: the same linear map at every position, features in axis 1. */
function pointwise(node: NodeInfo, index: GraphIndex, constants: Constants): LinearMap | undefined {
  const stored = storedConstant(node.inputs[1], index, constants);
  const rank = stored?.source.dims.length ?? 0;
  if (!stored || rank < 3 || stored.source.dims.slice(2).some((d) => d !== 1)) return undefined;
  const { attributes } = node;
  if ((attributes.get('group')?.i ?? 1) !== 1 || attributes.get('pads')?.ints?.some((p) => p !== 0)) {
    return undefined;
  }
  const [outSize, inSize] = stored.source.dims;
  let bias: Operand | undefined;
  if (node.inputs.length > 2 && node.inputs[2] !== '') {
    const b = storedConstant(node.inputs[2], index, constants);
    if (b?.source.dims.length !== 1) return undefined;
    bias = biasOperand(node, b, index, constants);
  }
  return {
    node,
    dataInput: 0,
    weight: operandOf(node, 1, stored),
    inAxis: 1,
    inSize,
    outSize,
    dataAxis: 1 - rank,
    ...(bias && { bias }),
    alpha: 1,
    beta: 1,
    output: node.outputs[0],
  };
}

/** onnxruntime's weights of a few bits, a matrix [N, K]; the bias, where there is one, is input 5. */
function inBlocks(node: NodeInfo, index: GraphIndex, constants: Constants): LinearMap | undefined {
  const stored = blockWeight(node, constants);
  if (!stored) return undefined;
  const [outSize, inSize] = stored.source.dims;
  let bias: Operand | undefined;
  if (node.inputs[5]) {
    const b = storedConstant(node.inputs[5], index, constants);
    if (!b || !isVectorOver(b.source.dims, outSize)) return undefined;
    bias = operandOf(node, 5, b);
  }
  return {
    node,
    dataInput: 0,
    weight: operandOf(node, 1, stored),
    inAxis: 1,
    inSize,
    outSize,
    dataAxis: -1,
    ...(bias && { bias }),
    alpha: 1,
    beta: 1,
    output: node.outputs[0],
  };
}

/** True for shapes such as [n], [1, n], [1, 1, n]: one number a unit of an axis counted from the end (n > 1). */
export function isVectorOver(dims: readonly number[], units: number, axis = -1): boolean {
  const at = dims.length + axis;
  return units > 1 && at >= 0 && dims.every((d, i) => d === (i === at ? units : 1));
}

/** All linear maps of a graph, by node. */
export function linearMaps(index: GraphIndex, constants: Constants): Map<NodeInfo, LinearMap> {
  const maps = new Map<NodeInfo, LinearMap>();
  for (const node of index.graph.nodes) {
    const map = linearMapOf(node, index, constants);
    if (map) maps.set(node, map);
  }
  return maps;
}
