/**
 * From the part of a graph that live weights reach to a plain graph: each node by the rule of its operator.
 *
 * Known limits: what has no rule is named in a sentence; whole-number computations on active values have none.
 */
import type { GraphIndex } from '../graph/index-graph.ts';
import { opOf } from '../graph/operators.ts';
import { encodeModel } from '../onnx/new-model.ts';
import { readFloats, readInts, tensorBytes } from '../onnx/tensors.ts';
import type { NodeInfo, OnnxModel, TensorInfo } from '../onnx/types.ts';
import type { PlainModel } from '../runtime/differentiable.ts';
import type { HostTensor } from '../runtime/session.ts';
import { DataType, isFloatType } from '../tensor/dtype.ts';
import { PLAIN_OPSET, type Plain, PlainBuilder } from './builder.ts';
import type { Dependence } from './dependence.ts';
import { rules } from './operators/index.ts';
import { Unplain } from './operators/rule.ts';
import type { LiveParameters, ValueHook } from './parameters.ts';

export interface PlainInput {
  readonly model: OnnxModel;
  readonly index: GraphIndex;
  readonly live: LiveParameters;
  readonly part: Dependence;
  /** Values of the frontier for feeds of the shape that is wanted. */
  readonly values: ReadonlyMap<string, HostTensor>;
  readonly output: string;
}

const ELEMENT_TYPE: Readonly<Record<string, number>> = {
  float32: DataType.float,
  int64: DataType.int64,
  int32: DataType.int32,
  bool: DataType.bool,
};

/**
 * @throws RangeError that names the operators which cannot be differentiated, and why; OnnxError for unreadable tensors
 */
export async function plainGraph({
  model,
  index,
  live,
  part,
  values,
  output,
}: PlainInput): Promise<PlainModel> {
  const b = new PlainBuilder();
  const made = new Map<string, Plain>();
  const fed: PlainModel['fed'][number][] = [];
  for (const { name, dims } of live.inputs) made.set(name, { name, dims });
  for (const [name, kind] of part.frontier) {
    const { type, dims, data } = values.get(name)!;
    if (kind === 'fixed') made.set(name, b.constant(dims, { type, data }));
    else {
      fed.push({ name, dims, type });
      made.set(name, { name, dims });
    }
  }
  for (const [name, tensor] of await stored(model, index, part, live)) {
    made.set(name, b.constant(tensor.dims, tensor));
  }
  const refused = new Map<string, string>();
  for (const node of part.active) {
    const names = live.reads.get(node) ?? node.inputs;
    // What comes of a node that has no rule cannot be written either, and needs no sentence of its own.
    if (names.some((name) => name !== '' && !made.has(name))) continue;
    const outputs = lower(b, model, node, names, made, refused);
    node.outputs.forEach((name, i) => {
      const value = outputs[i];
      if (name === '' || !value) return;
      const hook = live.hooks.get(name);
      made.set(name, hook ? changed(b, value, hook, made) : value);
    });
  }
  if (refused.size > 0) throw new RangeError(refusal(refused));
  const result = made.get(output)!;
  b.output(result, output);
  const used = new Set(b.nodes.flatMap((n) => n.inputs));
  const read = fed.filter(({ name }) => used.has(name));
  const onnx = encodeModel({
    opset: PLAIN_OPSET,
    nodes: b.nodes,
    initializers: b.tensors,
    inputs: [
      ...live.inputs.map(({ name, dims }) => ({ name, dims, elemType: DataType.float })),
      ...b.probes.map(({ name, dims }) => ({ name, dims, elemType: DataType.float })),
      ...read.map(({ name, dims, type }) => ({ name, dims, elemType: ELEMENT_TYPE[type] ?? DataType.float })),
    ],
    outputs: [{ name: output, dims: result.dims, elemType: DataType.float }],
  });
  const parameters = live.inputs.map(({ name, dims }) => ({ name, dims }));
  return { onnx, parameters, probes: b.probes, fed: read, output: { name: output, dims: result.dims } };
}

function lower(
  b: PlainBuilder,
  model: OnnxModel,
  node: NodeInfo,
  names: readonly string[],
  made: ReadonlyMap<string, Plain>,
  refused: Map<string, string>,
): readonly (Plain | undefined)[] {
  const op = opOf(node);
  const rule = rules.get(op);
  if (!rule) {
    refused.set(op, 'no rule for it is known');
    return [];
  }
  const inputs = names.map((name) => (name === '' ? undefined : made.get(name)));
  try {
    return rule({ b, node, inputs, opset: model.opsets.get('') ?? PLAIN_OPSET });
  } catch (error) {
    if (!(error instanceof Unplain)) throw error;
    refused.set(op, error.message);
    return [];
  }
}

function refusal(refused: ReadonlyMap<string, string>): string {
  const each = [...refused].map(([op, reason]) => `${op} (${reason})`);
  return `This model cannot be tuned here, because it computes with ${each.join(', ')} after the first merged layer; recover it by the other rungs.`;
}

/** v ⊙ scale + (from · a) · b + shift */
function changed(b: PlainBuilder, value: Plain, hook: ValueHook, made: ReadonlyMap<string, Plain>): Plain {
  const take = (name: string) => made.get(name)!;
  let result = hook.scale ? b.mul(value, take(hook.scale)) : value;
  if (hook.delta) {
    const { a, b: right, from } = hook.delta;
    result = b.add(result, b.reshape(b.matmul(b.matmul(take(from), take(a)), take(right)), value.dims));
  }
  return hook.shift ? b.add(result, take(hook.shift)) : result;
}

type Stored = Pick<HostTensor, 'type' | 'dims' | 'data'>;

/** Initializers that active nodes read, other than live weights. */
async function stored(
  model: OnnxModel,
  index: GraphIndex,
  { active }: Dependence,
  { reads }: LiveParameters,
): Promise<Map<string, Stored>> {
  const found = new Map<string, Stored>();
  for (const node of active) {
    for (const name of reads.get(node) ?? node.inputs) {
      const tensor = index.initializers.get(name);
      if (tensor && !found.has(name)) found.set(name, await valuesIn(model, tensor));
    }
  }
  return found;
}

async function valuesIn(model: OnnxModel, tensor: TensorInfo): Promise<Stored> {
  const { dims, dataType } = tensor;
  if (isFloatType(dataType)) return { type: 'float32', dims, data: await readFloats(model, tensor) };
  // As they are: numbers cannot hold the largest int64, which means “to the end”.
  if (dataType === DataType.int64) {
    return { type: 'int64', dims, data: new BigInt64Array((await tensorBytes(model, tensor)).buffer) };
  }
  const ints = await readInts(model, tensor);
  if (dataType === DataType.bool) return { type: 'bool', dims, data: Uint8Array.from(ints) };
  return { type: 'int64', dims, data: BigInt64Array.from(ints, BigInt) };
}
