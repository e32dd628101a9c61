/**
 * Constants that are stored quantized: a DequantizeLinear of constants, or MatMulNBits with its own.
 *
 * Why: merging decodes them, merges in f32, and encodes them in the same scheme into tensors of the same shapes and
 * types. So it must be known which tensors they are, and in which scheme (quantize/scheme.ts). Nothing is read here:
 * schemes come from shapes, types and attributes alone.
 *
 * Known limits: scales and zero points that are computed, inputs permuted by g_idx, zero points of a float type, and
 * weights that are quantized by the graph itself have no packing, but a reason why.
 */
import type { NodeInfo } from '../onnx/types.ts';
import {
  type BlockScheme,
  blocksInRow,
  type LinearScheme,
  labelOf,
  unsupported,
} from '../quantize/scheme.ts';
import { DataType, dataTypeName } from '../tensor/dtype.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import type { ConstantSource, Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';
import type { Operand } from './linear.ts';
import { opOf } from './operators.ts';

/** The tensors of a quantized constant, and how they are to be read. */
export interface Packing {
  /**
   * In terms of the stored tensors: where a Transpose stands before DequantizeLinear, dims and axis are those before
   * it. `symmetric` says that there is no zero point; only the bytes tell whether all of them are zero (`settle`).
   */
  readonly scheme: LinearScheme | BlockScheme;
  /** The DequantizeLinear or MatMulNBits node that reads the tensors. */
  readonly node: NodeInfo;
  readonly values: Operand;
  readonly scales: Operand;
  readonly zeroPoints?: Operand;
  /**
   * For an int32 bias of Gemm or Conv whose data are quantized: the scale of the data. Fusing the node, onnxruntime
   * takes the bias's scale to be this times the weight's, whatever the bias's own scale says.
   */
  readonly dataScale?: Operand;
}

/** A constant as its consumer sees it, stored as floats or quantized. */
export interface StoredConstant {
  /** Of a quantized one, `tensor` holds the codes; shape, type and transposition are of what they stand for. */
  readonly source: ConstantSource;
  readonly packing?: Packing;
  /** Why a quantized constant has no packing, completing “because ”. */
  readonly unsupported?: string;
}

/** The operand that a node has in a stored constant. */
export function operandOf(node: NodeInfo, input: number, stored: StoredConstant): Operand {
  return { node, input, ...stored };
}

/** The constant that a value is, behind Identity, Cast, Transpose and DequantizeLinear in any order; or undefined. */
export function storedConstant(
  value: string,
  index: GraphIndex,
  constants: Constants,
  depth = 0,
): StoredConstant | undefined {
  const source = constants.sourceOf(value);
  if (source) return { source };
  const node = index.producers.get(value);
  if (!node || depth > 8) return undefined;
  const op = opOf(node);
  if (op === 'DequantizeLinear') return dequantized(node, index, constants);
  if (op !== 'Identity' && op !== 'Cast' && op !== 'Transpose') return undefined;
  const inner = storedConstant(node.inputs[0], index, constants, depth + 1);
  if (!inner || op === 'Identity') return inner;
  if (op === 'Cast') {
    const dataType = node.attributes.get('to')?.i;
    return dataType !== undefined && FLOATS.includes(dataType)
      ? { ...inner, source: { ...inner.source, dataType } }
      : undefined;
  }
  const { dims, transposed } = inner.source;
  if (dims.length !== 2) return undefined;
  if (node.attributes.get('perm')?.ints?.[0] === 0) return inner;
  return { ...inner, source: { ...inner.source, transposed: !transposed, dims: [dims[1], dims[0]] } };
}

const FLOATS: readonly number[] = [DataType.float, DataType.float16, DataType.bfloat16, DataType.double];
const typeName = (code: number) => dataTypeName(code) ?? `type ${code}`;

function dequantized(node: NodeInfo, index: GraphIndex, constants: Constants): StoredConstant | undefined {
  const codes = constants.sourceOf(node.inputs[0]);
  if (!codes) {
    const before = index.producers.get(node.inputs[0]);
    const rounded = before && opOf(before) === 'QuantizeLinear' && constants.sourceOf(before.inputs[0]);
    return rounded
      ? { source: rounded, unsupported: 'it is the graph that quantizes its weights (QuantizeLinear)' }
      : undefined;
  }
  const scales = constants.sourceOf(node.inputs[1]);
  const zeros = node.inputs[2] ? constants.sourceOf(node.inputs[2]) : undefined;
  const output = node.attributes.get('output_dtype')?.i || scales?.dataType || DataType.float;
  const source = { ...codes, dataType: output };
  if (!scales) return { source, unsupported: 'its scales are not constants' };
  if (node.inputs[2] && !zeros) return { source, unsupported: 'its zero points are not constants' };
  const scheme = linearScheme(node, codes, scales, zeros, output);
  if (typeof scheme === 'string') return { source, unsupported: scheme };
  const reason = unsupported(scheme);
  if (reason !== undefined) return { source, unsupported: reason };
  return {
    source,
    packing: {
      scheme,
      node,
      values: { node, input: 0, source: codes },
      scales: { node, input: 1, source: scales },
      ...(zeros && { zeroPoints: { node, input: 2, source: zeros } }),
    },
  };
}

