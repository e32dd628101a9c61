/**
 * Cutting a graph into blocks that run one after the other.
 *
 * Why: onnxruntime runs a whole graph on every run. Cut where few values are live (after each FFN), the open model
 * becomes a session a block, made once; a variant then starts from a kept value of the original, just before the
 * first layer that it changes (design.md, The open model).
 *
 * Any cut of an execution order is sound: a block's inputs are the values that earlier blocks made and it reads.
 * Constants, and what is computed from constants alone, are repeated in every block that reads them.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { GraphIndex } from './index-graph.ts';

export interface BlockPlan {
  /** In execution order, with the repeated constant nodes. */
  readonly nodes: ReadonlySet<NodeInfo>;
  /** Graph inputs and values of earlier blocks that it reads. */
  readonly inputs: readonly string[];
  /** Values that later blocks read. */
  readonly crossing: readonly string[];
}

/**
 * @param cuts nodes after which a block ends, in any order
 */
export function planBlocks(index: GraphIndex, cuts: readonly NodeInfo[]): BlockPlan[] {
  const sorted = [...index.graph.nodes].sort((a, b) => index.order(a) - index.order(b));
  const constant = constantNodes(sorted, index);
  // A cut after the last node would leave a block with nothing to run.
  const final = sorted.findLast((n) => !constant.has(n));
  const last = final ? index.order(final) : 0;
  const ends = [...new Set(cuts.map((n) => index.order(n)))].filter((e) => e < last).sort((a, b) => a - b);
  const blockOf = new Map<NodeInfo, number>();
  let block = 0;
  sorted.forEach((node) => {
    while (block < ends.length && index.order(node) > ends[block]) block++;
    if (!constant.has(node)) blockOf.set(node, block);
  });
  const count = ends.length + 1;
  const nodes = Array.from({ length: count }, () => new Set<NodeInfo>());
  for (const [node, b] of blockOf) nodes[b].add(node);

  const inputs = nodes.map(() => new Set<string>());
  const crossing = nodes.map(() => new Set<string>());
  for (let b = 0; b < count; b++) {
    for (const node of [...nodes[b]]) {
      for (const value of readsOf(node, index)) {
        const producer = index.producers.get(value);
        if (!producer) {
          if (index.inputs.has(value) && !index.initializers.has(value)) inputs[b].add(value);
        } else if (constant.has(producer)) {
          repeatConstant(producer, nodes[b], index);
        } else {
          const from = blockOf.get(producer)!;
          if (from !== b) {
            inputs[b].add(value);
            crossing[from].add(value);
          }
        }
      }
    }
  }
  // A constant that is itself an output of the graph is made by the last block.
  for (const name of index.outputs) {
    const producer = index.producers.get(name);
    if (producer && constant.has(producer)) repeatConstant(producer, nodes[count - 1], index);
  }
  return nodes.map((set, b) => ({ nodes: set, inputs: [...inputs[b]], crossing: [...crossing[b]] }));
}

/** Nodes all of whose inputs are constants (a Constant node has none). Random operators are left out. */
function constantNodes(sorted: readonly NodeInfo[], index: GraphIndex): ReadonlySet<NodeInfo> {
  const constant = new Set<NodeInfo>();
  for (const node of sorted) {
    if (node.opType.startsWith('Random') || node.opType === 'Multinomial' || node.opType === 'Bernoulli')
      continue;
    const fixed = [...readsOf(node, index)].every((value) => {
      const producer = index.producers.get(value);
      return producer ? constant.has(producer) : index.initializers.has(value);
    });
    if (fixed) constant.add(node);
  }
  return constant;
}

function repeatConstant(node: NodeInfo, into: Set<NodeInfo>, index: GraphIndex): void {
  if (into.has(node)) return;
  into.add(node);
  for (const value of node.inputs) {
    const producer = index.producers.get(value);
    if (producer) repeatConstant(producer, into, index);
  }
}

/** Values that a node reads, those that its nested graphs capture too. */
function* readsOf(node: NodeInfo, index: GraphIndex): Iterable<string> {
  for (const value of node.inputs) if (value !== '') yield value;
  yield* index.capturesOf(node);
}
