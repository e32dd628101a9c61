/**
 * The open model: one rewritten graph that serves the original and every merged variant.
 *
 * Why: FFN weights become graph inputs (live weights) and the values to look at become graph outputs (taps), so
 * that one session scores any merge with no reload (design.md, The open model). Large constants stay in the file:
 * the session's protobuf refers to them as external data, one entry a tensor.
 *
 * Known limits: large tensors inside Constant nodes are copied into the session's protobuf.
 */
import type { ModelEdits, NewTensor, NodeInfo, OnnxModel, TensorInfo } from '../onnx/types.ts';
import { rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import type { FfnGroup, FfnSearch, FfnWeight } from './ffn.ts';
import { orphans } from './orphans.ts';

/** A weight that is fed on every run. */
export interface LiveInput {
  readonly groupId: string;
  readonly layer: number;
  readonly weight: FfnWeight;
  /** Name of the graph input. */
  readonly name: string;
}

export interface OpenGraph {
  readonly edits: ModelEdits;
  readonly live: readonly LiveInput[];
  /** Tensors that the session reads from the file, by made-up location. */
  readonly externals: readonly { readonly path: string; readonly tensor: TensorInfo }[];
}

/** Constants below this size stay in the protobuf: the runtime needs shapes and axes while it loads the graph. */
const SMALLEST_EXTERNAL = 2048;

/** The name of the graph input that feeds a weight. */
export function liveName(groupId: string, layer: number, role: string): string {
  return `layerfold/${groupId}/${layer}/${role}`;
}

/**
 * Plans the rewriting of a model.
 * @param groups whose weights become inputs
 * @param taps value names that become outputs (names that are outputs already are left out)
 */
export function planOpenGraph(
  model: OnnxModel,
  search: FfnSearch,
  groups: readonly FfnGroup[],
  taps: readonly string[],
): OpenGraph {
  const { index } = search;
  const live: LiveInput[] = [];
  const inputs = new Map<NodeInfo, string[]>();
  for (const group of groups) {
    for (const ffn of group.ffns) {
      for (const weight of ffn.weights) {
        const name = liveName(group.id, ffn.layer, weight.role);
        live.push({ groupId: group.id, layer: ffn.layer, weight, name });
        const renamed = inputs.get(weight.node) ?? [...weight.node.inputs];
        renamed[weight.input] = name;
        inputs.set(weight.node, renamed);
      }
    }
  }
  const gone = orphans(index, inputs);
  const nodes = new Map<NodeInfo, { inputs: readonly string[] } | 'drop'>();
  for (const [node, names] of inputs) nodes.set(node, { inputs: names });
  for (const node of gone.nodes) nodes.set(node, 'drop');

  const tensors = new Map<TensorInfo, NewTensor | 'drop'>();
  const externals: { path: string; tensor: TensorInfo }[] = [];
  for (const tensor of model.graph.initializers) {
    if (gone.initializers.has(tensor)) {
      tensors.set(tensor, 'drop');
      continue;
    }
    const length = rawByteLength(tensor.dataType, elementCount(tensor.dims));
    const inFile = tensor.storage.kind === 'raw' || tensor.storage.kind === 'external';
    if (!inFile || (length < SMALLEST_EXTERNAL && tensor.storage.kind === 'raw')) continue;
    const path = `tensor-${externals.length}`;
    externals.push({ path, tensor });
    tensors.set(tensor, {
      name: tensor.name,
      dataType: tensor.dataType,
      dims: tensor.dims,
      data: { location: path, offset: 0, length },
    });
  }
  const seen = new Set(index.outputs);
  const addOutputs = [];
  for (const name of taps) {
    if (seen.has(name)) continue;
    seen.add(name);
    const recorded = index.valueInfos.get(name);
    addOutputs.push({ name, elemType: recorded?.elemType ?? 1 });
  }
  return {
    edits: {
      tensors,
      nodes,
      addInputs: live.map((l) => ({
        name: l.name,
        elemType: l.weight.source.tensor.dataType,
        dims: l.weight.source.dims,
      })),
      addOutputs,
      dropInputs: new Set([...gone.initializers].map((t) => t.name).filter((n) => index.inputs.has(n))),
    },
    live,
    externals,
  };
}
