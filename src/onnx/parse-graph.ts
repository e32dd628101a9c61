/**
 * GraphProto, NodeProto and AttributeProto, which contain one another (the bodies of If, Loop and Scan).
 *
 * Known limits: sparse tensors, lists of tensors or graphs, and type attributes are stepped over (and kept by the
 * writer); doc strings and metadata are not read.
 */

import type { FieldSpan, Layout } from './layout.ts';
import { MAX_DEPTH, MAX_TEXT } from './limits.ts';
import { parseTensor, readInts } from './parse-tensor.ts';
import { parseValue } from './parse-value.ts';
import type { AttributeInfo, GraphInfo, NodeInfo, TensorInfo, ValueInfo } from './types.ts';
import { OnnxError } from './types.ts';
import type { Frame, Step, WireCursor } from './wire.ts';
import { bodyRange, fieldRange, HEADER, Wire } from './wire.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NO_ATTRIBUTES: ReadonlyMap<string, AttributeInfo> = new Map();

/** The default domain has two spellings. */
export function normalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/**
 * Parses the GraphProto whose field header was just read.
 * @param depth 0 for the model's graph, 1 for a graph in an attribute of its nodes, and so on.
 * @throws OnnxError `too-deep`, and whatever its messages are refused for.
 */
export function* parseGraph(c: WireCursor, parent: Frame, depth: number, layout: Layout): Step<GraphInfo> {
  const frame = c.enter(parent, depth === 0 ? 'the graph' : 'a nested graph', 16);
  if (depth > MAX_DEPTH) {
    throw new OnnxError(
      'too-deep',
      `Graphs are nested more than ${MAX_DEPTH} deep at byte ${frame.start}; the file is damaged or was made to harm, export it again.`,
      frame.start,
    );
  }
  let name = '';
  const nodes: NodeInfo[] = [];
  const initializers: TensorInfo[] = [];
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const valueInfos: ValueInfo[] = [];
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    if (c.field === 1) nodes.push(yield* parseNode(c, frame, nodes.length, depth, layout));
    else if (c.field === 2) {
      if (c.textMissing(frame)) yield;
      name = c.text(frame);
    } else if (c.field === 5) initializers.push(yield* parseTensor(c, frame, true, layout));
    else if (c.field === 11) inputs.push(yield* parseValue(c, frame, 'a graph input'));
    else if (c.field === 12) outputs.push(yield* parseValue(c, frame, 'a graph output'));
    else if (c.field === 13) valueInfos.push(yield* parseValue(c, frame, 'a value description'));
    else c.skip(frame);
  }
  const graph: GraphInfo = {
    name,
    nodes,
    initializers,
    inputs,
    outputs,
    valueInfos,
    field: fieldRange(frame),
    body: bodyRange(frame),
  };
  layout.graphs.set(graph, frame);
  return graph;
}

export function* parseNode(
  c: WireCursor,
  parent: Frame,
  index: number,
  depth: number,
  layout: Layout,
): Step<NodeInfo> {
  const frame = c.enter(parent, 'a node', 8);
  let name = '';
  let opType = '';
  let domain = '';
  let overload = '';
  const inputs: string[] = [];
  const outputs: string[] = [];
  let attributes: Map<string, AttributeInfo> | undefined;
  const inputSpans: FieldSpan[] = [];
  const outputSpans: FieldSpan[] = [];
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    const { field, start } = c;
    if (field === 5) {
      const attribute = yield* parseAttribute(c, frame, depth, layout);
      attributes ??= new Map();
      if (attributes.has(attribute.name)) throw twice(`the attribute "${attribute.name}"`, frame, start);
      attributes.set(attribute.name, attribute);
    } else if ((field >= 1 && field <= 4) || field === 7 || field === 8) {
      const body = c.pos;
      if (c.textMissing(frame)) yield;
      const text = c.text(frame);
      if (field === 1) {
        inputs.push(text);
        inputSpans.push({ field, start, body, end: c.pos });
      } else if (field === 2) {
        outputs.push(text);
        outputSpans.push({ field, start, body, end: c.pos });
      } else if (field === 3) name = text;
      else if (field === 4) opType = text;
      else if (field === 7) domain = normalDomain(text);
      else overload = text;
    } else c.skip(frame);
  }
  const node: NodeInfo = {
    index,
    name,
    opType,
    domain,
    ...(overload !== '' && { overload }),
    inputs,
    outputs,
    attributes: attributes ?? NO_ATTRIBUTES,
    field: fieldRange(frame),
    body: bodyRange(frame),
  };
  layout.nodes.set(node, { frame, inputs: inputSpans, outputs: outputSpans });
  return node;
}

