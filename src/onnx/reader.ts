/**
 * Opens an ONNX file: its structure in memory, its weights as byte ranges.
 *
 * Why: ordinary protobuf libraries need the whole buffer, and a browser cannot hold a 2 GB file. This scanner reads
 * windows of at most 1 MiB, steps over payloads, and costs memory in proportion to the graph (see `limits.ts`).
 *
 * Format: onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
 * Known limits: a known field with a wrong wire type is refused where protobuf would skip it; a second `graph`
 * field is refused where protobuf would merge it; `training_info` is stepped over.
 */

import type { Layout } from './layout.ts';
import { newLayout, setLayout } from './layout.ts';
import { parseFunction, parseOpset } from './parse-function.ts';
import { parseGraph } from './parse-graph.ts';
import { SNIFF_BYTES, sniff, strangerError } from './sniff.ts';
import type { Externals, FunctionInfo, GraphInfo, OnnxModel } from './types.ts';
import { OnnxError } from './types.ts';
import type { Frame, Step } from './wire.ts';
import { drive, HEADER, readRange, Wire, WireCursor } from './wire.ts';

interface Draft {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  readonly opsets: Map<string, number>;
  readonly functions: FunctionInfo[];
  graph?: GraphInfo;
  /** Whether any field of a ModelProto was read whole. */
  isFamiliar: boolean;
}

/**
 * Reads the structure of an ONNX model.
 * @param source the .onnx file; it is kept, and must stay readable for tensors and for saving.
 * @param externals finds the files that its external tensors are in.
 * @throws OnnxError for everything that is not a well-formed model: `not-onnx`, `no-graph`, `truncated`,
 *   `bad-varint`, `bad-wire-type`, `bad-length`, `bad-text`, `bad-shape`, `bad-data`, `too-deep`, `too-large`,
 *   `unreadable`.
 */
export async function openOnnx(source: Blob, externals?: Externals): Promise<OnnxModel> {
  const head = await readRange(source, 0, Math.min(source.size, SNIFF_BYTES));
  sniff(head, source.size);
  const cursor = new WireCursor(source);
  const layout = newLayout();
  const draft: Draft = {
    irVersion: 0,
    producerName: '',
    producerVersion: '',
    opsets: new Map(),
    functions: [],
    isFamiliar: false,
  };
  try {
    await drive(cursor, parseModel(cursor, draft, layout));
  } catch (error) {
    if (draft.isFamiliar || !(error instanceof OnnxError) || error.code === 'unreadable') throw error;
    // A file that fails at once is more likely something else than a damaged model.
    if (error.offset === undefined || error.offset > SNIFF_BYTES) throw error;
    throw strangerError(head, lowerFirst(error.message.split(';')[0]));
  }
  if (!draft.isFamiliar) throw strangerError(head, 'none of the fields of a model are in it');
  if (!draft.graph) {
    throw new OnnxError(
      'no-graph',
      'This ONNX file has no graph, so there is nothing to run or merge; export the model again.',
    );
  }
  const model: OnnxModel = {
    source,
    ...(externals && { externals }),
    size: source.size,
    irVersion: draft.irVersion,
    producerName: draft.producerName,
    producerVersion: draft.producerVersion,
    opsets: draft.opsets,
    graph: draft.graph,
    functions: draft.functions,
  };
  setLayout(model, layout);
  return model;
}

function* parseModel(c: WireCursor, draft: Draft, layout: Layout): Step<void> {
  const frame: Frame = { label: 'the model', parent: null, start: 0, lengthAt: 0, body: 0, end: c.size };
  while (c.pos < frame.end) {
    if (c.need(HEADER)) yield;
    c.header(frame);
    switch (c.field) {
      case 1:
        c.expect(Wire.varint, frame);
        draft.irVersion = c.signed(frame);
        break;
      case 2:
      case 3: {
        const isName = c.field === 2;
        if (c.textMissing(frame)) yield;
        const text = c.text(frame);
        if (isName) draft.producerName = text;
        else draft.producerVersion = text;
        break;
      }
      case 7:
        if (draft.graph) {
          throw new OnnxError(
            'bad-data',
            `The model has a second graph at byte ${c.start}; Layerfold opens models with one, so export it again.`,
            c.start,
          );
        }
        // A graph that fills the file up to its end is a model's, even where it turns out to be damaged.
        draft.isFamiliar ||= c.wire === Wire.bytes && draft.irVersion > 0;
        draft.graph = yield* parseGraph(c, frame, 0, layout);
        break;
      case 8:
        yield* parseOpset(c, frame, draft.opsets);
        break;
      case 25:
        draft.functions.push(yield* parseFunction(c, frame, layout));
        break;
      default:
        c.skip(frame);
        continue;
    }
    draft.isFamiliar = true;
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
