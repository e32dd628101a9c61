/**
 * Finding the attention output that stands before an FFN: the output of the last linear map before the previous
 * residual Add (or, in a parallel block, the one that is added to the FFN's own output).
 *
 * Why: the paper contrasts the similarity of FFN outputs with that of attention outputs.
 *
 * Known limits: a block whose attention output passes through anything but views, scales by constants and a bias
 * before the residual Add has none, nor has one whose last linear map is a convolution.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';
import type { LinearMap } from './linear.ts';
import { isSkipNorm, isView, opOf } from './operators.ts';
import { beforeRounding } from './rounding.ts';

const MAX_NODES = 64;

/** Value name of the attention output before the FFN whose output (after its bias) is `ffnOutput`. */
export function attentionOutputOf(
  ffnOutput: string,
  down: LinearMap,
  index: GraphIndex,
  constants: Constants,
  linears: ReadonlyMap<NodeInfo, LinearMap>,
): string | undefined {
  const residual = residualJoinOf(ffnOutput, index, constants)?.stream;
  if (residual === undefined) return undefined;
  const ends = (value: string) => {
    const linear = linearBehind(value, index, constants, linears);
    return linear !== undefined && linear.node !== down.node;
  };
  if (ends(residual)) return residual;
  // Breadth first, backwards, to the nearest Add of two computed values of which one is a linear map's output.
  const queue = [residual];
  const seen = new Set(queue);
  for (let head = 0; head < queue.length && head < MAX_NODES; head++) {
    const node = index.producers.get(queue[head]);
    if (!node || linears.has(node)) continue;
    const operands = isSkipNorm(opOf(node)) ? node.inputs.slice(0, 2) : node.inputs;
    const computed = operands.filter((v) => v !== '' && !constants.isConstant(v));
    if ((node.opType === 'Add' || isSkipNorm(opOf(node))) && computed.length === 2) {
      const candidates = computed.filter(ends);
      if (candidates.length > 0) return latest(candidates, index);
    }
    for (const value of computed) {
      if (!seen.has(value)) {
        seen.add(value);
        queue.push(value);
      }
    }
  }
  return undefined;
}

/** The Add that puts a sublayer's output back on the residual stream. */
export interface ResidualAdd {
  readonly node: NodeInfo;
  /** The other operand: the residual stream before it; before it is rounded, where it is. */
  readonly stream: string;
  /** The residual stream after it. */
  readonly output: string;
}

/** Follows a sublayer's output, through views and constant scales, to its residual Add. */
export function residualAddOf(
  value: string,
  index: GraphIndex,
  constants: Constants,
): ResidualAdd | undefined {
  const join = residualJoinOf(value, index, constants);
  return join?.node.opType === 'Add' ? join : undefined;
}

/** The same, where the Add may be fused with the normalisation after it: its output is then the sum, if given. */
export function residualJoinOf(
  value: string,
  index: GraphIndex,
  constants: Constants,
): ResidualAdd | undefined {
  let current = value;
  for (let hops = 0; hops < 8; hops++) {
    const uses = index.usesOf(current).filter((u) => u.node.opType !== 'Shape');
    const add = uses.find(
      (u) => u.node.opType === 'Add' && u.input >= 0 && !constants.isConstant(u.node.inputs[1 - u.input]),
    );
    if (add) {
      const stream = beforeRounding(add.node.inputs[1 - add.input], index);
      return { node: add.node, stream, output: add.node.outputs[0] };
    }
    const fused = uses.find((u) => isSkipNorm(opOf(u.node)) && (u.input === 0 || u.input === 1));
    if (fused) {
      const { node, input } = fused;
      return {
        node,
        stream: beforeRounding(node.inputs[1 - input], index),
        output: node.outputs[3] || node.outputs[0],
      };
    }
    const pass = uses.find(
      (u) => u.input >= 0 && (passes(u.node.opType) || u.node.opType === 'Mul' || u.node.opType === 'Add'),
    );
    if (!pass) return undefined;
    current = pass.node.outputs[0];
  }
  return undefined;
}

/** Only the layout may change: convolutions stand between transpositions. */
function passes(op: string): boolean {
  return isView(op) || op === 'Transpose';
}

/** The linear map that a value is the output of, views, constant scales and a bias between. */
function linearBehind(
  value: string,
  index: GraphIndex,
  constants: Constants,
  linears: ReadonlyMap<NodeInfo, LinearMap>,
): LinearMap | undefined {
  let current = value;
  for (let hops = 0; hops < 8; hops++) {
    const node = index.producers.get(current);
    if (!node) return undefined;
    const linear = linears.get(node);
    if (linear) return linear.dataAxis === -1 ? linear : undefined;
    if (isView(node.opType)) {
      current = node.inputs[0];
    } else if (node.opType === 'Add' || node.opType === 'Mul') {
      const computed = node.inputs.filter((v) => !constants.isConstant(v));
      if (computed.length !== 1) return undefined;
      current = computed[0];
    } else {
      return undefined;
    }
  }
  return undefined;
}

function latest(values: readonly string[], index: GraphIndex): string {
  const rank = (v: string) => index.order(index.producers.get(v)!);
  return values.reduce((a, b) => (rank(b) > rank(a) ? b : a));
}
