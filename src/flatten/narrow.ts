/**
 * Narrows a model to float16: its float32 weights and computations, with inputs and outputs kept in float32 through
 * Cast nodes, so that it stands in for the original wherever that ran.
 *
 * Why: half the bytes to keep, to load and, on GPUs, to move. What float16 would spoil stays in float32 between Cast
 * nodes, one for a value (half-guards.ts), and so does whatever has no form in it (half-operators.ts), nested graphs
 * and the model's own functions. Constants beyond ±65504 are clamped to that. Everything else of the file, metadata
 * and functions included, stays as it was; tensors that nodes share go on being shared.
 *
 * Known limits: an input over 65504 in magnitude becomes infinite where it is narrowed; the accuracy is what the
 * runtime's float16 operators give; initializers that are listed as inputs too change their type.
 */
import { Composition } from '../onnx/compose.ts';
import { join, messageField, tensorBody, textField, varintField } from '../onnx/encode.ts';
import { layoutOf } from '../onnx/layout.ts';
import { openOnnx } from '../onnx/reader.ts';
import { convertFloats, rawFields, rewriteNode, rewriteValue } from '../onnx/rewrite.ts';
import { type SavedFile, saveModel } from '../onnx/save.ts';
import { tensorBlob } from '../onnx/tensors.ts';
import type { AttributeInfo, NewTensor, NodeInfo, OnnxModel, TensorInfo } from '../onnx/types.ts';
import { readRange } from '../onnx/wire.ts';
import { DataType } from '../tensor/dtype.ts';
import { type FloatValue, type HalfPlan, planHalf } from './half-plan.ts';
import { readRanges } from './ranges.ts';
import { isConstant } from './value-graph.ts';

export interface Narrowed {
  /** The .onnx file first, then its data files, if it has any. */
  readonly files: readonly SavedFile[];
  /** Sentences: which nodes stay in float32, and why. */
  readonly blocked: readonly string[];
}

/** GraphProto's nodes, and the types of attributes. */
const NODE = 1;
const AttributeType = { int: 2, tensor: 4 } as const;
/** Bytes of float32 values that are converted at a time. */
const PIECE = 16 << 20;

/**
 * The files of the model in float16. Tensors are converted one after the other, each into a Blob of its own.
 * @param fileName of the new .onnx file
 * @param data the model's data files by location
 * @param locationOf the new locations of the data files
 * @throws OnnxError where tensors cannot be read, or their files are missing
 */
export async function narrowModel(
  model: OnnxModel,
  fileName: string,
  data: ReadonlyMap<string, Blob> = new Map(),
  locationOf?: (location: string) => string,
): Promise<Narrowed> {
  const plan = await planHalf(model);
  const changed = await openOnnx(await withHalfNodes(model, plan), model.externals);
  const tensors = new Map<TensorInfo, NewTensor>();
  const addInitializers: NewTensor[] = [];
  for (const [name, tensor] of storedTensors(changed)) {
    const value = plan.values.get(name);
    if (tensor.dataType !== DataType.float || !value?.half || (value.made === 'float' && !value.storedTwice))
      continue;
    const { dims } = tensor;
    const blob = await narrowed(await tensorBlob(changed, tensor));
    const isCopy = value.made === 'float';
    const half = {
      name: isCopy ? value.half : tensor.name,
      dataType: DataType.float16,
      dims,
      data: blob,
    };
    if (isCopy) addInitializers.push(half);
    else tensors.set(tensor, half);
  }
  addInitializers.push(...inlineCopies(changed, plan));
  // Before IR version 4 every initializer is an input of the graph too.
  const addInputs =
    changed.irVersion < 4
      ? addInitializers.map(({ name, dataType, dims }) => ({ name, elemType: dataType, dims }))
      : [];
  const edits = { tensors, addInitializers, addInputs };
  return { files: saveModel(changed, edits, fileName, data, locationOf), blocked: plan.blocked };
}

/** Initializers and the tensors of Constant nodes, by the name of the value. */
function* storedTensors({ graph }: OnnxModel): Generator<[string, TensorInfo]> {
  for (const tensor of graph.initializers) yield [tensor.name, tensor];
  for (const node of graph.nodes) {
    const tensor = isConstant(node) ? node.attributes.get('value')?.t : undefined;
    if (tensor) yield [node.outputs[0], tensor];
  }
}

/** Raw float32 bytes as float16. */
async function narrowed(floats: Blob): Promise<Blob> {
  const parts: Blob[] = [];
  for (let at = 0; at < floats.size; at += PIECE) {
    const bytes = await readRange(floats, at, Math.min(floats.size, at + PIECE));
    parts.push(new Blob([convertFloats(bytes, DataType.float, DataType.float16)]));
  }
  return new Blob(parts);
}

/** Copies of constants that are written as attributes of numbers. */
function* inlineCopies({ graph }: OnnxModel, { values }: HalfPlan): Generator<NewTensor> {
  for (const node of graph.nodes) {
    const [name] = node.outputs;
    const value = isConstant(node) ? values.get(name) : undefined;
    if (value?.half && value.storedTwice && !node.attributes.has('value')) {
      yield inlineTensor(value.half, node.attributes);
    }
  }
}

