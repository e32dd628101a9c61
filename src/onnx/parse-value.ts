/**
 * ValueInfoProto: the name, element type and shape of a graph input, output or intermediate value.
 *
 * Known limits: only dense tensors are described (`TypeProto.tensor_type`); sequences, maps, optionals and sparse
 * tensors come back with neither type nor shape.
 */

import { MAX_RANK } from './limits.ts';
import type { ValueInfo } from './types.ts';
import { OnnxError } from './types.ts';
import type { Frame, Step, WireCursor } from './wire.ts';
import { fieldRange, HEADER, Wire } from './wire.ts';

type Dim = number | string | null;

interface Draft {
  name: string;
  elemType?: number;
  dims?: Dim[];
}

/** Parses the ValueInfoProto whose field header was just read. */
export function* parseValue(c: WireCursor, parent: Frame, label: string): Step<ValueInfo> {
  const frame = c.enter(parent, label, 4);
  const draft: Draft = { name: '' };
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    if (c.field === 1) {
      if (c.textMissing(frame)) yield;
      draft.name = c.text(frame);
    } else if (c.field === 2) {
      yield* parseType(c, c.enter(frame, `the type of ${label}`, 1), draft);
    } else c.skip(frame);
  }
  return { ...draft, field: fieldRange(frame) };
}

/** TypeProto: `tensor_type` is 1. */
function* parseType(c: WireCursor, frame: Frame, draft: Draft): Step<void> {
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    if (c.field === 1) yield* parseTensorType(c, c.enter(frame, 'a tensor type', 1), draft);
    else c.skip(frame);
  }
}

/** TypeProto.Tensor: `elem_type` is 1, `shape` is 2. */
function* parseTensorType(c: WireCursor, frame: Frame, draft: Draft): Step<void> {
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    if (c.field === 1) {
      c.expect(Wire.varint, frame);
      draft.elemType = c.int32(frame);
    } else if (c.field === 2) {
      draft.dims = [];
      yield* parseShape(c, c.enter(frame, 'a shape', 1), draft.dims);
    } else c.skip(frame);
  }
}

/** TensorShapeProto: `dim` is 1, with `dim_value` 1 or `dim_param` 2. */
function* parseShape(c: WireCursor, shape: Frame, dims: Dim[]): Step<void> {
  while (c.pos < shape.end) {
    if (c.need(HEADER)) yield;
    c.header(shape);
    if (c.field !== 1) {
      c.skip(shape);
      continue;
    }
    const frame = c.enter(shape, 'a dimension', 1);
    let dim: Dim = null;
    while (c.pos < frame.end) {
      if (c.need(HEADER)) yield;
      c.header(frame);
      if (c.field === 1) {
        c.expect(Wire.varint, frame);
        dim = c.signed(frame);
      } else if (c.field === 2) {
        if (c.textMissing(frame)) yield;
        dim = c.text(frame);
      } else c.skip(frame);
    }
    // Some exporters write -1 or an empty name for "unknown".
    dims.push(dim === '' || (typeof dim === 'number' && dim < 0) ? null : dim);
    if (dims.length > MAX_RANK) {
      throw new OnnxError(
        'bad-shape',
        `A shape at byte ${shape.start} has more than ${MAX_RANK} dimensions; the file is damaged, export it again.`,
        shape.start,
      );
    }
  }
}
