/**
 * What nothing reads any more once some nodes read other values.
 *
 * Why: a tensor may be shared by nodes that are not edited (an exporter deduplicates equal tensors), so it leaves
 * the file only when its last consumer is gone (design.md, “Weights are wherever exporters put them”).
 */
import type { NodeInfo, TensorInfo } from '../onnx/types.ts';
import type { GraphIndex } from './index-graph.ts';

export interface Orphans {
  readonly nodes: ReadonlySet<NodeInfo>;
  readonly initializers: ReadonlySet<TensorInfo>;
}

/** Only these leave with their last reader; anything else unread was unread before, and stays as it was. */
const DROPPABLE = new Set(['Constant', 'Identity', 'Transpose']);

/**
 * @param renamed new input names of the edited nodes
 * @returns constants, and the views of constants, that only the edited inputs read
 */
export function orphans(index: GraphIndex, renamed: ReadonlyMap<NodeInfo, readonly string[]>): Orphans {
  const nodes = new Set<NodeInfo>();
  const initializers = new Set<TensorInfo>();
  const readers = new Map<string, number>();
  const countOf = (value: string) => readers.get(value) ?? index.usesOf(value).length;
  const queue: string[] = [];
  const lose = (value: string) => {
    if (value === '') return;
    const left = countOf(value) - 1;
    readers.set(value, left);
    if (left === 0 && !index.outputs.has(value)) queue.push(value);
  };
  const gain = (value: string) => readers.set(value, countOf(value) + 1);
  for (const [node, names] of renamed) {
    names.forEach((name, i) => {
      if (name !== node.inputs[i]) gain(name);
    });
  }
  for (const [node, names] of renamed) {
    names.forEach((name, i) => {
      if (name !== node.inputs[i]) lose(node.inputs[i]);
    });
  }
  for (let head = 0; head < queue.length; head++) {
    const value = queue[head];
    if (countOf(value) > 0) continue;
    const initializer = index.initializers.get(value);
    if (initializer) {
      initializers.add(initializer);
      continue;
    }
    const node = index.producers.get(value);
    if (!node || nodes.has(node) || !DROPPABLE.has(node.opType)) continue;
    if (node.outputs.some((o) => countOf(o) > 0)) continue;
    nodes.add(node);
    for (const input of node.inputs) lose(input);
  }
  return { nodes, initializers };
}
