/**
 * Edits of one file: inputs that nodes read instead, tensors with new contents, nodes that change a value behind the
 * one that makes it, and what then leaves with its last reader, in all graphs of the file.
 *
 * Why: a tensor may be read by branches, or by nodes that are not edited (an exporter deduplicates equal tensors), so
 * it leaves the file only when its last consumer is gone (design.md, “Weights are wherever exporters put them”).
 */
import { isConstantNode } from '../graph/orphans.ts';
import { type Definition, indexScopes, type ScopedIndex } from '../graph/scoped-index.ts';
import type {
  GraphInfo,
  ModelEdits,
  NewNode,
  NewTensor,
  NodeEdit,
  NodeInfo,
  OnnxModel,
  TensorInfo,
} from '../onnx/types.ts';

const indices = new WeakMap<OnnxModel, ScopedIndex>();

function indexOf(model: OnnxModel): ScopedIndex {
  const known = indices.get(model) ?? indexScopes(model);
  indices.set(model, known);
  return known;
}

const key = (node: NodeInfo, input: number, ids: Map<NodeInfo, number>) => {
  if (!ids.has(node)) ids.set(node, ids.size);
  return `${ids.get(node)}:${input}`;
};

/** A set of inputs of nodes. */
export class SiteSet {
  private readonly ids = new Map<NodeInfo, number>();
  private readonly keys = new Set<string>();

  add(node: NodeInfo, input: number): void {
    this.keys.add(key(node, input, this.ids));
  }

  has(node: NodeInfo, input: number): boolean {
    return this.keys.has(key(node, input, this.ids));
  }
}

/** Views of a constant, also of a quantized one. */
export function passesOn(node: NodeInfo): boolean {
  return isConstantNode(node) || node.opType === 'DequantizeLinear';
}

function resolveAt(index: ScopedIndex, node: NodeInfo, name: string): Definition | undefined {
  const graph = index.graphOf(node);
  return graph && index.resolve(graph, name);
}

/** The type that a Cast gives a constant on its way to where a node reads it; undefined where there is no Cast. */
export function castTo(model: OnnxModel, node: NodeInfo, name: string): number | undefined {
  const producer = resolveAt(indexOf(model), node, name)?.producer;
  if (!producer || !isConstantNode(producer) || producer.inputs.length === 0) return undefined;
  if (producer.opType === 'Cast') return producer.attributes.get('to')?.i;
  return castTo(model, producer, producer.inputs[0]);
}

export class FileEdits {
  readonly model: OnnxModel;
  private readonly index: ScopedIndex;
  private readonly renamed = new Map<NodeInfo, string[]>();
  private readonly tensors = new Map<TensorInfo, NewTensor>();
  private readonly added = new Map<string, NewTensor>();
  private readonly changed = new Map<NodeInfo, { outputs: string[]; after: NewNode[] }>();
  /** Names that were given out. */
  private readonly given = new Set<string>();

  constructor(model: OnnxModel) {
    this.model = model;
    this.index = indexOf(model);
  }

  /** Gives a node another value to read. */
  rename(node: NodeInfo, input: number, name: string): void {
    const names = this.renamed.get(node) ?? [...node.inputs];
    names[input] = name;
    this.renamed.set(node, names);
  }

  replace(tensor: TensorInfo, by: NewTensor): void {
    this.tensors.set(tensor, by);
  }

  /** A name that nothing in the file has, like the one wanted; it is taken from then on. */
  fresh(wanted: string): string {
    let name = wanted;
    for (let k = 2; this.given.has(name) || this.index.isTaken(name); k++) name = `${wanted}.${k}`;
    this.given.add(name);
    return name;
  }

  /** Adds an initializer under a name like the one wanted. @returns its name */
  add(wanted: string, tensor: Omit<NewTensor, 'name'>): string {
    const name = this.fresh(wanted);
    this.added.set(name, { ...tensor, name });
    return name;
  }

  /** Whether a node gives one of its outputs under another name already. */
  isChanged(node: NodeInfo, output: number): boolean {
    const names = this.changed.get(node)?.outputs;
    return names !== undefined && names[output] !== node.outputs[output];
  }

