/**
 * Saves a model with edits: the original's bytes wherever nothing changed, and the few new ones between them.
 *
 * Why: a merged model of gigabytes must be written without holding it, and whatever Layerfold does not understand
 * must come out as it went in. With no edits the result is byte for byte the input.
 *
 * Known limits: of names, only those that edits give are checked to be new (initializers, graph inputs and outputs, and
 * what nodes make); that what a node reads is there is for the caller to see to. Protobuf readers refuse files of 2 GiB
 * and more, so a caller that grows a model keeps weights outside.
 */

import { Composition } from './compose.ts';
import type { Chunk } from './encode.ts';
import {
  byteCount,
  bytesHeader,
  checkTensor,
  dataFields,
  dimsFields,
  nodeField,
  tensorBody,
  textField,
  valueField,
  varintField,
} from './encode.ts';
import type { FieldSpan, Layout, NodeLayout, TensorLayout } from './layout.ts';
import { layoutOf } from './layout.ts';
import { checkNewNames } from './new-names.ts';
import { isDataField, TensorField } from './parse-tensor.ts';
import type {
  ComposedFile,
  ModelEdits,
  NewTensor,
  NodeEdit,
  NodeInfo,
  OnnxModel,
  TensorInfo,
  ValueInfo,
} from './types.ts';
import { OnnxError } from './types.ts';
import type { Frame } from './wire.ts';

/** GraphProto field numbers of what can be added. */
const GraphField = { initializer: 5, input: 11, output: 12 } as const;

/**
 * Composes the edited file from ranges of the original and new bytes; nothing is read until the result is.
 * A dropped node takes edits of the tensors in it along. Nodes and tensors of nested graphs can be edited as well, and
 * given nodes behind them; other additions, `dropInputs` and `dropOutputs` are for the model's graph.
 * @throws OnnxError `bad-reference` where an edit names something that is not in this model (or drops the tensor of
 *   an attribute), or gives a node of a function other outputs or nodes behind it; `bad-shape` and `bad-data` where new
 *   contents do not fit together, or a new value has a name that another one has.
 */
export function composeOnnx(model: OnnxModel, edits: ModelEdits): ComposedFile {
  const layout = layoutOf(model);
  const graph = layout.graphs.get(model.graph);
  if (!graph) throw stranger('graph', model.graph.name);
  const out = new Composition(model.source, graph);
  for (const [tensor, edit] of edits.tensors ?? []) editTensor(out, layout, tensor, edit);
  for (const [node, edit] of edits.nodes ?? []) {
    const known = layout.nodes.get(node);
    if (!known) throw stranger('node', node.name || node.opType);
    if (edit === 'drop') out.drop(known.frame);
    else editNode(out, node, known, edit);
  }
  dropValues(out, graph, 'graph input', model.graph.inputs, edits.dropInputs);
  dropValues(out, graph, 'graph output', model.graph.outputs, edits.dropOutputs);
  checkAdditions(model, edits);
  checkNewNames(model, edits);
  for (const tensor of edits.addInitializers ?? []) {
    checkTensor(tensor);
    const body = tensorBody(tensor);
    out.append(graph, [bytesHeader(GraphField.initializer, byteCount(body)), ...body]);
  }
  for (const value of edits.addInputs ?? []) out.append(graph, [valueField(GraphField.input, value)]);
  for (const value of edits.addOutputs ?? []) out.append(graph, [valueField(GraphField.output, value)]);
  return out.finish();
}

function editTensor(out: Composition, layout: Layout, tensor: TensorInfo, edit: NewTensor | 'drop'): void {
  const known = layout.tensors.get(tensor);
  if (!known) throw stranger('tensor', tensor.name);
  if (edit !== 'drop') {
    checkTensor(edit);
    replaceTensor(out, tensor, known, edit);
  } else if (known.isInitializer) {
    out.drop(known.frame);
  } else {
    throw new OnnxError(
      'bad-reference',
      `The tensor "${tensor.name}" is part of a node and cannot be dropped by itself; drop the node.`,
      tensor.field.start,
    );
  }
}

