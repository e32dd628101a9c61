/**
 * Decides which nodes of a file compute in float16, in which type each float value is made, and in which types it is
 * read: the plan that narrow.ts carries out.
 */
import type { NodeInfo, TensorInfo } from '../onnx/types.ts';
import { DataType, rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { guardedNodes, MOVES } from './half-guards.ts';
import { halfFormOf, reasonFor } from './half-operators.ts';
import { isConstant, type ValueGraph, valueGraph } from './value-graph.ts';
import { calledBy } from './value-types.ts';

/** How a float32 value of the file stands in the narrowed one. */
export interface FloatValue {
  /** Its type where it is made; the other one, if it is read, comes of a Cast. */
  readonly made: 'half' | 'float';
  /** Its names as float16 and float32; undefined where nobody reads it so. */
  readonly half?: string;
  readonly float?: string;
  /** A small constant that is read as both is stored as both, so that neither is rounded twice. */
  readonly storedTwice?: boolean;
}

export interface HalfPlan {
  readonly graph: ValueGraph;
  isHalf(node: NodeInfo): boolean;
  /** The float32 values of the main graph. */
  readonly values: ReadonlyMap<string, FloatValue>;
  /** The name under which a node reads or makes a float value. */
  nameFor(node: NodeInfo, name: string): string;
  /** Sentences: what stays in float32, and why. */
  readonly blocked: readonly string[];
}

/** Constants below this many bytes may be stored in both types. */
const SMALL = 1024;

/** Operators that make a float where there was none: they make what is asked for. */
function isSource(node: NodeInfo): boolean {
  const { opType, domain, attributes } = node;
  if (domain !== '') return false;
  return opType === 'Cast' || (opType === 'ConstantOfShape' && attributes.has('value'));
}

/** Operators that do not care in which type they read. A Cast to float that reads a float only passes it on. */
function takesBoth({ opType, domain, attributes }: NodeInfo): boolean {
  if (domain !== '') return false;
  if (opType === 'Cast') return attributes.get('to')?.i !== DataType.float;
  return opType === 'Shape' || opType === 'Size';
}

/** @throws OnnxError where a scalar constant cannot be read */
export async function planHalf(model: ValueGraph['model']): Promise<HalfPlan> {
  const graph = await valueGraph(model);
  const reasons = new Map<NodeInfo, string>();
  const half = halfNodes(graph, reasons);
  const planned = new Map<string, FloatValue>();
  const names = new Set(graph.names);
  const fresh = (wanted: string) => {
    let name = wanted;
    for (let k = 2; names.has(name); k++) name = `${wanted}.${k}`;
    names.add(name);
    return name;
  };
  const isHalf = (node: NodeInfo) => half.has(node);
  const formOf = (node: NodeInfo) => halfFormOf(node, model.opsets.get('') ?? 0);
  for (const name of valuesOf(graph)) {
    if (!graph.isFloat(name)) continue;
    const readers = graph.readersOf(name);
    const asHalf = (n: NodeInfo) => isHalf(n) && !formOf(n)?.floatInputs.some((i) => n.inputs[i] === name);
    const wantsHalf = readers.some((n) => !takesBoth(n) && asHalf(n));
    const wantsFloat = graph.isOutput(name) || readers.some((n) => !takesBoth(n) && !asHalf(n));
    planned.set(name, planValue(graph, name, { wantsHalf, wantsFloat }, half, fresh));
  }
  const nameFor = (node: NodeInfo, name: string): string => {
    const value = planned.get(name);
    if (!value) return name;
    const isMade = node.outputs.includes(name);
    const { float = name, half: narrow = name } = value;
    if (isMade || takesBoth(node)) return value.made === 'half' ? narrow : float;
    return isHalf(node) && !formOf(node)?.floatInputs.some((i) => node.inputs[i] === name) ? narrow : float;
  };
  return { graph, isHalf, values: planned, nameFor, blocked: sentences(reasons) };
}

function* valuesOf({ model }: ValueGraph): Generator<string> {
  const seen = new Set<string>();
  const once = function* (names: Iterable<string>) {
    for (const name of names) {
      if (name !== '' && !seen.has(name)) yield name;
      seen.add(name);
    }
  };
  const { initializers, inputs, nodes } = model.graph;
  yield* once(initializers.map((t) => t.name));
  yield* once(inputs.map((v) => v.name));
  for (const node of nodes) yield* once(node.outputs);
}

function planValue(
  graph: ValueGraph,
  name: string,
  { wantsHalf, wantsFloat }: { wantsHalf: boolean; wantsFloat: boolean },
  half: ReadonlySet<NodeInfo>,
  fresh: (wanted: string) => string,
): FloatValue {
  const node = graph.producerOf(name);
  const tensor = graph.tensorOf(name);
  const isStored = tensor !== undefined || (node !== undefined && isConstant(node));
  if (isStored) {
    // Weights that nested graphs and functions read are stored in float16 and widened outside of them.
    const isLargeInside = tensor !== undefined && bytesOf(tensor) >= SMALL && isReadInside(graph, name);
    if (!wantsHalf && !isLargeInside) return { made: 'float', float: name };
    if (!wantsFloat) return { made: 'half', half: name };
    const isSmall = !tensor || bytesOf(tensor) < SMALL;
    if (isSmall || graph.isOutput(name)) {
      return { made: 'float', float: name, half: fresh(`${name}/float16`), storedTwice: true };
    }
    return { made: 'half', half: name, float: fresh(`${name}/float32`) };
  }
  const isMadeHalf = node !== undefined && half.has(node) && !isFloatResult(graph, node, name);
  if (!isMadeHalf) {
    return { made: 'float', float: name, ...(wantsHalf && { half: fresh(`${name}/float16`) }) };
  }
  if (graph.isOutput(name)) return { made: 'half', half: fresh(`${name}/float16`), float: name };
  return { made: 'half', half: name, ...(wantsFloat && { float: fresh(`${name}/float32`) }) };
}

function isReadInside(graph: ValueGraph, name: string): boolean {
  return graph
    .readersOf(name)
    .some((n) => calledBy(graph.model, n) || [...n.attributes.values()].some((a) => a.g));
}

/** A result that is float32 in the operator's float16 form too. */
function isFloatResult({ model }: ValueGraph, node: NodeInfo, name: string): boolean {
  const form = halfFormOf(node, model.opsets.get('') ?? 0);
  return form?.results[node.outputs.indexOf(name)] === DataType.float;
}

function bytesOf(tensor: TensorInfo): number {
  return rawByteLength(tensor.dataType, elementCount(tensor.dims));
}

/** The nodes that compute in float16. @param reasons why others with floats do not, to be filled in */
function halfNodes(graph: ValueGraph, reasons: Map<NodeInfo, string>): Set<NodeInfo> {
  const guarded = guardedNodes(graph);
  const half = new Set<NodeInfo>();
  const movable: NodeInfo[] = [];
  for (const node of graph.nodes) {
    const floats = [...graph.readBy(node), ...node.outputs].some((v) => graph.isFloat(v));
    if (!floats || isConstant(node)) continue;
    const reason = guarded.get(node) ?? whyFloat(graph, node);
    if (reason !== undefined) {
      reasons.set(node, reason);
      continue;
    }
    if (takesBoth(node) && !node.outputs.some((v) => graph.isFloat(v))) continue;
    half.add(node);
    if (isSource(node) || (node.domain === '' && MOVES.has(node.opType))) movable.push(node);
  }
  // What only passes values on to float32 need not narrow them.
  const isRead = (node: NodeInfo) =>
    node.outputs.some((v) => graph.readersOf(v).some((r) => half.has(r) && !takesBoth(r))) ||
    node.outputs.every((v) => !graph.isFloat(v));
  for (let before = -1; before !== half.size; ) {
    before = half.size;
    for (const node of [...movable].reverse()) if (!isRead(node)) half.delete(node);
  }
  return half;
}

function whyFloat(graph: ValueGraph, node: NodeInfo): string | undefined {
  const { model } = graph;
  if (calledBy(model, node)) return 'functions of the model stay as they are, with what they read';
  if ([...node.attributes.values()].some((a) => a.g)) return reasonFor(node);
  if (takesBoth(node) || isSource(node)) return undefined;
  if (!halfFormOf(node, model.opsets.get('') ?? 0)) return reasonFor(node);
  const unknown = graph.readBy(node).find((v) => graph.typeOf(v) === undefined);
  if (unknown !== undefined) return `the type of what it reads (“${unknown}”) is not recorded`;
  return undefined;
}

/** One sentence for each operator and reason. */
function sentences(reasons: ReadonlyMap<NodeInfo, string>): string[] {
  const counts = new Map<string, { operators: Map<string, number>; reason: string }>();
  for (const [{ opType }, reason] of reasons) {
    const { operators } = counts.get(reason) ?? { operators: new Map<string, number>() };
    operators.set(opType, (operators.get(opType) ?? 0) + 1);
    counts.set(reason, { operators, reason });
  }
  return [...counts.values()].map(({ operators, reason }) => {
    const listed = [...operators].map(([op, n]) => (n === 1 ? op : `${n} ${op}`)).join(', ');
    return `${listed} stay${operators.size === 1 && [...operators.values()][0] === 1 ? 's' : ''} in float32: ${reason}.`;
  });
}