  /**
   * Gives an output of a node another name, and puts nodes behind it that make a value of the old name from it: all
   * that read it, graph outputs included, get that.
   */
  change(node: NodeInfo, output: number, raw: string, after: readonly NewNode[]): void {
    const known = this.changed.get(node) ?? { outputs: [...node.outputs], after: [] };
    known.outputs[output] = raw;
    known.after.push(...after);
    this.changed.set(node, known);
  }

  /** The definition of a value where a node stands. */
  resolve(node: NodeInfo, name: string): Definition | undefined {
    return resolveAt(this.index, node, name);
  }

  definitionIn(graph: GraphInfo, name: string): Definition | undefined {
    return this.index.resolve(graph, name);
  }

  /** Whether a value, through views of it, is read at these sites only. */
  leadsOnlyTo(value: Definition, sites: SiteSet): boolean {
    if (value.isOutput) return false;
    return value.uses.every(({ node, input }) => {
      if (sites.has(node, input)) return true;
      const made = passesOn(node) ? this.resolve(node, node.outputs[0]) : undefined;
      return made !== undefined && this.leadsOnlyTo(made, sites);
    });
  }

  /**
   * The edits, with what nobody reads any more dropped.
   * @param removable which nodes leave with their last reader; what was unread before stays as it was
   */
  finish(removable: (node: NodeInfo) => boolean = passesOn): ModelEdits {
    const gone = this.orphans(removable);
    const nodes = new Map<NodeInfo, NodeEdit | 'drop'>();
    for (const [node, inputs] of this.renamed) nodes.set(node, { inputs });
    for (const [node, made] of this.changed) nodes.set(node, { ...(nodes.get(node) as NodeEdit), ...made });
    for (const node of gone.nodes) nodes.set(node, 'drop');
    const tensors = new Map<TensorInfo, NewTensor | 'drop'>(this.tensors);
    for (const tensor of gone.tensors) tensors.set(tensor, 'drop');
    const { graph } = this.model;
    const inputs = new Set(graph.inputs.map((v) => v.name));
    // Before IR version 4 every initializer is an input of the graph too.
    const listed = graph.initializers.some((t) => inputs.has(t.name));
    const addInitializers = [...this.added.values()];
    return {
      nodes,
      tensors,
      addInitializers,
      addInputs: listed
        ? addInitializers.map(({ name, dataType, dims }) => ({ name, elemType: dataType, dims }))
        : [],
      dropInputs: new Set(
        graph.initializers.filter((t) => gone.tensors.has(t) && inputs.has(t.name)).map((t) => t.name),
      ),
    };
  }

  private orphans(removable: (node: NodeInfo) => boolean) {
    const nodes = new Set<NodeInfo>();
    const tensors = new Set<TensorInfo>();
    const counts = new Map<Definition, number>();
    const queue: Definition[] = [];
    const countOf = (d: Definition) => counts.get(d) ?? d.uses.length;
    const change = (node: NodeInfo, name: string, by: number) => {
      const value = name === '' ? undefined : this.resolve(node, name);
      if (!value) return;
      counts.set(value, countOf(value) + by);
      if (by < 0 && countOf(value) === 0 && !value.isOutput) queue.push(value);
    };
    const changed = [...this.renamed].flatMap(([node, names]) =>
      names.flatMap((name, i) => (name === node.inputs[i] ? [] : [{ node, from: node.inputs[i], to: name }])),
    );
    for (const { node, to } of changed) change(node, to, 1);
    for (const { node, from } of changed) change(node, from, -1);
    for (let head = 0; head < queue.length; head++) {
      const value = queue[head];
      if (countOf(value) > 0) continue;
      if (value.tensor) tensors.add(value.tensor);
      const node = value.producer;
      if (!node || nodes.has(node) || !removable(node)) continue;
      const outputs = node.outputs.map((name) => (name === '' ? undefined : this.resolve(node, name)));
      if (outputs.some((o) => o && (countOf(o) > 0 || o.isOutput))) continue;
      nodes.add(node);
      for (const name of this.renamed.get(node) ?? node.inputs) change(node, name, -1);
      for (const inner of nestedNodes(node)) for (const name of inner.inputs) change(inner, name, -1);
    }
    return { nodes, tensors };
  }
}

function* nestedNodes(node: NodeInfo): Generator<NodeInfo> {
  for (const { g } of node.attributes.values()) {
    for (const inner of g?.nodes ?? []) {
      yield inner;
      yield* nestedNodes(inner);
    }
  }
}
