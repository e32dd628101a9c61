/**
 * What the writer needs to know beyond `types.ts`: which message stands in which, and where their fields are.
 *
 * Why: the writer is synchronous and never reads the file, so the reader notes the fields that an edit may replace.
 * The notes are kept beside the model, not in it, so that the contract stays small.
 */

import type { GraphInfo, NodeInfo, OnnxModel, TensorInfo } from './types.ts';
import { OnnxError } from './types.ts';
import type { Frame } from './wire.ts';

/** Fields of a message that edits may replace, in file order. Runs of one field number are one entry. */
export interface FieldSpan {
  readonly field: number;
  readonly start: number;
  /** First byte of the last payload of the run. */
  readonly body: number;
  readonly end: number;
}

export interface TensorLayout {
  readonly frame: Frame;
  /** An initializer can be dropped; a tensor in an attribute cannot. */
  readonly isInitializer: boolean;
  readonly spans: readonly FieldSpan[];
}

export interface NodeLayout {
  readonly frame: Frame;
  /** One entry an input, in order. */
  readonly inputs: readonly FieldSpan[];
  /** One entry an output, in order. */
  readonly outputs: readonly FieldSpan[];
}

export interface Layout {
  readonly tensors: Map<TensorInfo, TensorLayout>;
  readonly nodes: Map<NodeInfo, NodeLayout>;
  readonly graphs: Map<GraphInfo, Frame>;
}

export function newLayout(): Layout {
  return { tensors: new Map(), nodes: new Map(), graphs: new Map() };
}

const layouts = new WeakMap<OnnxModel, Layout>();

export function setLayout(model: OnnxModel, layout: Layout): void {
  layouts.set(model, layout);
}

/** @throws OnnxError `bad-reference` where the model did not come from `openOnnx` of this realm. */
export function layoutOf(model: OnnxModel): Layout {
  const layout = layouts.get(model);
  if (layout) return layout;
  throw new OnnxError('bad-reference', 'This model was not opened by the ONNX reader; open its file again.');
}
