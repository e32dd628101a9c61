/**
 * What the operators of a graph do to the last axis of a value: the tables that tracing goes by.
 *
 * Why: an FFN may be merged only where its hidden units meet element-wise operators. Operators are told apart by
 * domain too: `Gelu` of an unknown domain, or a function defined in the model, may do anything.
 *
 * Known limits: onnxruntime's own domain is known as far as its transformer optimizer writes it.
 */
import type { NodeInfo } from '../onnx/types.ts';

/** onnxruntime's fused operators that are followed. */
const FUSED = new Set([
  'Gelu', 'FastGelu', 'BiasGelu', 'QuickGelu', 'FusedMatMul', 'FusedGemm', 'MatMulNBits', 'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization', 'QuantizeLinear', 'DequantizeLinear',
]); // biome-ignore format: a list reads best packed

/** The operator's name; with its domain, so that it is in no table, where it is not one that Layerfold knows. */
export function opOf({ domain, opType }: NodeInfo): string {
  if (domain === '' || domain === 'ai.onnx') return opType;
  return domain === 'com.microsoft' && FUSED.has(opType) ? opType : `${domain}:${opType}`;
}

/** Element-wise operators of one data input that bend the hidden units: the sign of an activation. */
const NONLINEAR = new Set([
  'Relu', 'LeakyRelu', 'Elu', 'Selu', 'Celu', 'Gelu', 'Erf', 'Tanh', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Swish',
  'Silu', 'Mish', 'Softplus', 'Softsign', 'ThresholdedRelu', 'PRelu', 'Exp', 'QuickGelu', 'FastGelu', 'BiasGelu', 'Clip',
]); // biome-ignore format: a list reads best packed
const UNARY = new Set([
  ...NONLINEAR, 'Sqrt', 'Abs', 'Neg', 'Reciprocal', 'Cast', 'Identity', 'Dropout', 'Floor', 'Log', 'Sign',
]); // biome-ignore format: a list reads best packed
const BINARY = new Set(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Sum', 'PRelu']);
const VIEW = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);
const NORM = new Set(['LayerNormalization', 'SimplifiedLayerNormalization', 'RMSNormalization']);
const SKIP_NORM = new Set(['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization']);

export const isNonlinear = (op: string): boolean => NONLINEAR.has(op);
export const isUnary = (op: string): boolean => UNARY.has(op);
export const isBinary = (op: string): boolean => BINARY.has(op);
/** Only the shape changes; whether the last axis stays must be looked at. */
export const isReshape = (op: string): boolean => VIEW.has(op);
/** Half of a pair that rounds values to codes of a scale: the values stay as they are but for rounding. */
export const isRounding = (op: string): boolean => op === 'QuantizeLinear' || op === 'DequantizeLinear';
/** The values stay as they are. */
export const isView = (op: string): boolean =>
  VIEW.has(op) || op === 'Identity' || op === 'Cast' || op === 'Dropout' || isRounding(op);
/** Normalises over the last axis. */
export const isNorm = (op: string): boolean => NORM.has(op);
/** Adds two values (inputs 0 and 1) and normalises the sum: output 0; the sum itself may be output 3. */
export const isSkipNorm = (op: string): boolean => SKIP_NORM.has(op);
/** Reads the shape of a value only. */
export const isShapeOnly = (op: string): boolean => op === 'Shape' || op === 'Size';
