/** A file of more than 1.5 GB must cost megabytes; the big tensors are one small Blob, repeated. */
import { describe, expect, it } from 'vitest';
import { buildModel, f32, input, node, output, wire } from '../testing/onnx-builder.ts';
import { openOnnx } from './reader.ts';
import { composeOnnx } from './writer.ts';

const MIB = 1 << 20;

/** Field number, wire type 2 and length. */
function header(field: number, length: number): Uint8Array<ArrayBuffer> {
  return wire.concat(wire.tag(field, 2), wire.varint(1, length).subarray(1));
}

describe('a file of 1.6 GB', () => {
  const block = new Blob([new Uint8Array(MIB)]);
  const repeats = 400;
  const count = (repeats * MIB) / 4;
  const names = ['a', 'b', 'c', 'd'];
  const small = buildModel({
    inputs: [input('x', 'float', [1, 4])],
    outputs: [output('y', 'float', [1, 4])],
    nodes: [node('Add', ['x', 'bias'], ['y'])],
    initializers: [f32('bias', [4], [1, 2, 3, 4])],
  });
  // Protobuf would merge two graphs; here the big tensors go inside the one graph.
  const model = async () => {
    const opened = await openOnnx(new Blob([small]));
    const { body } = opened.graph;
    const tensors = names.flatMap((name) => {
      const head = wire.concat(
        wire.varint(1, count),
        wire.varint(2, 1),
        wire.text(8, name),
        header(9, count * 4),
      );
      return [header(5, head.length + count * 4), head, ...new Array<Blob>(repeats).fill(block)];
    });
    const graph = new Blob([small.subarray(body.start, body.end), ...tensors]);
    const { start } = opened.graph.field;
    return new Blob([small.subarray(0, start), header(7, graph.size), graph, small.subarray(body.end)]);
  };

  it('opens and composes in little memory', async () => {
    const file = await model();
    expect(file.size).toBeGreaterThan(1.5e9);
    const before = process.memoryUsage();
    const opened = await openOnnx(file);
    const { size, parts } = composeOnnx(opened, {});
    const after = process.memoryUsage();
    expect(opened.graph.initializers.map((t) => t.name)).toEqual(['bias', ...names]);
    expect(size).toBe(file.size);
    expect(parts.length).toBeGreaterThan(1);
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    expect(grown).toBeLessThan(16 * MIB);
  });

  it('drops one of the big tensors', async () => {
    const opened = await openOnnx(await model());
    const last = opened.graph.initializers.at(-1)!;
    const drop = composeOnnx(opened, { tensors: new Map([[last, 'drop']]) });
    // The graph's own length stays a varint of 5 bytes.
    expect(drop.size).toBe(opened.size - (last.field.end - last.field.start));
    const again = await openOnnx(drop.toBlob());
    expect(again.graph.initializers.map((t) => t.name)).toEqual(['bias', 'a', 'b', 'c']);
  });
});