/** The float16 tensor of a Constant with `value_float` or `value_floats`. */
function inlineTensor(name: string, attributes: ReadonlyMap<string, AttributeInfo>) {
  const one = attributes.get('value_float')?.f;
  const numbers = one === undefined ? (attributes.get('value_floats')?.floats ?? []) : [one];
  const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
  const data = convertFloats(bytes, DataType.float, DataType.float16);
  return { name, dataType: DataType.float16, dims: one === undefined ? [numbers.length] : [], data };
}

/** The file with its nodes and descriptions as planned; its stored tensors are still what they were. */
async function withHalfNodes(model: OnnxModel, plan: HalfPlan): Promise<Blob> {
  const { graph, source } = model;
  const frame = layoutOf(model).graphs.get(graph)!;
  const out = new Composition(source, frame);
  const stored = new Set(graph.initializers.map((t) => t.name));
  const retyped = [...graph.valueInfos, ...graph.inputs.filter((v) => stored.has(v.name))].filter((v) =>
    isNowHalf(plan, v.name),
  );
  const descriptions = await readRanges(
    source,
    retyped.map((v) => v.field),
  );
  for (const { field } of retyped) {
    out.replace(frame, field.start, field.end, [asHalf(descriptions.get(field.start)!)]);
  }
  const bodies = await readRanges(
    source,
    graph.nodes.filter((n) => changes(plan, n)).map((n) => n.body),
  );
  const heads = new Set([...stored, ...graph.inputs.map((v) => v.name)]);
  const first = [...heads].flatMap((name) => castsOf(plan, name));
  graph.nodes.forEach((node, index) => {
    const before = index === 0 ? first : [];
    const after = node.outputs.flatMap((name) => castsOf(plan, name));
    const body = bodies.get(node.body.start);
    const { start, end } = node.field;
    if (!body && before.length + after.length === 0) return;
    const itself = body ? messageField(NODE, [rewritten(plan, node, body)]) : source.slice(start, end);
    out.replace(frame, start, end, [...before, itself, ...after]);
  });
  return out.finish().toBlob();
}

/** Whether the value of this name is float16 in the new file. */
function isNowHalf({ values }: HalfPlan, name: string): boolean {
  return values.get(name)?.half === name;
}

/** A ValueInfoProto with its tag and length, as float16. */
function asHalf(bytes: Uint8Array): Uint8Array {
  const [{ field, body, end }] = rawFields(bytes);
  return messageField(field, [
    rewriteValue(bytes.subarray(body, end), { rename: (name) => name, type: halfType }),
  ]);
}

function halfType(code: number): number {
  return code === DataType.float ? DataType.float16 : code;
}

/** Whether a node must be written anew: it reads or makes a value of another name, or makes another type by itself. */
function changes(plan: HalfPlan, node: NodeInfo): boolean {
  if (isConstant(node)) return isInlineHalf(plan, node);
  if (plan.isHalf(node) && makesType(node)) return true;
  return [...plan.graph.readBy(node), ...node.outputs].some((name) => plan.nameFor(node, name) !== name);
}

function makesType({ opType, domain }: NodeInfo): boolean {
  return domain === '' && (opType === 'Cast' || opType === 'ConstantOfShape');
}

/** A constant written as numbers, which becomes a tensor. */
function isInlineHalf(plan: HalfPlan, { outputs, attributes }: NodeInfo): boolean {
  return plan.values.get(outputs[0])?.made === 'half' && !attributes.has('value');
}

function rewritten(plan: HalfPlan, node: NodeInfo, body: Uint8Array): Uint8Array {
  if (isConstant(node)) {
    const tensor = join(tensorBody(inlineTensor('', node.attributes)) as Uint8Array[]);
    const fields = [textField(1, 'value'), messageField(5, [tensor]), varintField(20, AttributeType.tensor)];
    const label = node.name === '' ? [] : [textField(3, node.name)];
    return join([textField(2, node.outputs[0]), ...label, textField(4, 'Constant'), messageField(5, fields)]);
  }
  const narrows = plan.isHalf(node) && makesType(node);
  return rewriteNode(body, {
    rename: (name) => plan.nameFor(node, name),
    ...(narrows && { type: halfType }),
  });
}

/** The Cast that gives a value its other type, if it is read in both. */
function castsOf({ values }: HalfPlan, name: string): Uint8Array[] {
  const value = values.get(name);
  if (!value?.half || !value.float || value.storedTwice) return [];
  return [castNode(value)];
}

function castNode({ made, half, float }: FloatValue): Uint8Array {
  const [from, to] = made === 'half' ? [half!, float!] : [float!, half!];
  const type = made === 'half' ? DataType.float : DataType.float16;
  return messageField(NODE, [
    textField(1, from),
    textField(2, to),
    textField(3, `${to}/cast`),
    textField(4, 'Cast'),
    messageField(5, [textField(1, 'to'), varintField(3, type), varintField(20, AttributeType.int)]),
  ]);
}
