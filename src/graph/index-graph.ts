/**
 * Producer and consumer index of an ONNX graph.
 *
 * Why: FFN detection follows values from node to node; the file only lists nodes. The index also is where graph
 * nonsense is caught: a value made twice, a value that nothing makes, a cycle.
 *
 * Known limits: values that a nested graph (If, Loop) captures count as consumed by the node that holds it, but
 * nested graphs are not searched for FFNs.
 */
import type { GraphInfo, NodeInfo, TensorInfo, ValueInfo } from '../onnx/types.ts';
import { OnnxError } from '../onnx/types.ts';

/** One use of a value: the node, and which of its inputs; −1 for a capture by a nested graph. */
export interface Use {
  readonly node: NodeInfo;
  readonly input: number;
}

export interface GraphIndex {
  readonly graph: GraphInfo;
  readonly producers: ReadonlyMap<string, NodeInfo>;
  readonly initializers: ReadonlyMap<string, TensorInfo>;
  readonly inputs: ReadonlyMap<string, ValueInfo>;
  readonly outputs: ReadonlySet<string>;
  readonly valueInfos: ReadonlyMap<string, ValueInfo>;
  /** Every use of a value, in node order; empty where there is none. */
  usesOf(value: string): readonly Use[];
  /** Values of this graph that the nested graphs of a node read. */
  capturesOf(node: NodeInfo): Iterable<string>;
  /** Position of a node in an execution order (equals its index where the file is sorted, as ONNX demands). */
  order(node: NodeInfo): number;
}

const NO_USES: readonly Use[] = [];

/**
 * Builds the index.
 * @throws OnnxError `bad-reference` for a value made twice or made by nothing, `cycle` for a cyclic graph.
 */
export function indexGraph(graph: GraphInfo): GraphIndex {
  const producers = new Map<string, NodeInfo>();
  const uses = new Map<string, Use[]>();
  const initializers = new Map(graph.initializers.map((t) => [t.name, t]));
  const inputs = new Map(graph.inputs.map((v) => [v.name, v]));
  for (const node of graph.nodes) {
    for (const output of node.outputs) {
      if (output === '') continue;
      if (producers.has(output) || initializers.has(output) || inputs.has(output)) {
        throw new OnnxError(
          'bad-reference',
          `The value “${output}” is made more than once in the graph (second time by node ${node.index}, ${node.opType}). The file is damaged or was edited wrongly; export it again.`,
          node.field.start,
        );
      }
      producers.set(output, node);
    }
  }
  const addUse = (value: string, node: NodeInfo, input: number) => {
    const list = uses.get(value);
    if (list) list.push({ node, input });
    else uses.set(value, [{ node, input }]);
  };
  const known = (value: string) => producers.has(value) || initializers.has(value) || inputs.has(value);
  const captures = new Map<NodeInfo, readonly string[]>();
  for (const node of graph.nodes) {
    const captured = [...capturedValues(node)].filter(known);
    if (captured.length > 0) captures.set(node, captured);
    node.inputs.forEach((value, input) => {
      if (value === '') return;
      if (!known(value)) {
        throw new OnnxError(
          'bad-reference',
          `Node ${node.index} (${node.opType}) reads the value “${value}”, which nothing in the graph makes. The file is damaged or was cut wrongly; export it again.`,
          node.field.start,
        );
      }
      addUse(value, node, input);
    });
    for (const value of captured) addUse(value, node, -1);
  }
  for (const output of graph.outputs) {
    if (!known(output.name)) {
      throw new OnnxError(
        'bad-reference',
        `The graph output “${output.name}” is made by nothing in the graph. The file is damaged; export it again.`,
        output.field.start,
      );
    }
  }
  const rank = executionOrder(graph, producers, captures);
  return {
    graph,
    producers,
    initializers,
    inputs,
    outputs: new Set(graph.outputs.map((v) => v.name)),
    valueInfos: new Map(graph.valueInfos.map((v) => [v.name, v])),
    usesOf: (value) => uses.get(value) ?? NO_USES,
    capturesOf: (node) => captures.get(node) ?? [],
    order: (node) => rank[node.index],
  };
}

/**
 * The values that `from` are computed from, themselves first, the nearest first.
 * @param goesOn whether to look behind a value, which the node makes
 */
export function* valuesBehind(
  from: Iterable<string>,
  index: GraphIndex,
  goesOn: (value: string, node: NodeInfo) => boolean = () => true,
): Generator<string, void> {
  const seen = new Set(from);
  const queue = [...seen];
  for (let head = 0; head < queue.length; head++) {
    const value = queue[head];
    yield value;
    const node = index.producers.get(value);
    if (!node || !goesOn(value, node)) continue;
    for (const name of [...node.inputs, ...index.capturesOf(node)]) {
      if (name === '' || seen.has(name)) continue;
      seen.add(name);
      queue.push(name);
    }
  }
}

/** Names that nested graphs of a node read, less those that they make themselves. */
function capturedValues(node: NodeInfo): Set<string> {
  const captured = new Set<string>();
  const visit = (graph: GraphInfo, bound: ReadonlySet<string>) => {
    const local = new Set(bound);
    for (const v of graph.inputs) local.add(v.name);
    for (const t of graph.initializers) local.add(t.name);
    for (const n of graph.nodes) for (const o of n.outputs) local.add(o);
    for (const n of graph.nodes) {
      for (const i of n.inputs) if (i !== '' && !local.has(i)) captured.add(i);
      for (const a of n.attributes.values()) if (a.g) visit(a.g, local);
    }
    for (const o of graph.outputs) if (!local.has(o.name)) captured.add(o.name);
  };
  for (const a of node.attributes.values()) if (a.g) visit(a.g, new Set());
  return captured;
}

/** Rank of each node by index, by Kahn's algorithm over file order. Already sorted graphs keep their indices. */
function executionOrder(
  graph: GraphInfo,
  producers: ReadonlyMap<string, NodeInfo>,
  captures: ReadonlyMap<NodeInfo, readonly string[]>,
): Int32Array {
  const count = graph.nodes.length;
  const rank = new Int32Array(count);
  const dependencies = graph.nodes.map((node) => {
    const before = new Set<number>();
    for (const value of [...node.inputs, ...(captures.get(node) ?? [])]) {
      const producer = producers.get(value);
      if (producer) before.add(producer.index);
    }
    return before;
  });
  const sorted = dependencies.every((before, index) => [...before].every((b) => b < index));
  if (sorted) {
    for (let i = 0; i < count; i++) rank[i] = i;
    return rank;
  }
  const waiting = new Int32Array(count);
  const dependants: number[][] = Array.from({ length: count }, () => []);
  dependencies.forEach((before, index) => {
    waiting[index] = before.size;
    for (const b of before) dependants[b].push(index);
  });
  const ready = graph.nodes.filter((n) => waiting[n.index] === 0).map((n) => n.index);
  let next = 0;
  for (let head = 0; head < ready.length; head++) {
    rank[ready[head]] = next++;
    for (const d of dependants[ready[head]]) if (--waiting[d] === 0) ready.push(d);
  }
  if (next < count) {
    const stuck = graph.nodes.find((n) => waiting[n.index] > 0);
    throw new OnnxError(
      'cycle',
      `The graph has a cycle through node ${stuck?.index} (${stuck?.opType}), so it can never be run. The file is damaged; export it again.`,
      stuck?.field.start,
    );
  }
  return rank;
}
