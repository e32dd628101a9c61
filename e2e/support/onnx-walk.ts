/**
 * A second reading of ONNX files, from the published field numbers and apart from src/onnx, so that what the page
 * writes is judged by something that did not write it. Holds the whole file: for fixtures only.
 */
import { readFileSync } from 'node:fs';

export interface WalkedTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  /** The values of f32 tensors; empty for any other type. */
  readonly floats: Float32Array;
}

export interface WalkedModel {
  /** Initializers, and the tensors of Constant nodes. */
  readonly tensors: readonly WalkedTensor[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly { readonly opType: string; readonly inputs: readonly string[] }[];
}

interface Field {
  readonly number: number;
  readonly varint: number;
  readonly bytes: Buffer;
}

const none = Buffer.alloc(0);

function* fields(bytes: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield { number, varint: varint(), bytes: none };
        break;
      case 1:
        at += 8;
        yield { number, varint: 0, bytes: bytes.subarray(at - 8, at) };
        break;
      case 2: {
        const length = varint();
        at += length;
        yield { number, varint: 0, bytes: bytes.subarray(at - length, at) };
        break;
      }
      case 5:
        at += 4;
        yield { number, varint: 0, bytes: bytes.subarray(at - 4, at) };
        break;
      default:
        throw new Error(`Wire type ${tag & 7} at byte ${at}.`);
    }
  }
}

function textOf(bytes: Buffer, number: number): string {
  for (const field of fields(bytes)) if (field.number === number) return field.bytes.toString('utf8');
  return '';
}

function walkTensor(bytes: Buffer): WalkedTensor {
  const dims: number[] = [];
  let dataType = 0;
  let name = '';
  let raw: Buffer = none;
  for (const field of fields(bytes)) {
    if (field.number === 1 && field.bytes.length === 0) dims.push(field.varint);
    else if (field.number === 1) for (const dim of packed(field.bytes)) dims.push(dim);
    else if (field.number === 2) dataType = field.varint;
    else if (field.number === 8) name = field.bytes.toString('utf8');
    else if (field.number === 9) raw = field.bytes;
    else if (field.number === 4) raw = Buffer.concat([raw, field.bytes]);
  }
  const floats = dataType === 1 ? new Float32Array(new Uint8Array(raw).buffer) : new Float32Array(0);
  return { name, dims, dataType, floats };
}

function packed(bytes: Buffer): number[] {
  const values: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) {
      values.push(value);
      value = 0;
      scale = 1;
    }
  }
  return values;
}

export function walkOnnx(path: string): WalkedModel {
  const tensors: WalkedTensor[] = [];
  const inputs: string[] = [];
  const outputs: string[] = [];
  const nodes: { opType: string; inputs: string[] }[] = [];
  for (const model of fields(readFileSync(path))) {
    if (model.number !== 7) continue;
    for (const field of fields(model.bytes)) {
      if (field.number === 5) tensors.push(walkTensor(field.bytes));
      if (field.number === 11) inputs.push(textOf(field.bytes, 1));
      if (field.number === 12) outputs.push(textOf(field.bytes, 1));
      if (field.number !== 1) continue;
      const node = { opType: textOf(field.bytes, 4), inputs: [] as string[] };
      for (const part of fields(field.bytes)) {
        if (part.number === 1) node.inputs.push(part.bytes.toString('utf8'));
        if (part.number !== 5 || node.opType !== 'Constant') continue;
        for (const attribute of fields(part.bytes)) {
          if (attribute.number === 5)
            tensors.push({ ...walkTensor(attribute.bytes), name: textOf(field.bytes, 2) });
        }
      }
      nodes.push(node);
    }
  }
  return { tensors, inputs, outputs, nodes };
}
