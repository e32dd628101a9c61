/** Attributes that a call of a function leaves to their defaults, as bytes. */
import { join, textField, varint, varintField } from '../onnx/encode.ts';
import { type AttributeInfo, OnnxError } from '../onnx/types.ts';

/**
 * AttributeProto: name 1, f 2, i 3, s 4, floats 7, ints 8, strings 9, type 20.
 * @throws OnnxError for a default that is a tensor or a graph
 */
export function encodeDefault(attribute: AttributeInfo | undefined): Uint8Array | undefined {
  if (!attribute) return undefined;
  const { name, type, f, i, s, floats, ints, strings } = attribute;
  const values = [
    ...(f === undefined ? [] : [floatField(2, f)]),
    ...(i === undefined ? [] : [intField(3, i)]),
    ...(s === undefined ? [] : [textField(4, s)]),
    ...(floats ?? []).map((v) => floatField(7, v)),
    ...(ints ?? []).map((v) => intField(8, v)),
    ...(strings ?? []).map((v) => textField(9, v)),
  ];
  if (type === 4 || type === 5 || type > 8) {
    throw new OnnxError(
      'bad-data',
      `The default of the function attribute “${name}” is a tensor or a graph, which cannot be inlined here; inline the functions with onnx.inliner.inline_local_functions and drop the result instead.`,
    );
  }
  return join([textField(1, name), ...values, varintField(20, type)]);
}

function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return join([varint(field * 8 + 5), bytes]);
}

/** int64 as a varint; negative ones take ten bytes. */
function intField(field: number, value: number): Uint8Array {
  if (value >= 0) return varintField(field, value);
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return join([varint(field * 8), Uint8Array.from(bytes)]);
}
