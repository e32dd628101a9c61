/**
 * The four trained fixtures against what onnx 1.x for Python read from them (hashes of a line a node, value and
 * tensor, and of all initializers' bytes), so that nothing here checks the reader with itself.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openOnnx } from './reader.ts';
import { readFloats, readInts, tensorBlob, tensorBytes } from './tensors.ts';
import type { AttributeInfo, OnnxModel, TensorInfo, ValueInfo } from './types.ts';
import { composeOnnx } from './writer.ts';

const FIXTURES = [
  {
    path: 'public/samples/shakespeare-gpt2/model.onnx',
    head: [10, '2.13.0+cpu', 20],
    counts: [505, 173, 701, 0],
    hashes: ['b2753277db6784c7', 'b64a89f4729e0422', 'a9fec98fc2962afa', '062497c31366fcac'],
    largest: 'm.transformer.h.0.mlp.c_fc.weight',
    dims: [128, 512],
    first: [0.01885792426764965, 0.007468234747648239, 0.0026979779358953238],
  },
  {
    path: 'public/samples/digits-vit/model.onnx',
    head: [10, '2.13.0+cpu', 20],
    counts: [374, 210, 583, 0],
    hashes: ['255bf4caf6a6559b', 'be545267889ac65d', 'c36ea8b1045dc7f3', '764966f8ca30d1a2'],
    largest: 'val_64',
    dims: [96, 384],
    first: [-0.050110187381505966, -0.04917280375957489, -0.025037856772542],
  },
  {
    path: 'src/testing/fixtures/shakespeare-gpt2/model-torchscript.onnx',
    head: [7, '2.13.0', 14],
    counts: [2561, 149, 0, 956],
    hashes: ['d0e8d12ebb4cbe61', 'ae9f2d09c22cd1c9', '8a8087fc49edf0b9', 'c91e51f1a621b6e0'],
    largest: 'm.transformer.h.0.mlp.c_fc.weight',
    dims: [128, 512],
    first: [0.01885792426764965, 0.007468234747648239, 0.0026979779358953238],
  },
  {
    path: 'src/testing/fixtures/digits-vit/model-torchscript.onnx',
    head: [8, '2.13.0', 17],
    counts: [897, 200, 0, 263],
    hashes: ['a4ab5fa8beada676', 'd3673ce38aa09ebd', 'd74220b7fda5fc07', '06b75f081558ce02'],
    largest: 'onnx::MatMul_1271',
    dims: [96, 384],
    first: [-0.050110187381505966, -0.04917280375957489, -0.025037856772542],
  },
] as const;

describe.each(FIXTURES)('$path', (fixture) => {
  const bytes = new Uint8Array(readFileSync(fixture.path));
  const opened = openOnnx(new Blob([bytes]));

  it('is read as onnx for Python reads it', async () => {
    const model = await opened;
    const { graph } = model;
    expect([model.irVersion, model.producerVersion, model.opsets.get('')]).toEqual(fixture.head);
    const constants = graph.nodes.filter((n) => n.opType === 'Constant').length;
    const { nodes, initializers, valueInfos } = graph;
    expect([nodes.length, initializers.length, valueInfos.length, constants]).toEqual(fixture.counts);
    expect([...structureHashes(model), await weightHash(model)]).toEqual(fixture.hashes);
  });

  it('yields values of its tensors', async () => {
    const model = await opened;
    const tensor = named(model, fixture.largest);
    expect(tensor.dims).toEqual(fixture.dims);
    expect(Array.from((await readFloats(model, tensor)).subarray(0, 3))).toEqual(fixture.first);
    expect((await tensorBlob(model, tensor)).size).toBe(fixture.dims[0] * fixture.dims[1] * 4);
    for (const node of model.graph.nodes) {
      const value = node.attributes.get('value')?.t;
      if (value?.dataType !== 7) continue;
      const [count] = value.dims;
      expect(await readInts(model, value)).toHaveLength(count ?? 1);
    }
  });

  it('comes out byte for byte where nothing is edited, composed of parts', async () => {
    const file = composeOnnx(await opened, {});
    expect(file.size).toBe(bytes.length);
    expect(file.parts.length).toBeGreaterThan(1);
    expect(await same(file.toBlob(), bytes)).toBe(true);
    const streamed: Uint8Array[] = [];
    for await (const chunk of file.toStream()) streamed.push(chunk);
    expect(streamed.slice(0, -1).every((chunk) => chunk.length >= 1 << 20)).toBe(true);
    expect(await same(new Blob(streamed as BlobPart[]), bytes)).toBe(true);
  });

  it('differs only in a tensor that is replaced by one of the same size', async () => {
    const model = await opened;
    const tensor = named(model, fixture.largest);
    if (tensor.storage.kind !== 'raw') throw new Error('raw storage expected');
    const { start, end } = tensor.storage.range;
    const data = new Uint8Array(end - start).fill(7);
    const { name, dataType, dims } = tensor;
    const file = composeOnnx(model, { tensors: new Map([[tensor, { name, dataType, dims, data }]]) });
    const expected = Uint8Array.from(bytes);
    expected.fill(7, start, end);
    expect(await same(file.toBlob(), expected)).toBe(true);
  });

  it('differs only in a tensor and the lengths around it where the shape changes', async () => {
    const model = await opened;
    const tensor = named(model, fixture.largest);
    const { name, dataType } = tensor;
    const data = Uint8Array.from({ length: 2 * 3 * 4 }, (_, i) => i);
    const file = composeOnnx(model, { tensors: new Map([[tensor, { name, dataType, dims: [2, 3], data }]]) });
    const edited = new Uint8Array(await file.toBlob().arrayBuffer());
    const graph = model.graph;
    const lost = bytes.length - edited.length;
    const again = await openOnnx(new Blob([edited]));
    const changed = named(again, fixture.largest);
    expect(again.graph.field.start).toBe(graph.field.start);
    const slack = again.graph.body.start - graph.body.start;
    expect(equal(edited.subarray(0, graph.field.start), bytes.subarray(0, graph.field.start))).toBe(true);
    expect(
      equal(
        edited.subarray(again.graph.body.start, changed.field.start),
        bytes.subarray(graph.body.start, tensor.field.start),
      ),
    ).toBe(true);
    expect(equal(edited.subarray(changed.field.end), bytes.subarray(tensor.field.end))).toBe(true);
    expect(changed.field.end).toBe(tensor.field.end - lost);
    expect(Math.abs(slack)).toBeLessThanOrEqual(1);
    expect(changed.dims).toEqual([2, 3]);
    expect(await tensorBytes(again, changed)).toEqual(data);
  });
});

function structureHashes(model: OnnxModel): string[] {
  const { graph } = model;
  const nodes = graph.nodes.map((n) =>
    [
      n.opType,
      n.name,
      n.inputs.join(','),
      n.outputs.join(','),
      [...n.attributes.values()].map(describeAttribute).join(';'),
    ].join('|'),
  );
  const values = [...graph.inputs, ...graph.outputs, ...graph.valueInfos].map(describeValue);
  const tensors = graph.initializers.map((t) => `${t.name}:${t.dataType}:${t.dims.join('x')}`);
  return [nodes, values, tensors].map((lines) => shortHash(lines.join('\n')));
}

function describeAttribute(a: AttributeInfo): string {
  const float = () => Buffer.from(Float32Array.of(a.f!).buffer).toString('hex');
  const tensor = () => `${a.t!.dims.join('x')}:${a.t!.dataType}`;
  const value = [
    undefined,
    float,
    () => a.i,
    () => a.s,
    tensor,
    undefined,
    undefined,
    () => a.ints!.join(' '),
  ];
  return `${a.name}=${a.type}=${value[a.type]?.() ?? ''}`;
}

function describeValue(v: ValueInfo): string {
  return `${v.name}:${v.elemType}:${v.dims!.map((d) => d ?? '?').join(',')}`;
}

async function weightHash(model: OnnxModel): Promise<string> {
  const hash = createHash('sha256');
  for (const tensor of model.graph.initializers) hash.update(await tensorBytes(model, tensor));
  return hash.digest('hex').slice(0, 16);
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function named(model: OnnxModel, name: string): TensorInfo {
  return model.graph.initializers.find((t) => t.name === name)!;
}

async function same(blob: Blob, bytes: Uint8Array): Promise<boolean> {
  return equal(new Uint8Array(await blob.arrayBuffer()), bytes);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
