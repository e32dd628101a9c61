/**
 * What of a graph depends on live weights, and what that part reads from the rest.
 *
 * Why: only nodes that live weights reach need a gradient. All before them (embeddings, masks, positions, the layers
 * before the first tied one, an encoder under a tied decoder) is computed by the runtime and handed over: once where
 * it depends on shapes alone, anew for each batch where it depends on what is fed.
 *
 * Known limits: nested graphs that read active values are refused (the flat model has none).
 */
import type { GraphIndex } from '../graph/index-graph.ts';
import { isShapeOnly, opOf } from '../graph/operators.ts';
import type { NodeInfo } from '../onnx/types.ts';

/** `fixed`: the same for all feeds of a shape; `fed`: not. */
export type FrontierKind = 'fixed' | 'fed';

export interface Dependence {
  /** Nodes between live weights and the output, in execution order. */
  readonly active: readonly NodeInfo[];
  /** Values, made by other nodes or fed to the graph, that active nodes read; initializers are left out. */
  readonly frontier: ReadonlyMap<string, FrontierKind>;
}

/**
 * @param live nodes that read live weights
 * @param output the value that a loss is taken of
 * @throws RangeError where the output does not depend on the live weights
 */
export function dependence(index: GraphIndex, live: ReadonlySet<NodeInfo>, output: string): Dependence {
  const sorted = [...index.graph.nodes].sort((a, b) => index.order(a) - index.order(b));
  const reached = new Set<string>();
  const fed = new Set<string>();
  for (const name of index.inputs.keys()) if (!index.initializers.has(name)) fed.add(name);
  const active = new Set<NodeInfo>();
  for (const node of sorted) {
    const reads = [...node.inputs, ...index.capturesOf(node)];
    // A shape is the same whatever the values are.
    if (isShapeOnly(opOf(node))) continue;
    if (live.has(node) || reads.some((name) => reached.has(name))) {
      active.add(node);
      for (const name of node.outputs) reached.add(name);
    }
    if (reads.some((name) => fed.has(name)) || isRandom(node)) for (const name of node.outputs) fed.add(name);
  }
  if (!reached.has(output)) {
    throw new RangeError(
      `The output “${output}” does not depend on the merged layers, so there is nothing to tune.`,
    );
  }
  const needed = behind(index, active, output);
  const frontier = new Map<string, FrontierKind>();
  for (const node of needed) {
    for (const name of [...node.inputs, ...index.capturesOf(node)]) {
      if (name === '' || reached.has(name) || index.initializers.has(name)) continue;
      frontier.set(name, fed.has(name) ? 'fed' : 'fixed');
    }
  }
  return { active: sorted.filter((n) => needed.has(n)), frontier };
}

/** Active nodes that the output needs. */
function behind(index: GraphIndex, active: ReadonlySet<NodeInfo>, output: string): ReadonlySet<NodeInfo> {
  const needed = new Set<NodeInfo>();
  const queue = [output];
  for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
    const node = index.producers.get(value);
    if (!node || !active.has(node) || needed.has(node)) continue;
    needed.add(node);
    queue.push(...node.inputs, ...index.capturesOf(node));
  }
  return needed;
}

function isRandom({ opType }: NodeInfo): boolean {
  return opType.startsWith('Random') || opType === 'Multinomial' || opType === 'Bernoulli';
}
