/**
 * Encodes a whole model of one graph, made from nothing: standard operators, tensors in memory, fixed shapes.
 *
 * Why: what is differentiated is a graph of its own (differentiate/), not an edit of a file.
 *
 * Known limits: no functions, no external data, attributes that are integers; all of it is in memory at once.
 */
import {
  bytesHeader,
  checkTensor,
  join,
  messageField,
  nodeField,
  tensorBody,
  textField,
  valueField,
  varintField,
} from './encode.ts';
import type { NewNode, NewTensor, NewValueInfo } from './types.ts';

export interface NewModel {
  /** Version of the standard operators. */
  readonly opset: number;
  /** In execution order. */
  readonly nodes: readonly NewNode[];
  readonly initializers: readonly (NewTensor & { readonly data: Uint8Array })[];
  readonly inputs: readonly NewValueInfo[];
  readonly outputs: readonly NewValueInfo[];
}

/** The IR version from which on initializers need not be listed among the inputs, and that all runtimes here read. */
const IR_VERSION = 8;

/** Fields of ModelProto and GraphProto. */
const Field = { irVersion: 1, producer: 2, graph: 7, opset: 8 } as const;
const GraphField = { name: 2, initializer: 5, input: 11, output: 12 } as const;

/** @throws OnnxError `bad-shape` or `bad-data` for a tensor whose values do not fit its shape */
export function encodeModel({
  opset,
  nodes,
  initializers,
  inputs,
  outputs,
}: NewModel): Uint8Array<ArrayBuffer> {
  const tensors = initializers.flatMap((tensor) => {
    checkTensor(tensor);
    const body = tensorBody(tensor) as Uint8Array[];
    return [
      bytesHeader(
        GraphField.initializer,
        body.reduce((n, c) => n + c.byteLength, 0),
      ),
      ...body,
    ];
  });
  const graph = [
    ...nodes.map(nodeField),
    textField(GraphField.name, 'layerfold'),
    ...tensors,
    ...inputs.map((v) => valueField(GraphField.input, v)),
    ...outputs.map((v) => valueField(GraphField.output, v)),
  ];
  return join([
    varintField(Field.irVersion, IR_VERSION),
    textField(Field.producer, 'layerfold'),
    messageField(Field.graph, graph),
    messageField(Field.opset, [textField(1, ''), varintField(2, opset)]),
  ]);
}
