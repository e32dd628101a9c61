/**
 * FunctionProto: an operator that the model defines by nodes of its own, and OperatorSetIdProto.
 *
 * Why: some exporters write each module as a function, and what is in it can be merged only where its weights come in
 * from outside (flatten/inline.ts).
 *
 * Known limits: value descriptions, doc strings and metadata are not read.
 */

import type { Layout } from './layout.ts';
import { normalDomain, parseAttribute, parseNode } from './parse-graph.ts';
import type { AttributeInfo, FunctionInfo, NodeInfo } from './types.ts';
import type { Frame, Step, WireCursor } from './wire.ts';
import { fieldRange, HEADER, Wire } from './wire.ts';

/** OperatorSetIdProto: domain 1, version 2. */
export function* parseOpset(c: WireCursor, parent: Frame, into: Map<string, number>): Step<void> {
  const frame = c.enter(parent, 'an opset import', 4);
  let domain = '';
  let version = 0;
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    if (c.field === 1) {
      if (c.textMissing(frame)) yield;
      domain = normalDomain(c.text(frame));
    } else if (c.field === 2) {
      c.expect(Wire.varint, frame);
      version = c.signed(frame);
    } else c.skip(frame);
  }
  into.set(domain, version);
}

/** name 1, input 4, output 5, node 7, opset_import 9, domain 10, attribute_proto 11, overload 13. */
export function* parseFunction(c: WireCursor, parent: Frame, layout: Layout): Step<FunctionInfo> {
  const frame = c.enter(parent, 'a model function', 8);
  let name = '';
  let domain = '';
  let overload = '';
  const inputs: string[] = [];
  const outputs: string[] = [];
  const defaults = new Map<string, AttributeInfo>();
  const nodes: NodeInfo[] = [];
  const opsets = new Map<string, number>();
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    const { field } = c;
    if (field === 7) nodes.push(yield* parseNode(c, frame, nodes.length, 0, layout));
    else if (field === 9) yield* parseOpset(c, frame, opsets);
    else if (field === 11) {
      const attribute = yield* parseAttribute(c, frame, 0, layout);
      defaults.set(attribute.name, attribute);
    } else if (field === 1 || field === 4 || field === 5 || field === 10 || field === 13) {
      if (c.textMissing(frame)) yield;
      const text = c.text(frame);
      if (field === 1) name = text;
      else if (field === 4) inputs.push(text);
      else if (field === 5) outputs.push(text);
      else if (field === 10) domain = normalDomain(text);
      else overload = text;
    } else c.skip(frame);
  }
  return { domain, name, overload, inputs, outputs, defaults, nodes, opsets, field: fieldRange(frame) };
}
