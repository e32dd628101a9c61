/**
 * Leaving parts of a graph out: who read one value reads another, and what is dead then leaves.
 *
 * Why: dropping an FFN or a layer means that the residual stream after it is the stream before it. In a file that is
 * other input names and no new node; attention, norms and constants that only the dropped part used go with it.
 */
import type { NewTensor, NodeInfo } from '../onnx/types.ts';
import { DataType, rawByteLength } from '../tensor/dtype.ts';
import { elementTypes } from './element-types.ts';
import type { GraphIndex } from './index-graph.ts';

/** Whether all readers of a value can be given another one: outputs of the model and nested graphs cannot. */
export function isMovable(index: GraphIndex, value: string): boolean {
  return !index.outputs.has(value) && index.usesOf(value).every((use) => use.input >= 0);
}

/** Other input names for nodes, and tensors that they need. */
export interface Rerouting {
  readonly renamed: ReadonlyMap<NodeInfo, readonly string[]>;
  readonly zeros: readonly NewTensor[];
}

/**
 * What gives the readers of each key its value; values may be keys themselves (adjacent layers).
 * A key that cannot be moved must be made by an Add: that then adds zero to the value.
 * @throws RangeError where a key cannot be moved and is made otherwise
 */
export function reroute(index: GraphIndex, moves: ReadonlyMap<string, string>): Rerouting {
  const target = (name: string): string => {
    const to = moves.get(name);
    return to === undefined ? name : target(to);
  };
  const renamed = new Map<NodeInfo, string[]>();
  const inputsOf = (node: NodeInfo) => {
    const names = renamed.get(node) ?? [...node.inputs];
    renamed.set(node, names);
    return names;
  };
  const zeros = new Map<number, NewTensor>();
  const types = elementTypes(index);
  for (const value of moves.keys()) {
    for (const { node, input } of index.usesOf(value)) if (input >= 0) inputsOf(node)[input] = target(value);
  }
  for (const value of moves.keys()) {
    if (isMovable(index, value)) continue;
    const node = index.producers.get(value);
    if (node?.opType !== 'Add') {
      throw new RangeError(
        `The value “${value}” is an output of the model or of a nested graph and must stay.`,
      );
    }
    const dataType = types.get(value) ?? DataType.float;
    const zero = zeros.get(dataType) ?? zeroTensor(index, dataType);
    zeros.set(dataType, zero);
    inputsOf(node).splice(0, 2, target(value), zero.name);
  }
  return { renamed, zeros: [...zeros.values()] };
}

/** A scalar zero: all bits zero in every number type. */
function zeroTensor(index: GraphIndex, dataType: number): NewTensor {
  const taken = (name: string) =>
    index.producers.has(name) || index.initializers.has(name) || index.inputs.has(name);
  let name = `layerfold.zero.${dataType}`;
  for (let k = 2; taken(name); k++) name = `layerfold.zero.${dataType}.${k}`;
  return { name, dataType, dims: [], data: new Uint8Array(rawByteLength(dataType, 1)) };
}