function linearScheme(
  node: NodeInfo,
  codes: ConstantSource,
  scales: ConstantSource,
  zeros: ConstantSource | undefined,
  outputType: number,
): LinearScheme | string {
  const { dims, dataType } = codes.tensor;
  const rank = dims.length;
  const scaleDims = scales.tensor.dims;
  const scaleType = scales.tensor.dataType;
  const blockSize = node.attributes.get('block_size')?.i || undefined;
  const perTensor = blockSize === undefined && scaleDims.length <= 1 && elementCount(scaleDims) === 1;
  const given = node.attributes.get('axis')?.i ?? 1;
  const seen = given < 0 ? given + rank : given;
  const axis = codes.transposed ? 1 - seen : seen;
  if (zeros) {
    if (zeros.tensor.dataType !== dataType)
      return `its zero points are ${typeName(zeros.tensor.dataType)} and its codes ${typeName(dataType)}`;
    if (elementCount(zeros.tensor.dims) !== elementCount(scaleDims) || zeros.transposed !== scales.transposed)
      return `its zero points have the shape ${formatShape(zeros.tensor.dims)}, not ${formatShape(scaleDims)}`;
  }
  if (blockSize !== undefined && scales.transposed !== codes.transposed)
    return 'its codes and its scales are transposed differently';
  return {
    kind: 'linear',
    dims,
    dataType,
    scaleDims,
    scaleType,
    ...(outputType !== scaleType && { outputType }),
    ...(!perTensor && { axis }),
    ...(blockSize !== undefined && { blockSize }),
    symmetric: !zeros,
  };
}

/** The weight of a MatMulNBits node, as a matrix [N, K]; undefined where K and N are not given, or it is computed. */
export function blockWeight(node: NodeInfo, constants: Constants): StoredConstant | undefined {
  const int = (name: string) => node.attributes.get(name)?.i;
  const [inSize, outSize] = [int('K'), int('N')];
  const codes = constants.sourceOf(node.inputs[1]);
  if (!codes || inSize === undefined || outSize === undefined) return undefined;
  const scales = constants.sourceOf(node.inputs[2] ?? '');
  const zeros = node.inputs[3] ? constants.sourceOf(node.inputs[3]) : undefined;
  const source = { ...codes, dims: [outSize, inSize], dataType: scales?.dataType ?? DataType.float };
  const scheme: BlockScheme = {
    kind: 'blocks',
    bits: int('bits') ?? 4,
    blockSize: int('block_size') ?? 0,
    inSize,
    outSize,
    scaleType: scales?.tensor.dataType ?? DataType.float,
    symmetric: !node.inputs[3],
  };
  const reason = blockRefusal(node, scheme, codes, scales, zeros);
  if (!scales || reason !== undefined) return { source, unsupported: reason };
  return {
    source,
    packing: {
      scheme,
      node,
      values: { node, input: 1, source: codes },
      scales: { node, input: 2, source: scales },
      ...(zeros && { zeroPoints: { node, input: 3, source: zeros } }),
    },
  };
}

function blockRefusal(
  node: NodeInfo,
  scheme: BlockScheme,
  codes: ConstantSource,
  scales: ConstantSource | undefined,
  zeros: ConstantSource | undefined,
): string | undefined {
  const { bits, blockSize, outSize } = scheme;
  if (!scales) return 'its scales are not constants';
  if (node.inputs[4]) return 'its inputs are permuted (g_idx)';
  if (node.inputs[3] && !zeros) return 'its zero points are not constants';
  if (zeros && zeros.tensor.dataType !== DataType.uint8)
    return `its zero points are ${typeName(zeros.tensor.dataType)}`;
  if ((node.attributes.get('weight_prepacked')?.i ?? 0) !== 0) return 'its weights are packed for one device';
  const reason = unsupported(scheme);
  if (reason !== undefined) return reason;
  const perRow = blocksInRow(scheme);
  const wanted: [string, ConstantSource | undefined, number][] = [
    ['codes', codes, (outSize * perRow * blockSize * bits) / 8],
    ['scales', scales, outSize * perRow],
    ['zero points', zeros, outSize * Math.ceil((perRow * bits) / 8)],
  ];
  const wrong = wanted.find(([, source, count]) => source && elementCount(source.tensor.dims) !== count);
  return wrong && `its ${wrong[0]} have the shape ${formatShape(wrong[1]!.tensor.dims)} (${labelOf(scheme)})`;
}

/** The scale of data that come out of DequantizeLinear, where it is a constant. */
export function dataScaleOf(value: string, index: GraphIndex, constants: Constants): Operand | undefined {
  const node = index.producers.get(value);
  if (!node || opOf(node) !== 'DequantizeLinear') return undefined;
  const source = constants.sourceOf(node.inputs[1]);
  return source && { node, input: 1, source };
}
