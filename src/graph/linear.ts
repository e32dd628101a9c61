/**
 * Linear maps: MatMul and Gemm with a constant weight matrix, as exporters write them.
 *
 * Why: an FFN is what stands between two of them (see ffn.ts).
 *
 * Known limits: fused and quantized operators (FusedMatMul, MatMulNBits, Conv 1×1) are not recognised yet.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { ConstantSource, Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';

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
  /** Gemm's C where it is a constant vector over the outputs. */
  readonly bias?: Operand;
  /** Gemm's alpha and beta; 1 for MatMul. */
  readonly alpha: number;
  readonly beta: number;
  readonly output: string;
}

/** The linear map that a node is, or undefined. */
export function linearMapOf(node: NodeInfo, constants: Constants): LinearMap | undefined {
  if (node.domain !== '' || node.outputs.length === 0) return undefined;
  if (node.opType !== 'MatMul' && node.opType !== 'Gemm') return undefined;
  if (node.inputs.length < 2 || constants.sourceOf(node.inputs[0])) return undefined;
  const source = constants.sourceOf(node.inputs[1]);
  if (source?.dims.length !== 2) return undefined;
  const weight: Operand = { node, input: 1, source };
  if (node.opType === 'MatMul') {
    const [inSize, outSize] = source.dims;
    return {
      node,
      dataInput: 0,
      weight,
      inAxis: 0,
      inSize,
      outSize,
      alpha: 1,
      beta: 1,
      output: node.outputs[0],
    };
  }
  if ((node.attributes.get('transA')?.i ?? 0) !== 0) return undefined;
  const inAxis = (node.attributes.get('transB')?.i ?? 0) !== 0 ? 1 : 0;
  const inSize = source.dims[inAxis];
  const outSize = source.dims[1 - inAxis];
  let bias: Operand | undefined;
  if (node.inputs.length > 2 && node.inputs[2] !== '') {
    const c = constants.sourceOf(node.inputs[2]);
    if (!c) return undefined;
    if (isVectorOver(c.dims, outSize)) bias = { node, input: 2, source: c };
    else if (c.dims.some((d) => d !== 1)) return undefined;
  }
  return {
    node,
    dataInput: 0,
    weight,
    inAxis,
    inSize,
    outSize,
    ...(bias && { bias }),
    alpha: node.attributes.get('alpha')?.f ?? 1,
    beta: node.attributes.get('beta')?.f ?? 1,
    output: node.outputs[0],
  };
}

/** True for shapes such as [n], [1, n], [1, 1, n]: one number a unit of the last axis (n > 1). */
export function isVectorOver(dims: readonly number[], units: number): boolean {
  return units > 1 && dims.length >= 1 && dims.at(-1) === units && dims.slice(0, -1).every((d) => d === 1);
}

/** All linear maps of a graph, by node. */
export function linearMaps(index: GraphIndex, constants: Constants): Map<NodeInfo, LinearMap> {
  const maps = new Map<NodeInfo, LinearMap>();
  for (const node of index.graph.nodes) {
    const map = linearMapOf(node, constants);
    if (map) maps.set(node, map);
  }
  return maps;
}
