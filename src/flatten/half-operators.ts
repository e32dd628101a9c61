/**
 * Which operators compute in float16, and of what type their results are.
 *
 * Why: a narrowed model must pass the checks of every runtime, and no f32 may meet an f16 in one operator; so only
 * operators whose form in float16 is known are narrowed, and everything else stays in f32 between Cast nodes.
 *
 * Source: the type constraints of the operator schemas of ONNX 1.23 (opsets 7 to 26) and of onnxruntime 1.30
 * (com.microsoft). onnxruntime's CPU provider has few kernels in float16, but puts casts of its own around the others.
 */
import type { NodeInfo } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';

/** How an operator computes in float16: all of its floats are f16 but for those named here. */
export interface HalfForm {
  /** The first opset in which all of its floats may be float16. */
  readonly since: number;
  /** The input that has the type of the results. */
  readonly from: number;
  /** Inputs that must be f32 all the same. */
  readonly floatInputs: readonly number[];
  /** Results of another type than the input `from`, by position; 1 are f32 whatever the inputs are. */
  readonly results: Readonly<Record<number, number>>;
}

/** Operators of ONNX of one float type, by the opset from which it can be float16. */
const PLAIN: Readonly<Record<number, string>> = {
  1: `Abs Add AveragePool BatchNormalization Ceil Clip Concat Conv ConvTranspose DepthToSpace Div Dropout Elu Exp
    Flatten Floor Gather Gemm GlobalAveragePool GlobalMaxPool HardSigmoid Identity InstanceNormalization LeakyRelu Log
    LogSoftmax MatMul Max Mean Min Mul Neg PRelu Pad Pow Reciprocal ReduceL1 ReduceMax ReduceMean ReduceMin ReduceSum
    Relu Reshape Selu Sigmoid Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile
    Transpose Unsqueeze`,
  7: 'Cos Sin',
  8: 'Expand',
  9: 'Compress Erf Sign Where',
  10: 'Mod ThresholdedRelu',
  11: 'GatherElements GatherND Round ScatterElements ScatterND',
  12: 'Einsum',
  14: 'HardSwish Trilu',
  15: 'CastLike',
  17: 'LayerNormalization',
  18: 'Mish',
  20: 'Gelu',
  23: 'Attention RMSNormalization RotaryEmbedding',
  24: 'Swish TensorScatter',
};

/** Operators of onnxruntime of one float type. */
const FUSED = `Attention BiasAdd BiasGelu BiasSplitGelu EmbedLayerNormalization FastGelu FusedConv FusedGemm FusedMatMul
  GatedRelativePositionBias Gelu GroupQueryAttention MultiHeadAttention QuickGelu RotaryEmbedding
  SkipLayerNormalization SkipSimplifiedLayerNormalization`;

/** Operators that give truth values or whole numbers, whatever they read. */
const OF_NO_FLOAT: Readonly<Record<number, string>> = {
  1: 'ArgMax ArgMin',
  9: 'IsNaN NonZero',
  7: 'Greater Less',
  11: 'Equal',
  12: 'GreaterOrEqual LessOrEqual',
  20: 'IsInf',
};

const WHOLE = new Set(['Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero']);
const TRUTH = new Set('Equal Greater Less GreaterOrEqual LessOrEqual Not And Or Xor IsNaN IsInf'.split(' '));

/** The mean and deviation that normalisations give beside their result. */
const MOMENTS = { results: { 1: DataType.float, 2: DataType.float } };
const OTHERWISE: Readonly<Record<string, Partial<HalfForm>>> = {
  LayerNormalization: MOMENTS,
  SkipLayerNormalization: MOMENTS,
  SkipSimplifiedLayerNormalization: MOMENTS,
  RMSNormalization: { from: 1 },
  Where: { from: 1 },
  CastLike: { from: 1 },
  Dropout: { results: { 1: DataType.bool } },
  EmbedLayerNormalization: { from: 2, results: { 1: DataType.int32 } },
  // Scales of quantized caches.
  GroupQueryAttention: { floatInputs: [12, 13] },
};