/** Replaces what differs and keeps every other field of the tensor, in place. */
function replaceTensor(out: Composition, tensor: TensorInfo, known: TensorLayout, edit: NewTensor): void {
  const swap = (isOld: (span: FieldSpan) => boolean, fields: readonly Chunk[]) => {
    const old = known.spans.filter(isOld);
    if (old.length === 0) out.append(known.frame, fields);
    old.forEach((span, i) => {
      out.replace(known.frame, span.start, span.end, i === 0 ? fields : []);
    });
  };
  const has = (field: number) => (span: FieldSpan) => span.field === field;
  if (edit.name !== tensor.name) swap(has(TensorField.name), [textField(TensorField.name, edit.name)]);
  if (edit.dataType !== tensor.dataType) {
    swap(has(TensorField.dataType), [varintField(TensorField.dataType, edit.dataType)]);
  }
  const sameDims = edit.dims.length === tensor.dims.length && edit.dims.every((d, i) => d === tensor.dims[i]);
  if (!sameDims) swap(has(TensorField.dims), [dimsFields(edit)]);

  const { data } = edit;
  const isExternal = !(data instanceof Uint8Array || data instanceof Blob);
  if (isExternal || tensor.storage.kind !== 'raw') {
    swap((span) => isDataField(span.field), dataFields(edit));
    return;
  }
  const raw = known.spans.filter(has(TensorField.rawData));
  if (raw.length !== 1 || raw[0].end - raw[0].body !== byteCount([data])) {
    swap(has(TensorField.rawData), dataFields(edit));
  } else if (raw[0].end > raw[0].body) {
    out.replace(known.frame, raw[0].body, raw[0].end, [data]);
  }
  // Typed values beside raw ones are not legal, and would contradict the new ones.
  for (const span of known.spans) {
    const isTyped = isDataField(span.field) && span.field < TensorField.externalData;
    if (isTyped && span.field !== TensorField.rawData) out.replace(known.frame, span.start, span.end, []);
  }
}

function editNode(out: Composition, node: NodeInfo, known: NodeLayout, edit: NodeEdit): void {
  const rename = (kind: 'inputs' | 'outputs', field: number) => {
    const names = edit[kind];
    if (names && names.length !== node[kind].length) {
      throw new OnnxError(
        'bad-data',
        `The node "${node.name || node.opType}" has ${node[kind].length} ${kind} and cannot be given ${names.length}.`,
        node.field.start,
      );
    }
    names?.forEach((name, i) => {
      const { start, end } = known[kind][i];
      if (name !== node[kind][i]) out.replace(known.frame, start, end, [textField(field, name)]);
    });
  };
  rename('inputs', 1);
  rename('outputs', 2);
  if (edit.after?.length) out.insertBehind(known.frame, edit.after.map(nodeField));
}

function dropValues(
  out: Composition,
  graph: Frame,
  what: string,
  values: readonly ValueInfo[],
  names: ReadonlySet<string> | undefined,
): void {
  const missing = new Set(names);
  for (const { name, field } of values) {
    if (!names?.has(name)) continue;
    out.replace(graph, field.start, field.end, []);
    missing.delete(name);
  }
  for (const name of missing) throw stranger(what, name);
}

/** A second definition of a name would make a file that no runtime opens. */
function checkAdditions(model: OnnxModel, edits: ModelEdits): void {
  const initializers = new Set<string>();
  for (const tensor of model.graph.initializers) {
    const edit = edits.tensors?.get(tensor);
    if (edit !== 'drop') initializers.add((edit ?? tensor).name);
  }
  const inputs = new Set(
    model.graph.inputs.map((v) => v.name).filter((name) => !edits.dropInputs?.has(name)),
  );
  const outputs = new Set(
    model.graph.outputs.map((v) => v.name).filter((name) => !edits.dropOutputs?.has(name)),
  );
  const add = (names: Set<string>, what: string, name: string) => {
    if (names.has(name)) {
      throw new OnnxError(
        'bad-data',
        `The model already has ${what} "${name}"; give the new one another name.`,
      );
    }
    names.add(name);
  };
  for (const tensor of edits.addInitializers ?? []) add(initializers, 'an initializer', tensor.name);
  for (const value of edits.addInputs ?? []) add(inputs, 'an input', value.name);
  for (const value of edits.addOutputs ?? []) add(outputs, 'an output', value.name);
}

function stranger(what: string, name: string): OnnxError {
  return new OnnxError(
    'bad-reference',
    `The ${what} "${name}" is not part of this model; open the model again.`,
  );
}
