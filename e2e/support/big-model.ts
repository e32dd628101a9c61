/**
 * Writes a model file of any size, in a stream: n residual FFNs (MatMul, Relu, MatMul, Add) whose weights are distinct
 * noise, so that nothing can be found equal and left unread. The protobuf is put together by hand, from the outside in:
 * every length is known before a byte of weights is made.
 */
import { open } from 'node:fs/promises';

export interface BigModel {
  readonly layers: number;
  readonly dModel: number;
  readonly dFf: number;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}

const scalar = (number: number, value: number) => Buffer.concat([varint(number << 3), varint(value)]);
const header = (number: number, length: number) => Buffer.concat([varint((number << 3) | 2), varint(length)]);
const message = (number: number, ...parts: Buffer[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([header(number, body.length), body]);
};
const string = (number: number, text: string) => message(number, Buffer.from(text));

const float32 = 1;
const rawDataField = 9;
const initializerField = 5;

/** NodeProto as a field of the graph. */
function node(opType: string, inputs: string[], output: string): Buffer {
  return message(
    1,
    ...inputs.map((name) => string(1, name)),
    string(2, output),
    string(3, output),
    string(4, opType),
  );
}

/** ValueInfoProto of a [tokens, width] tensor. */
function valueInfo(number: number, name: string, width: number): Buffer {
  const shape = message(2, message(1, string(2, 'tokens')), message(1, scalar(1, width)));
  return message(number, string(1, name), message(2, message(1, scalar(1, float32), shape)));
}

interface Weight {
  /** Everything of the initializer up to its raw bytes. */
  readonly head: Buffer;
  readonly bytes: number;
}

function weight(name: string, rows: number, columns: number): Weight {
  const bytes = rows * columns * 4;
  const facts = Buffer.concat([
    scalar(1, rows),
    scalar(1, columns),
    scalar(2, float32),
    string(8, name),
    header(rawDataField, bytes),
  ]);
  return { head: Buffer.concat([header(initializerField, facts.length + bytes), facts]), bytes };
}

/** Small finite floats from a xorshift generator; one chunk, stamped anew for each write. */
function noise(length: number): Buffer {
  const words = new Uint32Array(length / 4);
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = 0x3c000000 | (state & 0x80ffffff);
  }
  return Buffer.from(words.buffer);
}

/** Writes the file and gives its size. */
export async function writeBigModel(path: string, { layers, dModel, dFf }: BigModel): Promise<number> {
  const nodes: Buffer[] = [];
  const weights: Weight[] = [];
  let stream = 'x';
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `layers.${layer}.${part}`;
    nodes.push(
      node('MatMul', [stream, name('up')], name('pre')),
      node('Relu', [name('pre')], name('hidden')),
      node('MatMul', [name('hidden'), name('down')], name('out')),
      node('Add', [stream, name('out')], name('residual')),
    );
    weights.push(weight(name('up'), dModel, dFf), weight(name('down'), dFf, dModel));
    stream = name('residual');
  }
  nodes.push(node('Identity', [stream], 'y'));
  const start = Buffer.concat([...nodes, string(2, 'big')]);
  const end = Buffer.concat([valueInfo(11, 'x', dModel), valueInfo(12, 'y', dModel)]);
  const graphLength = weights.reduce(
    (sum, { head, bytes }) => sum + head.length + bytes,
    start.length + end.length,
  );

  const file = await open(path, 'w');
  try {
    await file.writeFile(
      Buffer.concat([
        scalar(1, 8),
        string(2, 'layerfold-test'),
        message(8, string(1, ''), scalar(2, 17)),
        header(7, graphLength),
        start,
      ]),
    );
    const chunk = noise(4 << 20);
    let stamp = 1;
    for (const { head, bytes } of weights) {
      await file.writeFile(head);
      for (let at = 0; at < bytes; at += chunk.length) {
        chunk.writeFloatLE(stamp++ * 1e-6, 0);
        await file.write(chunk, 0, Math.min(chunk.length, bytes - at));
      }
    }
    await file.writeFile(end);
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
