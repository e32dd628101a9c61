/**
 * Definitions and uses of the values of a file in all of its graphs, nested ones included.
 *
 * Why: a branch of an If reads tensors of the graph around it, so that what a tensor is still needed for can only be
 * told by looking into all of them. The flat index (index-graph.ts) knows such reads as captures of the node only.
 *
 * Known limits: bodies of functions are not looked into: they read nothing from outside but their inputs.
 */
import type { GraphInfo, NodeInfo, OnnxModel, TensorInfo } from '../onnx/types.ts';

export interface ScopedUse {
  readonly node: NodeInfo;
  readonly input: number;
}

/** A value where it is defined: by an initializer, a node, or as an input of its graph. */
export interface Definition {
  readonly graph: GraphInfo;
  readonly name: string;
  readonly tensor?: TensorInfo;
  readonly producer?: NodeInfo;
  readonly uses: readonly ScopedUse[];
  /** Whether a graph gives it out. */
  readonly isOutput: boolean;
}

interface Draft extends Definition {
  readonly uses: ScopedUse[];
  isOutput: boolean;
}

export interface ScopedIndex {
  /** The definition that a name has in a graph, looked up outwards. */
  resolve(graph: GraphInfo, name: string): Definition | undefined;
  /** The graph that a node stands in; undefined for nodes of functions. */
  graphOf(node: NodeInfo): GraphInfo | undefined;
  /** Whether a value of any of the graphs has a name. */
  isTaken(name: string): boolean;
}

/** Indexes all graphs of a model. */
export function indexScopes(model: OnnxModel): ScopedIndex {
  const definitions = new Map<GraphInfo, Map<string, Draft>>();
  const around = new Map<GraphInfo, GraphInfo>();
  const graphOf = new Map<NodeInfo, GraphInfo>();
  const names = new Set<string>();
  const resolve = (graph: GraphInfo, name: string): Draft | undefined => {
    for (let at: GraphInfo | undefined = graph; at; at = around.get(at)) {
      const found = definitions.get(at)?.get(name);
      if (found) return found;
    }
    return undefined;
  };
  const define = (graph: GraphInfo): void => {
    const mine = new Map<string, Draft>();
    definitions.set(graph, mine);
    const add = (name: string, more: Pick<Definition, 'tensor' | 'producer'>) => {
      names.add(name);
      mine.set(name, { graph, name, uses: [], isOutput: false, ...mine.get(name), ...more });
    };
    for (const { name } of graph.inputs) add(name, {});
    for (const tensor of graph.initializers) add(tensor.name, { tensor });
    for (const node of graph.nodes) {
      graphOf.set(node, graph);
      for (const name of node.outputs) if (name !== '') add(name, { producer: node });
      for (const { g } of node.attributes.values()) {
        if (!g) continue;
        around.set(g, graph);
        define(g);
      }
    }
  };
  define(model.graph);
  for (const graph of definitions.keys()) {
    for (const node of graph.nodes) {
      node.inputs.forEach((name, input) => {
        if (name !== '') resolve(graph, name)?.uses.push({ node, input });
      });
    }
    for (const { name } of graph.outputs) {
      const given = resolve(graph, name);
      if (given) given.isOutput = true;
    }
  }
  return { resolve, graphOf: (node) => graphOf.get(node), isTaken: (name) => names.has(name) };
}
