/**
 * The main graph of a file as narrowing looks at it: who makes and reads each value, of what type it is, and the
 * values of scalar constants. What nested graphs read counts as read by the node that holds them.
 */
import { readFloats, readInts } from '../onnx/tensors.ts';
import type { GraphInfo, NodeInfo, OnnxModel, TensorInfo } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { valueTypes } from './value-types.ts';

export interface ValueGraph {
  readonly model: OnnxModel;
  readonly nodes: readonly NodeInfo[];
  /** All names, those inside of nested graphs too. */
  readonly names: ReadonlySet<string>;
  typeOf(name: string): number | undefined;
  isFloat(name: string): boolean;
  producerOf(name: string): NodeInfo | undefined;
  readersOf(name: string): readonly NodeInfo[];
  /** What a node reads, once each: its inputs, and what its nested graphs read from around them. */
  readBy(node: NodeInfo): readonly string[];
  isOutput(name: string): boolean;
  /** The tensor of an initializer or of a Constant node. */
  tensorOf(name: string): TensorInfo | undefined;
  /** The value of a constant of one element. */
  scalarOf(name: string): number | undefined;
}

/** Indexes the main graph and reads its scalars. @throws OnnxError where one of them cannot be read */
export async function valueGraph(model: OnnxModel): Promise<ValueGraph> {
  const { graph } = model;
  const types = valueTypes(model);
  const producers = new Map<string, NodeInfo>();
  const readers = new Map<string, NodeInfo[]>();
  const reads = new Map<NodeInfo, string[]>();
  const tensors = new Map(graph.initializers.map((t) => [t.name, t]));
  const names = namesIn(graph);
  for (const node of graph.nodes) {
    for (const name of node.outputs) if (name !== '') producers.set(name, node);
    const tensor = isConstant(node) ? node.attributes.get('value')?.t : undefined;
    if (tensor) tensors.set(node.outputs[0], tensor);
    const read = new Set(node.inputs.filter((v) => v !== ''));
    for (const { g } of node.attributes.values()) if (g) for (const name of capturedBy(g)) read.add(name);
    reads.set(node, [...read]);
    for (const name of read) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const scalars = new Map<string, number>();
  for (const [name, tensor] of tensors) {
    if (elementCount(tensor.dims) !== 1) continue;
    const value = await scalarIn(model, tensor);
    if (value !== undefined) scalars.set(name, value);
  }
  for (const node of graph.nodes) {
    const value = node.attributes.get('value_float')?.f ?? node.attributes.get('value_int')?.i;
    if (isConstant(node) && value !== undefined) scalars.set(node.outputs[0], value);
  }
  const outputs = new Set(graph.outputs.map((v) => v.name));
  return {
    model,
    nodes: graph.nodes,
    names,
    typeOf: (name) => types.get(name),
    isFloat: (name) => types.get(name) === DataType.float,
    producerOf: (name) => producers.get(name),
    readersOf: (name) => readers.get(name) ?? [],
    readBy: (node) => reads.get(node) ?? [],
    isOutput: (name) => outputs.has(name),
    tensorOf: (name) => tensors.get(name),
    scalarOf: (name) => scalars.get(name),
  };
}

export function isConstant({ opType, domain }: NodeInfo): boolean {
  return opType === 'Constant' && domain === '';
}

async function scalarIn(model: OnnxModel, tensor: TensorInfo): Promise<number | undefined> {
  if (tensor.dataType === DataType.float) return (await readFloats(model, tensor))[0];
  const isWhole = tensor.dataType === DataType.int64 || tensor.dataType === DataType.int32;
  return isWhole ? (await readInts(model, tensor))[0] : undefined;
}

/** Every name that a graph or a graph in it gives to a value. */
function namesIn(graph: GraphInfo, into = new Set<string>()): Set<string> {
  for (const { name } of [...graph.inputs, ...graph.initializers, ...graph.outputs]) into.add(name);
  for (const node of graph.nodes) {
    for (const name of [...node.inputs, ...node.outputs]) into.add(name);
    for (const { g } of node.attributes.values()) if (g) namesIn(g, into);
  }
  return into;
}

/** Names that a nested graph reads and does not define. */
function capturedBy(graph: GraphInfo): string[] {
  const own = new Set([...graph.inputs, ...graph.initializers].map((v) => v.name));
  for (const node of graph.nodes) for (const name of node.outputs) own.add(name);
  const read = graph.outputs.map((v) => v.name);
  for (const node of graph.nodes) {
    read.push(...node.inputs);
    for (const { g } of node.attributes.values()) if (g) read.push(...capturedBy(g));
  }
  return read.filter((name) => name !== '' && !own.has(name));
}
