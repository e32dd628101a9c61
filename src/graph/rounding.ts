/**
 * Values that are rounded in the graph: QuantizeLinear and DequantizeLinear one after the other, on activations.
 *
 * Why: onnxruntime's quantizer (quantize_static) puts such a pair on every value. With one scale for all of a value it
 * acts element by element, so that hidden units may be permuted through it, and the residual stream goes through it.
 * Where the zero point is the smallest code, what is negative becomes zero: the quantizer drops a Relu that stands
 * before such a pair, and the pair is the activation.
 */
import type { NodeInfo } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import type { Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';
import { isRounding, opOf } from './operators.ts';

/** Whether a node of a pair has one scale for all of its value, several, or one that is not a constant. */
export function scaledBy(node: NodeInfo, constants: Constants): 'one' | 'several' | 'computed' {
  const source = constants.sourceOf(node.inputs[1]);
  if (!source) return 'computed';
  return elementCount(source.dims) === 1 ? 'one' : 'several';
}

const SMALLEST: ReadonlyMap<number, number> = new Map([
  [DataType.uint8, 0],
  [DataType.uint16, 0],
  [DataType.int8, -128],
  [DataType.int16, -32768],
]);

/** Whether a node quantizes so that everything negative becomes zero. */
export function clipsAtZero(node: NodeInfo, constants: Constants): boolean {
  if (opOf(node) !== 'QuantizeLinear') return false;
  const zero = node.inputs[2];
  if (!zero) return SMALLEST.get(node.attributes.get('output_dtype')?.i || DataType.uint8) === 0;
  const type = constants.sourceOf(zero)?.dataType;
  const value = constants.intsOf(zero);
  return type !== undefined && value?.length === 1 && value[0] === SMALLEST.get(type);
}

/** The value before the pairs that a value comes out of; itself where there is none. */
export function beforeRounding(value: string, index: GraphIndex): string {
  let current = value;
  for (let hops = 0; hops < 8; hops++) {
    const node = index.producers.get(current);
    if (!node || !isRounding(opOf(node)) || index.initializers.has(node.inputs[0])) break;
    current = node.inputs[0];
  }
  return current;
}