export function* parseAttribute(
  c: WireCursor,
  parent: Frame,
  depth: number,
  layout: Layout,
): Step<AttributeInfo> {
  const frame = c.enter(parent, 'an attribute', 4);
  const a: Mutable<AttributeInfo> = { name: '', type: 0 };
  const floats: number[] = [];
  const ints: number[] = [];
  const strings: (string | undefined)[] = [];
  let hasString = false;
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    switch (c.field) {
      case 1:
        if (c.textMissing(frame)) yield;
        a.name = c.text(frame);
        break;
      case 2:
        c.expect(Wire.fixed32, frame);
        a.f = c.float32(frame);
        break;
      case 3:
        c.expect(Wire.varint, frame);
        a.i = c.signed(frame);
        break;
      case 4:
      case 9: {
        const isList = c.field === 9;
        const text = yield* readBytes(c, frame);
        if (isList) strings.push(text);
        else {
          a.s = text;
          hasString = true;
        }
        break;
      }
      case 5:
        if (a.t) throw twice('a tensor', frame, c.start);
        a.t = yield* parseTensor(c, frame, false, layout);
        break;
      case 6:
        if (a.g) throw twice('a graph', frame, c.start);
        a.g = yield* parseGraph(c, frame, depth + 1, layout);
        break;
      case 7:
        yield* readFloatList(c, frame, floats);
        break;
      case 8:
        yield* readInts(c, frame, ints);
        break;
      case 20:
        c.expect(Wire.varint, frame);
        a.type = c.int32(frame);
        break;
      case 21:
        if (c.textMissing(frame)) yield;
        a.refersTo = c.text(frame);
        break;
      default:
        c.skip(frame);
    }
  }
  if (a.type === 0) a.type = impliedType(a, floats, ints, strings);
  if (a.s === undefined) delete a.s;
  // Zeros, empty texts and empty lists may leave no trace in the file but the type.
  if (a.type === 3 && !hasString) a.s = '';
  if (floats.length > 0 || a.type === 6) a.floats = floats;
  if (ints.length > 0 || a.type === 7) a.ints = ints;
  if ((strings.length > 0 || a.type === 8) && strings.every((s) => s !== undefined)) a.strings = strings;
  if (a.type === 1) a.f ??= 0;
  if (a.type === 2) a.i ??= 0;
  return a;
}

/** Files of IR version 1 have no attribute types. */
function impliedType(a: AttributeInfo, floats: number[], ints: number[], strings: unknown[]): number {
  if (a.g) return 5;
  if (a.t) return 4;
  if (strings.length > 0) return 8;
  if (ints.length > 0) return 7;
  if (floats.length > 0) return 6;
  if (a.s !== undefined) return 3;
  if (a.i !== undefined) return 2;
  return a.f === undefined ? 0 : 1;
}

/** A `bytes` field as text; undefined where it is too long or not text, which is legal there. */
function* readBytes(c: WireCursor, frame: Frame): Step<string | undefined> {
  c.expect(Wire.bytes, frame);
  if (c.end - c.pos > MAX_TEXT) {
    c.skip(frame);
    return undefined;
  }
  if (c.textMissing(frame)) yield;
  return c.bytesAsText();
}

function* readFloatList(c: WireCursor, frame: Frame, into: number[]): Step<void> {
  if (c.wire !== Wire.bytes) {
    c.expect(Wire.fixed32, frame);
    c.charge(1);
    into.push(c.float32(frame));
    return;
  }
  const packed = c.enter(frame, 'the floats of an attribute', 1);
  while (c.pos < packed.end) {
    if (c.need(HEADER)) yield;
    c.charge(1);
    into.push(c.float32(packed));
  }
}

function twice(what: string, frame: Frame, offset: number): OnnxError {
  return new OnnxError(
    'bad-data',
    `At byte ${offset}, ${frame.label} has ${what} twice; the file is damaged, export it again.`,
    offset,
  );
}
