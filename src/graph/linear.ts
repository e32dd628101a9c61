/**
 * Linear maps: operators with a constant weight matrix, as exporters and onnxruntime's optimizer write them.
 * MatMul, Gemm, FusedMatMul, FusedGemm (with its activation), Conv with a kernel of one.
 *
 * Why: an FFN is what stands between two of them (see ffn.ts).
 *
 * Quantized ones (MatMulNBits, a weight behind DequantizeLinear) are linear maps with a `scheme`: the FFN is found,
 * and refused by name.
 *
 * Known limits: integer kernels (MatMulInteger, QLinearMatMul) are not recognised.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { ConstantSource, Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';
import { opOf } from './operators.ts';

/** A constant operand of a node. */
export interface Operand {
  readonly node: NodeInfo;
  /** Index among the node's inputs. */
  readonly input: number;
  readonly source: ConstantSource;
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
  /** Gemm's C, or Conv's B, where it is a constant vector over the outputs. */
  readonly bias?: Operand;
  /** Gemm's alpha and beta; 1 elsewhere. */
  readonly alpha: number;
  readonly beta: number;
  /** The activation that the operator applies to its own output (FusedGemm). */
  readonly activation?: string;
  /** How the weight is quantized, for people; such a map cannot be merged. */
  readonly scheme?: string;
  readonly output: string;
}

/** The linear map that a node is, or undefined. */
export function linearMapOf(node: NodeInfo, index: GraphIndex, constants: Constants): LinearMap | undefined {
  if (node.outputs.length === 0 || node.inputs.length < 2 || constants.sourceOf(node.inputs[0]))
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
      return pointwise(node, constants);
    case 'MatMulNBits':
      return inBlocks(node, constants);
    default:
      return undefined;
  }
}

function flag(node: NodeInfo, name: string): boolean {
  return (node.attributes.get(name)?.i ?? 0) !== 0;
}

function matrixProduct(node: NodeInfo, index: GraphIndex, constants: Constants): LinearMap | undefined {
  const found = weightMatrix(node, index, constants);
  if (!found) return undefined;
  const { source, scheme } = found;
  const inAxis = flag(node, 'transB') ? 1 : 0;
  return {
    node,
    dataInput: 0,
    weight: { node, input: 1, source },
    inAxis,
    inSize: source.dims[inAxis],
    outSize: source.dims[1 - inAxis],
    dataAxis: -1,
    alpha: node.attributes.get('alpha')?.f ?? 1,
    beta: 1,
    ...(scheme && { scheme }),
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
  const source = constants.sourceOf(node.inputs[2]);
  if (!source) return undefined;
  if (isVectorOver(source.dims, map.outSize)) return { ...map, bias: { node, input: 2, source } };
  return source.dims.some((d) => d !== 1) ? undefined : map;
}

/** Conv with a kernel of one position: the same linear map at every position, features in axis 1. */
function pointwise(node: NodeInfo, constants: Constants): LinearMap | undefined {
  const source = constants.sourceOf(node.inputs[1]);
  const rank = source?.dims.length ?? 0;
  if (!source || rank < 3 || source.dims.slice(2).some((d) => d !== 1)) return undefined;
  const { attributes } = node;
  if ((attributes.get('group')?.i ?? 1) !== 1 || attributes.get('pads')?.ints?.some((p) => p !== 0)) {
    return undefined;
  }
  const [outSize, inSize] = source.dims;
  let bias: Operand | undefined;
  if (node.inputs.length > 2 && node.inputs[2] !== '') {
    const b = constants.sourceOf(node.inputs[2]);
    if (b?.dims.length !== 1) return undefined;
    bias = { node, input: 2, source: b };
  }
  return {
    node,
    dataInput: 0,
    weight: { node, input: 1, source },
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

/** onnxruntime's weights of a few bits: [N, blocks, bytes], with K and N in attributes. */
function inBlocks(node: NodeInfo, constants: Constants): LinearMap | undefined {
  const source = constants.sourceOf(node.inputs[1]);
  const [inSize, outSize, bits, block] = ['K', 'N', 'bits', 'block_size'].map(
    (name) => node.attributes.get(name)?.i,
  );
  if (!source || inSize === undefined || outSize === undefined) return undefined;
  return {
    node,
    dataInput: 0,
    weight: { node, input: 1, source },
    inAxis: 1,
    inSize,
    outSize,
    dataAxis: -1,
    alpha: 1,
    beta: 1,
    scheme: `MatMulNBits, ${bits ?? 4} bits in blocks of ${block ?? 'unknown size'}`,
    output: node.outputs[0],
  };
}

/** The constant matrix in a node's second input, quantized or not. */
function weightMatrix(
  { inputs }: NodeInfo,
  index: GraphIndex,
  constants: Constants,
): { source: ConstantSource; scheme?: string } | undefined {
  const source = constants.sourceOf(inputs[1]);
  if (source) return source.dims.length === 2 ? { source } : undefined;
  let producer = index.producers.get(inputs[1]);
  const swapped = producer?.opType === 'Transpose';
  if (swapped) producer = index.producers.get(producer!.inputs[0]);
  if (producer?.opType !== 'DequantizeLinear') return undefined;
  const quantized = constants.sourceOf(producer.inputs[0]);
  if (quantized?.dims.length !== 2) return undefined;
  const dims = swapped ? [quantized.dims[1], quantized.dims[0]] : quantized.dims;
  return { source: { ...quantized, dims }, scheme: 'DequantizeLinear' };
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
