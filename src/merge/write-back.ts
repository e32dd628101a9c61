/**
 * Writes merged FFNs into a model's file: one stored copy that all layers of the window read (tying).
 *
 * Why: a saving is real only when the file holds the weights once. The window's first layer keeps its tensors, with
 * new values; the others read its names; what nothing reads any more leaves the file.
 *
 * Known limits: a saving in the file is not a saving in memory, since runtimes may copy tied tensors.
 */
import type { FfnGroup, FfnSearch, FfnWeight, WeightRole } from '../graph/ffn.ts';
import { asInputs, orphans } from '../graph/orphans.ts';
import type { ModelEdits, NewTensor, NodeInfo, TensorInfo } from '../onnx/types.ts';
import { isFloatType, rawByteLength } from '../tensor/dtype.ts';
import { transpose } from '../tensor/matrix.ts';
import { elementCount } from '../tensor/shape.ts';

/** One merged FFN: the layers that share it. */
export interface TiedFfn {
  readonly group: FfnGroup;
  /** Two or more, execution order. */
  readonly layers: readonly number[];
  /** Values in the shape that the nodes see; absent while only the saving is asked for. */
  readonly values?: ReadonlyMap<WeightRole, Float32Array>;
}

export interface WriteBack {
  readonly edits: ModelEdits;
  /** Elements of the floating-point tensors (rank ≥ 1) that leave, less those that come. */
  readonly parametersSaved: number;
}

/**
 * Plans the edits that tie each FFN of `tied`.
 * Without `values` the tensors keep their contents, which is enough to compute sizes.
 */
export function tieFfns(search: FfnSearch, tied: readonly TiedFfn[]): WriteBack {
  const { index } = search;
  const renamed = new Map<NodeInfo, string[]>();
  const tensors = new Map<TensorInfo, NewTensor | 'drop'>();
  const addInitializers: NewTensor[] = [];
  const rename = (weight: FfnWeight, name: string) => {
    const names = renamed.get(weight.node) ?? [...weight.node.inputs];
    names[weight.input] = name;
    renamed.set(weight.node, names);
  };

  for (const { group, layers, values } of tied) {
    const ffns = layers.map((l) => group.ffns[l]);
    for (const anchor of ffns[0].weights) {
      const members = ffns.map((f) => f.weights.find((w) => w.role === anchor.role)!);
      const value = values?.get(anchor.role);
      const { tensor, transposed, dims } = anchor.source;
      const mine = new Set(members.map((m) => `${m.node.index}:${m.input}`));
      const anchorValue = anchor.node.inputs[anchor.input];
      if (readOnlyBy(search, anchorValue, mine)) {
        for (const member of members.slice(1)) rename(member, anchorValue);
        if (value)
          tensors.set(
            tensor,
            newTensor(
              tensor.name,
              tensor,
              transposed ? transpose(value, dims[0], dims[1]) : value,
              tensor.dims,
            ),
          );
        continue;
      }
      // The exporter shares the anchor's tensor with other layers: those keep it, the window gets its own.
      const name = uniqueName(search, `layerfold.${group.id}.${layers[0]}-${layers.at(-1)}.${anchor.role}`);
      for (const member of members) rename(member, name);
      const contents = value ?? new Float32Array(elementCount(anchor.source.dims));
      addInitializers.push(newTensor(name, tensor, contents, anchor.source.dims));
    }
  }

  const gone = orphans(index, renamed);
  const nodes = new Map<NodeInfo, { inputs: readonly string[] } | 'drop'>();
  for (const [node, inputs] of renamed) nodes.set(node, { inputs });
  for (const node of gone.nodes) nodes.set(node, 'drop');
  for (const tensor of gone.initializers) tensors.set(tensor, 'drop');
  const edits = {
    tensors,
    nodes,
    addInitializers,
    addInputs: asInputs(search.index, addInitializers),
    dropInputs: new Set([...gone.initializers].map((t) => t.name).filter((n) => index.inputs.has(n))),
  };
  return { edits, parametersSaved: parametersRemoved(edits) };
}

/** Elements of the floating-point tensors (rank ≥ 1) that edits take out of a model, less those that they add. */
export function parametersRemoved({ tensors, nodes, addInitializers }: ModelEdits): number {
  let removed = 0;
  const count = (t: Pick<TensorInfo, 'dataType' | 'dims'> | undefined, sign: number) => {
    if (t && isFloatType(t.dataType) && t.dims.length > 0) removed += sign * elementCount(t.dims);
  };
  for (const [node, edit] of nodes ?? []) {
    if (edit === 'drop') count(node.attributes.get('value')?.t, 1);
  }
  for (const [tensor, edit] of tensors ?? []) if (edit === 'drop') count(tensor, 1);
  for (const tensor of addInitializers ?? []) count(tensor, -1);
  return removed;
}

/** Whether every use of a value, and of the tensor behind it, is one of `mine` (`node:input`). */
function readOnlyBy(search: FfnSearch, value: string, mine: ReadonlySet<string>): boolean {
  const { index } = search;
  if (index.outputs.has(value)) return false;
  if (!index.usesOf(value).every((u) => mine.has(`${u.node.index}:${u.input}`))) return false;
  const producer = index.producers.get(value);
  if (!producer || producer.opType === 'Constant') return true;
  // Behind Identity or Transpose: the stored tensor must not be read in another way.
  return (
    index.usesOf(producer.inputs[0]).length === 1 &&
    readOnlyBy(search, producer.inputs[0], new Set([`${producer.index}:0`]))
  );
}

function newTensor(name: string, like: TensorInfo, values: Float32Array, dims: readonly number[]): NewTensor {
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (data.byteLength !== rawByteLength(like.dataType, elementCount(dims))) {
    throw new RangeError(`The merged values of “${name}” do not fit its shape.`);
  }
  return { name, dataType: like.dataType, dims, data };
}

function uniqueName(search: FfnSearch, wanted: string): string {
  const { producers, initializers, inputs } = search.index;
  let name = wanted;
  for (let k = 2; producers.has(name) || initializers.has(name) || inputs.has(name); k++)
    name = `${wanted}.${k}`;
  return name;
}
