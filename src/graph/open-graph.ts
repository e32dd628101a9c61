/**
 * The open model: the graph rewritten and cut into blocks that serve the original and every merged variant.
 *
 * Why: FFN weights become inputs (live weights) and the values to look at become outputs (taps), so that sessions made
 * once score any merge with no reload; blocks let a variant start from a kept value of the original (design.md, The
 * open model). Large constants stay in the file: the sessions refer to them as external data, one entry a tensor.
 *
 * Known limits: large tensors inside Constant nodes are copied into a session's protobuf.
 */
import type {
  ModelEdits,
  NewNode,
  NewTensor,
  NodeEdit,
  NodeInfo,
  OnnxModel,
  TensorInfo,
} from '../onnx/types.ts';
import { DataType, rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { type BlockPlan, planBlocks } from './blocks.ts';
import { elementTypes } from './element-types.ts';
import type { FfnGroup, FfnSearch, FfnWeight } from './ffn.ts';
import { layerSpans } from './layers.ts';
import { orphans } from './orphans.ts';

/** A weight that is fed on every run. */
export interface LiveInput {
  readonly groupId: string;
  readonly layer: number;
  readonly weight: FfnWeight;
  /** Name of the graph input. */
  readonly name: string;
}

/** A bias that the file does not have, as a graph input: the value's node gives it on under another name. */
export interface LiveShift {
  /** Name of the graph input; `liveName(groupId, layer, shiftRole(place))`. */
  readonly name: string;
  /** The value that it is added to. */
  readonly value: string;
  readonly dims: readonly number[];
}

/** One block: a model of its own. */
export interface OpenBlock {
  readonly edits: ModelEdits;
  readonly live: readonly LiveInput[];
  readonly shifts: readonly LiveShift[];
  /** Graph inputs of the original and values of earlier blocks that it reads. */
  readonly inputs: readonly string[];
  /** Values that later blocks read. */
  readonly crossing: readonly string[];
  /** Everything that it gives out: crossing values, taps, outputs of the original. */
  readonly outputs: readonly string[];
  /** Tensors that the session reads from the file, by made-up location. */
  readonly externals: readonly { readonly path: string; readonly tensor: TensorInfo }[];
}

/** Constants below this size stay in the protobuf: the runtime needs shapes and axes while it loads the graph. */
const SMALLEST_EXTERNAL = 2048;

/** The name of the graph input that feeds a weight. */
export function liveName(groupId: string, layer: number, role: string): string {
  return `layerfold/${groupId}/${layer}/${role}`;
}

/** The name of a value before its live shift is added. */
function unshifted(value: string): string {
  return `layerfold/unshifted/${value}`;
}

/**
 * Plans the blocks of a model, in the order in which they run.
 * @param groups whose weights become inputs; the graph is cut at the ends of their layers
 * @param taps value names that become outputs
 * @param shifts biases that are added to values; zeros leave them what they are
 */
export function planOpenGraph(
  model: OnnxModel,
  search: FfnSearch,
  groups: readonly FfnGroup[],
  taps: readonly string[],
  shifts: readonly LiveShift[] = [],
): OpenBlock[] {
  const { index } = search;
  const live: LiveInput[] = [];
  const renamed = new Map<NodeInfo, string[]>();
  for (const group of groups) {
    for (const ffn of group.ffns) {
      for (const weight of ffn.weights) {
        const name = liveName(group.id, ffn.layer, weight.role);
        live.push({ groupId: group.id, layer: ffn.layer, weight, name });
        const names = renamed.get(weight.node) ?? [...weight.node.inputs];
        names[weight.input] = name;
        renamed.set(weight.node, names);
      }
    }
  }
  const gone = orphans(index, renamed);
  const types = elementTypes(index);
  const wanted = new Set(taps);
  const shifted = new Map(shifts.map((s) => [s.value, s]));
  return planBlocks(index, cutNodes(search, groups)).map((block) => {
    const nodes = new Set([...block.nodes].filter((n) => !gone.nodes.has(n)));
    return openBlock(model, search, { ...block, nodes }, { renamed, live, shifted, taps: wanted, types });
  });
}

/** The nodes after which a layer begins or ends. */
function cutNodes(search: FfnSearch, groups: readonly FfnGroup[]): NodeInfo[] {
  const { producers } = search.index;
  const cuts = new Set<NodeInfo>();
  const cutAfter = (value: string | undefined) => {
    const node = value === undefined ? undefined : producers.get(value);
    if (node) cuts.add(node);
  };
  for (const group of groups) {
    const spans = layerSpans(group, search);
    group.ffns.forEach((ffn, i) => {
      cutAfter(spans[i]?.input);
      cutAfter(spans[i]?.output ?? ffn.residual?.output ?? ffn.output);
    });
  }
  return [...cuts];
}

/** What holds for all blocks. */
interface Opening {
  readonly renamed: ReadonlyMap<NodeInfo, readonly string[]>;
  readonly live: readonly LiveInput[];
  /** By value. */
  readonly shifted: ReadonlyMap<string, LiveShift>;
  readonly taps: ReadonlySet<string>;
  readonly types: ReadonlyMap<string, number>;
}

function openBlock(
  model: OnnxModel,
  { index }: FfnSearch,
  block: BlockPlan,
  { renamed, live, shifted, taps, types }: Opening,
): OpenBlock {
  const nodes = new Map<NodeInfo, NodeEdit | 'drop'>();
  const shifts: LiveShift[] = [];
  const reads = new Set<string>();
  const made = new Set<string>();
  for (const node of model.graph.nodes) {
    if (!block.nodes.has(node)) {
      nodes.set(node, 'drop');
      continue;
    }
    const names = renamed.get(node);
    const mine = node.outputs.map((name) => shifted.get(name)).filter((s) => s !== undefined);
    shifts.push(...mine);
    if (names || mine.length > 0)
      nodes.set(node, { ...(names && { inputs: names }), ...(mine.length > 0 && withShifts(node, mine)) });
    for (const name of names ?? node.inputs) reads.add(name);
    for (const name of index.capturesOf(node)) reads.add(name);
    for (const name of node.outputs) made.add(name);
  }
  const tensors = new Map<TensorInfo, NewTensor | 'drop'>();
  const externals: { path: string; tensor: TensorInfo }[] = [];
  for (const tensor of model.graph.initializers) {
    if (reads.has(tensor.name)) {
      const moved = outside(tensor, `tensor-${externals.length}`);
      if (moved) {
        externals.push({ path: moved.data.location, tensor });
        tensors.set(tensor, moved);
      }
    } else {
      tensors.set(tensor, 'drop');
    }
  }
  const outputs = new Set(block.crossing);
  for (const name of made) if (taps.has(name) || index.outputs.has(name)) outputs.add(name);
  const mine = live.filter((l) => reads.has(l.name));
  const foreign = block.inputs.filter((name) => !index.inputs.has(name));
  const kept = new Set(block.inputs);
  const typeOf = (name: string) => types.get(name) ?? DataType.float;
  return {
    edits: {
      tensors,
      nodes,
      addInputs: [
        ...foreign.map((name) => ({ name, elemType: typeOf(name), ...shapeOf(name, index) })),
        ...mine.map(({ name, weight: { source } }) => ({
          name,
          elemType: source.tensor.dataType,
          dims: source.dims,
        })),
        ...shifts.map(({ name, dims }) => ({ name, elemType: DataType.float, dims })),
      ],
      addOutputs: [...outputs]
        .filter((name) => !index.outputs.has(name))
        .map((name) => ({ name, elemType: typeOf(name) })),
      dropInputs: new Set(model.graph.inputs.map((v) => v.name).filter((name) => !kept.has(name))),
      dropOutputs: new Set(model.graph.outputs.map((v) => v.name).filter((name) => !made.has(name))),
    },
    live: mine,
    shifts,
    inputs: block.inputs,
    crossing: block.crossing,
    outputs: [...outputs],
    externals,
  };
}

/** The node gives its values under other names to the Adds behind it. */
function withShifts(node: NodeInfo, shifts: readonly LiveShift[]): NodeEdit {
  const values = new Set(shifts.map((s) => s.value));
  return {
    outputs: node.outputs.map((name) => (values.has(name) ? unshifted(name) : name)),
    after: shifts.map(
      ({ name, value }): NewNode => ({
        opType: 'Add',
        name,
        inputs: [unshifted(value), name],
        outputs: [value],
      }),
    ),
  };
}

/** The shape that the file records of a value, as far as it does. */
function shapeOf(name: string, index: FfnSearch['index']): { dims?: readonly (number | string | null)[] } {
  const dims = index.valueInfos.get(name)?.dims;
  return dims ? { dims } : {};
}

/** A large initializer as external data at a made-up location. */
function outside(
  tensor: TensorInfo,
  path: string,
): (NewTensor & { data: { location: string; offset: number; length: number } }) | undefined {
  const length = rawByteLength(tensor.dataType, elementCount(tensor.dims));
  const { kind } = tensor.storage;
  if (kind !== 'external' && (kind !== 'raw' || length < SMALLEST_EXTERNAL)) return undefined;
  const { name, dataType, dims } = tensor;
  return { name, dataType, dims, data: { location: path, offset: 0, length } };
}
