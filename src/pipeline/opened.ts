/**
 * An opened model file: its structure, its FFN groups, and what the page shows of it. No weight is read.
 */
import { embeddingTables } from '../graph/embedding-tables.ts';
import { type FfnGroup, type FfnSearch, findFfns, parametersOf, storedTensors } from '../graph/ffn.ts';
import { openOnnx } from '../onnx/reader.ts';
import type { OnnxModel, TensorInfo, ValueInfo } from '../onnx/types.ts';
import { dataTypeName, isFloatType, rawByteLength } from '../tensor/dtype.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import { taskOf } from './task.ts';
import type { GroupSummary, ModelSummary, Task, ValueSummary } from './types.ts';

export interface OpenedModel {
  readonly fileName: string;
  readonly model: OnnxModel;
  readonly search: FfnSearch;
  readonly task: Task;
  /** Graph inputs that are fed (initializers that are listed as inputs too are left out). */
  readonly inputs: readonly ValueInfo[];
  /** The output that metrics read. */
  readonly scoreOutput: ValueInfo | undefined;
  readonly vocabulary?: number;
  readonly positions?: number;
  readonly summary: ModelSummary;
}

/**
 * Opens a model.
 * @throws OnnxError with a sentence where the file cannot be read
 */
export async function openModel(file: Blob, fileName: string): Promise<OpenedModel> {
  const model = await openOnnx(file);
  const search = await findFfns(model);
  const inputs = model.graph.inputs.filter((v) => !search.index.initializers.has(v.name));
  const scoreOutput =
    model.graph.outputs.find((v) => v.name === 'logits') ??
    model.graph.outputs.find((v) => v.elemType === undefined || isFloatType(v.elemType));
  const tables = embeddingTables(search);
  const task = taskOf(inputs, scoreOutput, tables.vocabulary);
  return {
    fileName,
    model,
    search,
    task,
    inputs,
    scoreOutput,
    ...tables,
    summary: summarise(model, search, fileName, task, inputs),
  };
}

/** The group of an id. @throws RangeError where there is none. */
export function groupOf(opened: OpenedModel, id: string): FfnGroup {
  const group = opened.search.groups.find((g) => g.id === id);
  if (!group) throw new RangeError(`This model has no FFN group “${id}”.`);
  return group;
}

function bytesOf(tensor: TensorInfo): number {
  return rawByteLength(tensor.dataType, elementCount(tensor.dims));
}

function summarise(
  model: OnnxModel,
  search: FfnSearch,
  fileName: string,
  task: Task,
  inputs: readonly ValueInfo[],
): ModelSummary {
  let parameters = 0;
  for (const t of model.graph.initializers) {
    if (isFloatType(t.dataType) && t.dims.length > 0) parameters += elementCount(t.dims);
  }
  for (const node of model.graph.nodes) {
    const t = node.opType === 'Constant' ? node.attributes.get('value')?.t : undefined;
    if (t && isFloatType(t.dataType) && t.dims.length > 0 && elementCount(t.dims) > 1)
      parameters += elementCount(t.dims);
  }
  const ffnTensors = new Set(search.groups.flatMap((g) => g.ffns.flatMap((f) => [...storedTensors(f)])));
  let ffnParameters = 0;
  let ffnBytes = 0;
  for (const t of ffnTensors) {
    ffnParameters += elementCount(t.dims);
    ffnBytes += bytesOf(t);
  }
  const notes: string[] = [];
  if (search.groups.length === 0 && search.refusals.length === 0) {
    notes.push('No FFN was found in this graph: no linear map leads through an activation to another one.');
  }
  return {
    fileName,
    bytes: model.size,
    parameters,
    ffnParameters,
    ffnBytes,
    nodes: model.graph.nodes.length,
    opset: model.opsets.get('') ?? 0,
    producer: [model.producerName, model.producerVersion].filter((s) => s !== '').join(' '),
    task,
    inputs: inputs.map(summariseValue),
    outputs: model.graph.outputs.map(summariseValue),
    groups: search.groups.map(summariseGroup),
    refusals: search.refusals,
    notes,
  };
}

function summariseValue(value: ValueInfo): ValueSummary {
  return {
    name: value.name,
    dtype:
      value.elemType === undefined ? 'unknown' : (dataTypeName(value.elemType) ?? `type ${value.elemType}`),
    shape: value.dims ? formatShape(value.dims) : 'any shape',
  };
}

function summariseGroup(group: FfnGroup): GroupSummary {
  const [first] = group.ffns;
  return {
    id: group.id,
    name: group.name,
    layers: group.ffns.length,
    dModel: group.dModel,
    dFf: group.dFf,
    activation: `${group.activation.label}${group.gated ? ', gated' : ''}`,
    gated: group.gated,
    parametersPerFfn: parametersOf(first),
    bytesPerFfn: [...storedTensors(first)].reduce((n, t) => n + bytesOf(t), 0),
    layerLabels: group.ffns.map((f) => f.label),
    hasAttention: group.ffns.every((f) => f.attentionOutput !== undefined),
  };
}
