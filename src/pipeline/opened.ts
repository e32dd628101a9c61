/**
 * An opened model: its structure, its FFN groups, and what the page shows of it. No weight is read.
 */

import type { NamedBlob } from '../data/files.ts';
import type { FlatModel } from '../flatten/types.ts';
import { embeddingTables } from '../graph/embedding-tables.ts';
import { type Ffn, type FfnGroup, type FfnSearch, parametersOf, storedTensors } from '../graph/ffn.ts';
import { besideFfns } from '../graph/layer-weights.ts';
import type { View } from '../merge/views.ts';
import type { OnnxModel, TensorInfo, ValueInfo } from '../onnx/types.ts';
import { dataTypeName, isFloatType, rawByteLength } from '../tensor/dtype.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import { measuredModel } from './measured.ts';
import { FROM_ENCODER, type ModelFile, type ModelFiles, openModelFiles } from './model-files.ts';
import { modelNotes } from './model-notes.ts';
import { parametersIn } from './parameters.ts';
import { savedSize } from './saved.ts';
import { taskOf } from './task.ts';
import type { GroupSummary, ModelSummary, Task, ValueSummary } from './types.ts';

export interface OpenedModel {
  /** For people: the main files' names. */
  readonly fileName: string;
  /** All that were opened: the main files first. */
  readonly files: readonly ModelFile[];
  readonly mainFiles: readonly ModelFile[];
  /** What is measured, and what is edited along with it. */
  readonly views: readonly [View, ...View[]];
  /** The model that is measured; of a plain file, the file itself. */
  readonly model: OnnxModel;
  readonly search: FfnSearch;
  /** A sentence: the file that must be dropped too before anything can be measured. */
  readonly missing?: string;
  readonly task: Task;
  /** Graph inputs that are fed (initializers that are listed as inputs too are left out). */
  readonly inputs: readonly ValueInfo[];
  /** The output that metrics read. */
  readonly scoreOutput: ValueInfo | undefined;
  readonly vocabulary?: number;
  readonly positions?: number;
  readonly summary: ModelSummary;
}

/** Opens a model of one file. @throws as `openModels` */
export function openModel(file: Blob, fileName: string): Promise<OpenedModel> {
  const named = new File([file], fileName);
  return openModels([named], [named]);
}

/**
 * Opens a model of one or several files.
 * @param all everything that was dropped, to find the files of external data in
 * @throws OnnxError with a sentence where a file cannot be read, DataError where files do not belong together
 */
export async function openModels(
  models: readonly NamedBlob[],
  all: readonly NamedBlob[],
): Promise<OpenedModel> {
  const opened = await openModelFiles(models, all);
  const { views, flat, search, widened } = await measuredModel(opened);
  const { model } = flat;
  const inputs = model.graph.inputs.filter((v) => !search.index.initializers.has(v.name));
  const scoreOutput =
    model.graph.outputs.find((v) => v.name === 'logits') ??
    model.graph.outputs.find((v) => v.elemType === undefined || isFloatType(v.elemType));
  const tables = embeddingTables(search);
  const task = taskOf(inputs, scoreOutput, tables.vocabulary);
  const files = [...opened.main, ...opened.twins];
  const fileName = opened.main.map((f) => f.fileName).join(' + ');
  const missing = missingPart(opened);
  const base = {
    fileName,
    files,
    mainFiles: opened.main,
    views,
    model,
    search,
    task,
    inputs,
    scoreOutput,
    ...tables,
  };
  const summary = summarise(base, flat, widened);
  return { ...base, ...(missing !== undefined && { missing }), summary };
}

/** A decoder without its encoder can be looked at, but not run. */
function missingPart({ main }: ModelFiles): string | undefined {
  const [first] = main;
  if (main.length !== 1 || first.role === 'encoder') return undefined;
  const read = first.model.graph.inputs.find((v) => FROM_ENCODER.includes(v.name));
  return (
    read &&
    `“${first.fileName}” reads what an encoder gives (${read.name}), so it cannot run alone. Drop it together with its encoder_model.onnx.`
  );
}

/** The group of an id. @throws RangeError where there is none. */
export function groupOf(opened: OpenedModel, id: string): FfnGroup {
  const group = opened.search.groups.find((g) => g.id === id);
  if (!group) throw new RangeError(`This model has no FFN group “${id}”.`);
  return group;
}

/** Bytes of a tensor as its file keeps it. */
function bytesOf(flat: FlatModel, tensor: TensorInfo): number {
  const { dataType, dims } = flat.storedAs(tensor)?.tensor ?? tensor;
  return rawByteLength(dataType, elementCount(dims));
}

function summarise(opened: Omit<OpenedModel, 'summary'>, flat: FlatModel, widened: boolean): ModelSummary {
  const { fileName, files, mainFiles, search, task, inputs } = opened;
  const ffnTensors = new Set(search.groups.flatMap((g) => g.ffns.flatMap((f) => [...storedTensors(f)])));
  let ffnParameters = 0;
  let ffnBytes = 0;
  for (const t of ffnTensors) {
    ffnParameters += elementCount(t.dims);
    ffnBytes += bytesOf(flat, t);
  }
  const beside = besideFfns(search);
  const [{ model }] = mainFiles;
  const bytesIn = (file: ModelFile) =>
    [...file.externals.values()].reduce((n, f) => n + f.size, file.model.size);
  return {
    fileName,
    files: files.map((file) => ({
      name: file.fileName,
      role: file.role,
      bytes: bytesIn(file),
      dataFiles: [...file.externals.keys()],
    })),
    formats: ['onnx', ...(widened ? [] : (['onnx-float16'] as const)), 'zip'],
    bytes: savedSize({ files }),
    parameters: mainFiles.reduce((n, file) => n + parametersIn(file.model), 0),
    ffnParameters,
    ffnBytes,
    nodes: mainFiles.reduce((n, file) => n + file.model.graph.nodes.length, 0),
    opset: model.opsets.get('') ?? 0,
    producer: [model.producerName, model.producerVersion].filter((s) => s !== '').join(' '),
    task,
    inputs: inputs.map(summariseValue),
    outputs: opened.model.graph.outputs.map(summariseValue),
    groups: search.groups.map((g) => summariseGroup(g, flat, beside)),
    refusals: search.refusals,
    notes: modelNotes(opened, flat, widened),
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

function summariseGroup(
  group: FfnGroup,
  flat: FlatModel,
  beside: ReadonlyMap<Ffn, ReadonlySet<TensorInfo>>,
): GroupSummary {
  const [first, ...others] = group.ffns;
  const stored = (tensors: Iterable<TensorInfo>) =>
    [...tensors].reduce((bytes, tensor) => bytes + bytesOf(flat, tensor), 0);
  // The first layer's part is not known, or holds more than a layer; of the others, the median.
  const besideEach = others.map((f) => stored(beside.get(f) ?? [])).sort((a, b) => a - b);
  return {
    id: group.id,
    name: group.name,
    layers: group.ffns.length,
    dModel: group.dModel,
    dFf: group.dFf,
    activation: `${group.activation.label}${group.gated ? ', gated' : ''}`,
    gated: group.gated,
    parametersPerFfn: parametersOf(first),
    bytesPerFfn: stored(storedTensors(first)),
    bytesBesideFfn: besideEach[Math.floor(besideEach.length / 2)],
    layerLabels: group.ffns.map((f) => f.label),
    hasAttention: group.ffns.every((f) => f.attentionOutput !== undefined),
  };
}
