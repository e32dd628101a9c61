/**
 * What nothing reads any more once some nodes read other values.
 *
 * Why: a tensor may be shared by nodes that are not edited (an exporter deduplicates equal tensors), so it leaves
 * the file only when its last consumer is gone (design.md, “Weights are wherever exporters put them”).
 */
import type { GraphInfo, NodeInfo, TensorInfo } from '../onnx/types.ts';
import type { GraphIndex } from './index-graph.ts';

export interface Orphans {
  readonly nodes: ReadonlySet<NodeInfo>;
  readonly initializers: ReadonlySet<TensorInfo>;
}

const CONSTANT = new Set(['Constant', 'Identity', 'Transpose', 'Cast']);
/** Domains whose operators only compute; what a custom operator does cannot be known. */
const KNOWN_DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']);
const RANDOM = new Set([
  'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Multinomial', 'Bernoulli',
]); // biome-ignore format: a list reads best packed

/** Constants, and the views of constants. */
export function isConstantNode({ opType }: NodeInfo): boolean {
  return CONSTANT.has(opType);
}

/**
 * Whether a node does nothing but compute its outputs, so that it can go when nobody reads them. Random operators
 * share a generator, and those of unknown domains may do anything.
 */
export function isPure({ opType, domain, attributes, inputs }: NodeInfo): boolean {
  if (!KNOWN_DOMAINS.has(domain) || RANDOM.has(opType)) return false;
  // A Dropout with a training-mode input may draw random numbers.
  if (opType === 'Dropout' && (inputs[2] ?? '') !== '') return false;
  const graphs: GraphInfo[] = [...attributes.values()].flatMap((a) => (a.g ? [a.g] : []));
  return graphs.every((g) => g.nodes.every(isPure));
}

/**
 * @param renamed new input names of the edited nodes
 * @param removable which nodes leave with their last reader; what was unread before stays as it was
 * @returns what only the edited inputs read: initializers, removable nodes, and all that only those read
 */
export function orphans(
  index: GraphIndex,
  renamed: ReadonlyMap<NodeInfo, readonly string[]>,
  removable: (node: NodeInfo) => boolean = isConstantNode,
): Orphans {
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
    if (!node || nodes.has(node) || !removable(node)) continue;
    if (node.outputs.some((o) => o !== '' && (countOf(o) > 0 || index.outputs.has(o)))) continue;
    nodes.add(node);
    for (const input of renamed.get(node) ?? node.inputs) lose(input);
    for (const captured of index.capturesOf(node)) lose(captured);
  }
  return { nodes, initializers };
}