/** Why operators that are met stay in f32; others have no float16 form that is known here. */
const REASONS: Readonly<Record<string, string>> = {
  Resize: 'its scales must be float',
  Upsample: 'its scales must be float',
  Range: 'ONNX has no float16 form of it',
  CumSum: 'long sums lose whole numbers in float16, and onnxruntime has no float16 form of it',
  QuantizeLinear: 'its scales must be float',
  DequantizeLinear: 'quantized weights stay as they are',
  DynamicQuantizeLinear: 'ONNX has no float16 form of it',
  QLinearMatMul: 'quantized weights stay as they are',
  QLinearConv: 'quantized weights stay as they are',
  MatMulNBits: 'quantized weights stay as they are',
  NonMaxSuppression: 'ONNX has no float16 form of it',
  ReduceL2: 'sums of squares overflow in float16',
  ReduceSumSquare: 'sums of squares overflow in float16',
  ReduceLogSum: 'its sums overflow in float16',
  ReduceLogSumExp: 'its sums overflow in float16',
  ReduceProd: 'products overflow in float16',
  RandomNormal: 'the numbers drawn would be others',
  RandomUniform: 'the numbers drawn would be others',
  RandomNormalLike: 'the numbers drawn would be others',
  RandomUniformLike: 'the numbers drawn would be others',
  ConstantOfShape: 'its value is left to the default, which is float',
  If: 'its branches stay as they are, with what they read',
  Loop: 'its body stays as it is, with what it reads',
  Scan: 'its body stays as it is, with what it reads',
};

const FORMS = new Map<string, HalfForm>();
for (const table of [PLAIN, OF_NO_FLOAT]) {
  for (const [since, names] of Object.entries(table)) {
    for (const name of names.split(/\s+/)) addForm('', name, Number(since));
  }
}
for (const name of FUSED.split(/\s+/)) addForm('com.microsoft', name, 1);

function addForm(domain: string, name: string, since: number): void {
  FORMS.set(`${domain}:${name}`, { since, from: 0, floatInputs: [], results: {}, ...OTHERWISE[name] });
}
/** MaxPool and TopK give indices beside their values. */
for (const name of ['MaxPool', 'TopK']) {
  FORMS.set(`:${name}`, { since: 1, from: 0, floatInputs: [], results: { 1: DataType.int64 } });
}

/** The float16 form of a node's operator, if it has one at this opset. */
export function halfFormOf(node: NodeInfo, opset: number): HalfForm | undefined {
  const form = FORMS.get(`${node.domain}:${node.opType}`);
  return form && (node.domain !== '' || opset >= form.since) ? form : undefined;
}

/** Why a node stays in f32: the end of a sentence. */
export function reasonFor({ opType, domain }: NodeInfo): string {
  const known = domain === '' || domain === 'com.microsoft';
  if (!known) return `what an operator of ${domain} does in float16 is not known`;
  return REASONS[opType] ?? 'no float16 form of it is known';
}

/** The type of a result that follows from the operator and the types of its inputs; undefined where it does not. */
export function resultType(
  node: NodeInfo,
  output: number,
  typeOf: (input: string) => number | undefined,
): number | undefined {
  const { opType, attributes, inputs, domain } = node;
  const form = FORMS.get(`${domain}:${opType}`);
  if (form) {
    const own = form.results[output];
    if (own !== undefined) return own;
    if (domain === '' && WHOLE.has(opType)) return DataType.int64;
    if (domain === '' && TRUTH.has(opType)) return DataType.bool;
    return typeOf(inputs[form.from]);
  }
  if (domain === 'com.microsoft') return opType === 'MatMulNBits' ? typeOf(inputs[0]) : undefined;
  if (domain !== '') return undefined;
  if (WHOLE.has(opType)) return DataType.int64;
  if (TRUTH.has(opType)) return DataType.bool;
  if (opType === 'Cast') return attributes.get('to')?.i;
  if (opType === 'ConstantOfShape') return attributes.get('value')?.t?.dataType ?? DataType.float;
  if (opType === 'Constant') return constantType(node);
  if (opType === 'RandomNormal' || opType === 'RandomUniform') {
    return attributes.get('dtype')?.i ?? DataType.float;
  }
  if (opType === 'DequantizeLinear') return attributes.get('output_dtype')?.i ?? typeOf(inputs[1]);
  const sameAsFirst =
    /^(Range|CumSum|Resize|Upsample|Reduce\w+|LpNormalization|LSTM|GRU|RNN|.*Like|LRN|GridSample)$/;
  if (sameAsFirst.test(opType)) return attributes.get('dtype')?.i ?? typeOf(inputs[0]);
  return undefined;
}

function constantType({ attributes }: NodeInfo): number | undefined {
  if (attributes.has('value_float') || attributes.has('value_floats')) return DataType.float;
  if (attributes.has('value_int') || attributes.has('value_ints')) return DataType.int64;
  return attributes.get('value')?.t?.dataType;
}
