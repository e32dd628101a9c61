/**
 * Which FFNs of a file stand in one stack.
 *
 * Why: an encoder and a decoder exported together, or a text and an image tower, may have FFNs of equal shape, and
 * must not be merged with each other. In a stack the residual stream leads from one FFN to the next through Adds and
 * normalisations alone; from an encoder to a decoder it leads only through the linear maps of cross-attention.
 *
 * Where a stream changes its width between stages (a linear map on the stream itself) the later stage still belongs
 * to the earlier one: it has no input of the model of its own, and depends on it.
 */

import type { NodeInfo } from '../onnx/types.ts';
import { type GraphIndex, valuesBehind } from './index-graph.ts';
import type { LinearMap } from './linear.ts';
import { isShapeOnly } from './operators.ts';

/** Where an FFN stands on the stream. */
export interface Place {
  /** Values that it reads the stream by. */
  readonly from: readonly string[];
  /** Values by which the stream leaves it. */
  readonly to: readonly string[];
}

/** A number for each FFN, in execution order: equal numbers for one stack, counted from 0. */
export function stacksOf(
  places: readonly Place[],
  index: GraphIndex,
  linears: ReadonlyMap<NodeInfo, LinearMap>,
): number[] {
  const leavers = new Map<string, number>();
  places.forEach(({ to }, i) => {
    for (const value of to) leavers.set(value, i);
  });
  const stack: number[] = [];
  places.forEach(({ from }, i) => {
    const { before, atInput } = walkBack(from, leavers, index, linears);
    const earlier = [...before].filter((j) => j < i);
    if (earlier.length > 0) {
      const own = Math.min(...earlier.map((j) => stack[j]));
      const joined = new Set(earlier.map((j) => stack[j]));
      for (let k = 0; k < i; k++) if (joined.has(stack[k])) stack[k] = own;
      stack.push(own);
      return;
    }
    const previous = atInput ? [] : [...walkBack(from, leavers, index).before].filter((j) => j < i);
    stack.push(previous.length > 0 ? stack[Math.max(...previous)] : i);
  });
  const names = [...new Set(stack)];
  return stack.map((s) => names.indexOf(s));
}

/** The FFNs whose stream leads to some values, and whether an input of the model does; linear maps stop the walk. */
function walkBack(
  from: readonly string[],
  leavers: ReadonlyMap<string, number>,
  index: GraphIndex,
  linears?: ReadonlyMap<NodeInfo, LinearMap>,
): { before: Set<number>; atInput: boolean } {
  const before = new Set<number>();
  let atInput = false;
  const goesOn = (value: string, node: NodeInfo) =>
    !leavers.has(value) && !linears?.has(node) && !isShapeOnly(node.opType);
  for (const value of valuesBehind(from, index, goesOn)) {
    const ffn = leavers.get(value);
    if (ffn !== undefined) before.add(ffn);
    else if (!index.producers.has(value))
      atInput ||= index.inputs.has(value) && !index.initializers.has(value);
  }
  return { before, atInput };
}
