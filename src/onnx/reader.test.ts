import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../testing/onnx-builder.ts';
import {
  buildBlob,
  buildModel,
  constant,
  external,
  f32,
  float,
  graph,
  i64,
  input,
  node,
  output,
  tensor,
  wire,
} from '../testing/onnx-builder.ts';
import { openOnnx } from './reader.ts';
import type { OnnxErrorCode } from './types.ts';
import { OnnxError } from './types.ts';

const SMALL: ModelSpec = {
  opset: 17,
  domains: { 'com.microsoft': 1 },
  irVersion: 9,
  inputs: [input('x', 'float', ['batch', 4, null]), input('any')],
  outputs: [output('y', 'int64')],
  valueInfos: [input('h', 'float16', [])],
  initializers: [f32('w', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), i64('shape', [2], [-1, 8], 'unpacked')],
  nodes: [
    node('Gemm', ['x', 'w', ''], ['y'], { transB: 1, alpha: float(1), beta: 0.5 }, { name: 'first' }),
    node(
      'Odd',
      [],
      ['p', 'q'],
      { s: 'text', many: ['a', 'b'], fs: float([1, 2.5]), none: [] },
      { domain: 'com.microsoft' },
    ),
    constant('c', f32('', [], [3])),
  ],
  functions: [{ domain: 'mine', name: 'Fn' }],
};

async function open(...parts: Uint8Array[]) {
  return openOnnx(new Blob(parts as BlobPart[]));
}

async function failure(blob: Blob): Promise<OnnxError> {
  const error = await openOnnx(blob).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(OnnxError);
  return error as OnnxError;
}

async function expectFailure(bytes: Uint8Array, code: OnnxErrorCode, words: RegExp): Promise<void> {
  const error = await failure(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  expect([error.code, error.message]).toEqual([code, expect.stringMatching(words)]);
  expect(error.message).toMatch(/^[A-Z].*\.$/);
}

describe('openOnnx', () => {
  it('reads every part of a small model', async () => {
    const bytes = buildModel(SMALL);
    const model = await open(bytes);
    expect([model.irVersion, model.producerName, model.size]).toEqual([9, 'layerfold-tests', bytes.length]);
    expect([...model.opsets]).toEqual([
      ['', 17],
      ['com.microsoft', 1],
    ]);
    expect(model.functions).toMatchObject([{ domain: 'mine', name: 'Fn' }]);
    const { nodes, initializers, inputs, outputs, valueInfos } = model.graph;
    expect(inputs).toMatchObject([{ name: 'x', elemType: 1, dims: ['batch', 4, null] }, { name: 'any' }]);
    expect(inputs[1].elemType).toBeUndefined();
    expect(outputs).toMatchObject([{ name: 'y', elemType: 7 }]);
    expect(outputs[0].dims).toBeUndefined();
    expect(valueInfos).toMatchObject([{ name: 'h', elemType: 10, dims: [] }]);
    expect(nodes[0]).toMatchObject({ name: 'first', opType: 'Gemm', inputs: ['x', 'w', ''], outputs: ['y'] });
    expect(nodes[0].attributes.get('transB')).toEqual({ name: 'transB', type: 2, i: 1 });
    expect(nodes[0].attributes.get('alpha')).toEqual({ name: 'alpha', type: 1, f: 1 });
    expect(nodes[1]).toMatchObject({ index: 1, domain: 'com.microsoft', inputs: [], outputs: ['p', 'q'] });
    expect(nodes[1].attributes.get('s')).toEqual({ name: 's', type: 3, s: 'text' });
    expect(nodes[1].attributes.get('many')?.strings).toEqual(['a', 'b']);
    expect(nodes[1].attributes.get('fs')?.floats).toEqual([1, 2.5]);
    expect(nodes[1].attributes.get('none')?.ints).toEqual([]);
    expect(nodes[2].attributes.get('value')?.t).toMatchObject({ dims: [], dataType: 1 });
    expect(initializers).toMatchObject([
      { name: 'w', dims: [2, 4], dataType: 1, storage: { kind: 'raw' } },
      { name: 'shape', dims: [2], storage: { kind: 'typed', field: 7, packed: false } },
    ]);
    const { start, end } = initializers[0].field;
    expect(bytes[start]).toBe(5 * 8 + 2);
    expect(bytes.subarray(start, end).length).toBe(end - initializers[0].body.start + 2);
  });

  it('reads graphs inside attributes, up to a depth', async () => {
    const nest = (levels: number): ModelSpec => {
      let g = graph({ nodes: [node('Inner', ['x'], ['y'])] });
      for (let i = 1; i < levels; i++) g = graph({ nodes: [node('If', ['x'], ['y'], { then_branch: g })] });
      return { nodes: [node('If', ['x'], ['y'], { then_branch: g })] };
    };
    const model = await openOnnx(buildBlob(nest(2)));
    const inner = model.graph.nodes[0].attributes
      .get('then_branch')
      ?.g?.nodes[0].attributes.get('then_branch')?.g;
    expect(inner?.nodes[0].opType).toBe('Inner');
    await openOnnx(buildBlob(nest(32)));
    await expectFailure(buildModel(nest(33)), 'too-deep', /more than 32 deep at byte \d+/);
  });

  it('takes packed and unpacked, long varints and unknown fields alike', async () => {
    const unknown = wire.concat(
      wire.varint(900, -1n),
      wire.fixed32(901, 1),
      wire.fixed64(902, 2n),
      wire.text(903, 'x'),
    );
    const padded = await open(
      buildModel({ ...SMALL, padLengths: 4, prefix: unknown, suffix: unknown, extra: unknown }),
    );
    expect(padded.graph.nodes.map((n) => n.opType)).toEqual(['Gemm', 'Odd', 'Constant']);
    const packedDims = wire.concat(
      wire.bytes(1, Uint8Array.of(2, 3)),
      wire.varint(1, 1),
      wire.varint(2, 1),
      wire.text(8, 't'),
    );
    const packedInts = wire.concat(
      wire.text(1, 'axes'),
      wire.varint(8, -1),
      wire.bytes(8, Uint8Array.of(5, 6)),
    );
    const model = await open(
      buildModel({ extra: wire.concat(wire.bytes(5, packedDims), wire.bytes(1, wire.bytes(5, packedInts))) }),
    );
    expect(model.graph.initializers[0]).toMatchObject({
      name: 't',
      dims: [2, 3, 1],
      storage: { kind: 'empty' },
    });
    expect(model.graph.nodes[0].attributes.get('axes')).toEqual({ name: 'axes', type: 7, ints: [-1, 5, 6] });
  });

  it('lets the last of a repeated single field win', async () => {
    const t = f32('old', [1], [1]);
    const extra = wire.concat(wire.text(8, 'new'), wire.bytes(9, Uint8Array.of(0, 0, 0, 64)));
    const model = await openOnnx(buildBlob({ initializers: [{ ...t, extra }] }));
    expect(model.graph.initializers[0]).toMatchObject({ name: 'new', storage: { kind: 'raw' } });
  });

  it('records where external data is', async () => {
    const model = await openOnnx(
      buildBlob({
        initializers: [
          external('a', 'float', [4], { location: 'w.data', offset: 64, length: 16 }),
          external('b', 'float', [4], { location: 'w.data' }),
        ],
      }),
    );
    expect(model.graph.initializers.map((t) => t.storage)).toEqual([
      { kind: 'external', location: 'w.data', offset: 64, length: 16 },
      { kind: 'external', location: 'w.data', offset: 0 },
    ]);
  });

  it('leaves out attribute bytes that are not text', async () => {
    const binary = wire.concat(
      wire.text(1, 'blob'),
      wire.bytes(4, Uint8Array.of(255, 254)),
      wire.varint(20, 3),
    );
    const model = await openOnnx(
      buildBlob({ nodes: [{ ...node('N', [], ['y']), extra: wire.bytes(5, binary) }] }),
    );
    expect(model.graph.nodes[0].attributes.get('blob')).toEqual({ name: 'blob', type: 3 });
  });
});

describe('files that are not models', () => {
  const text = (s: string) => new TextEncoder().encode(s);
  const latin = (s: string) => Uint8Array.from(s, (ch) => ch.charCodeAt(0));
  const safetensors = new Uint8Array(64);
  safetensors.set([16, 0, 0, 0, 0, 0, 0, 0, 0x7b]);
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /it is empty; download/],
    ['zeros', new Uint8Array(100), /all zeros/],
    ['zip', latin('PK\x03\x04rest'), /zip archive .*PyTorch/],
    ['png', latin('\x89PNG\r\n\x1a\n'), /PNG image/],
    ['html', text('\n <!DOCTYPE html><html>'), /web page/],
    ['safetensors', safetensors, /safetensors checkpoint/],
    ['json', text('{"model_type": "gpt2"}'), /plain text/],
    ['prose', text('Once upon a time there was a model, and it was not in this file.'), /plain text/],
    ['git lfs', text('version https://git-lfs.github.com/spec/v1\noid sha256:1'), /git lfs pull/],
    ['gguf', latin('GGUF\x03\0\0\0'), /GGUF/],
    ['numpy', latin('\x93NUMPY\x01\0'), /NumPy array/],
    ['noise', Uint8Array.from({ length: 64 }, (_, i) => (i * 151 + 200) % 256), /./],
    [
      'another protobuf',
      wire.concat(wire.text(1, 'a'), wire.text(2, 'b')),
      /wire type 2 where 0 was expected/,
    ],
    ['unknown fields only', wire.concat(wire.varint(99, 1)), /none of the fields of a model/],
  ])('%s', async (_, bytes, words) => {
    await expectFailure(bytes, 'not-onnx', words);
  });

  it('a model without a graph', async () => {
    await expectFailure(wire.concat(wire.varint(1, 8), wire.text(2, 'pytorch')), 'no-graph', /has no graph/);
  });
});

describe('damaged models', () => {
  const inGraph = (extra: Uint8Array) => buildModel({ extra });
  const initializer = (...fields: Uint8Array[]) => inGraph(wire.bytes(5, wire.concat(...fields)));
  const lying = (field: number, length: number) =>
    wire.concat(wire.tag(field, 2), wire.varint(1, length).subarray(1));
  it.each<[string, Uint8Array, OnnxErrorCode, RegExp]>([
    [
      'a cut file',
      buildModel(SMALL).subarray(0, 200),
      'truncated',
      /says that it is \d+ bytes long, but only \d+ are left/,
    ],
    [
      'a length over the parent',
      inGraph(lying(1, 1 << 30)),
      'bad-length',
      /is 1073741824 bytes long, but only 0 are left/,
    ],
    ['a length over 2^53', inGraph(lying(1, 2 ** 60)), 'bad-length', /but only 0 are left/],
    ['a long varint', inGraph(new Uint8Array(40).fill(0xff)), 'bad-varint', /longer than the 10 bytes/],
    ['a group', inGraph(wire.tag(9, 3)), 'bad-wire-type', /wire type 3, which ONNX does not use/],
    ['wire type 7', inGraph(wire.tag(9, 7)), 'bad-wire-type', /wire type 7/],
    ['field number 0', inGraph(Uint8Array.of(0, 1)), 'bad-wire-type', /the number 0/],
    [
      'a name that is a number',
      inGraph(wire.varint(2, 5)),
      'bad-wire-type',
      /wire type 0 where 2 was expected/,
    ],
    [
      'a varint cut by its message',
      inGraph(wire.bytes(1, Uint8Array.of(72, 0x80))),
      'bad-length',
      /cuts off the value/,
    ],
    ['a name that is not UTF-8', inGraph(wire.bytes(2, Uint8Array.of(0xc3))), 'bad-text', /not UTF-8/],
    [
      'a negative dimension',
      initializer(wire.varint(1, -3), wire.varint(2, 1)),
      'bad-shape',
      /shape -3, with a negative/,
    ],
    [
      'an absurd shape',
      initializer(wire.varint(1, 2 ** 40), wire.varint(1, 2 ** 40)),
      'bad-shape',
      /more elements than/,
    ],
    [
      'raw data of the wrong length',
      inGraph(
        wire.bytes(5, wire.concat(wire.varint(1, 3), wire.varint(2, 1), wire.bytes(9, new Uint8Array(8)))),
      ),
      'bad-data',
      /has 8 bytes in raw_data, but its shape 3 needs 12/,
    ],
    [
      'float_data of the wrong length',
      buildModel({ initializers: [f32('w', [3], [1, 2], 'typed')] }),
      'bad-data',
      /8 bytes in float_data/,
    ],
    [
      'external data in no file',
      initializer(wire.varint(14, 1), wire.text(8, 'w')),
      'bad-data',
      /does not say which/,
    ],
    [
      'an external offset that is no number',
      initializer(
        wire.varint(14, 1),
        wire.bytes(13, wire.concat(wire.text(1, 'location'), wire.text(2, 'f'))),
        wire.bytes(13, wire.concat(wire.text(1, 'offset'), wire.text(2, '-5'))),
      ),
      'bad-data',
      /offset .* is "-5"/,
    ],
    [
      'external data of the wrong length',
      buildModel({ initializers: [external('w', 'float', [4], { location: 'f', length: 15 })] }),
      'bad-data',
      /15 bytes in the external data/,
    ],
    ['two graphs', buildModel({ suffix: wire.bytes(7, new Uint8Array(0)) }), 'bad-data', /second graph/],
    [
      'an attribute twice',
      inGraph(wire.bytes(1, wire.concat(wire.bytes(5, wire.text(1, 'a')), wire.bytes(5, wire.text(1, 'a'))))),
      'bad-data',
      /attribute "a" twice/,
    ],
  ])('%s', async (_, bytes, code, words) => {
    await expectFailure(bytes, code, words);
  });

  it('says when the file cannot be read', async () => {
    const blob = buildBlob(SMALL);
    const gone = {
      size: blob.size,
      slice: () => ({ arrayBuffer: () => Promise.reject(new Error('NotReadable.')) }),
    };
    const error = await failure(gone as unknown as Blob);
    expect([error.code, error.message]).toEqual(['unreadable', expect.stringContaining('(NotReadable)')]);
  });

  it.each<[string, () => Uint8Array]>([
    ['empty nodes', () => repeat(wire.bytes(1, new Uint8Array(0)), 1_000_000)],
    ['empty initializers', () => repeat(wire.bytes(5, new Uint8Array(0)), 1_000_000)],
    ['input names', () => wire.bytes(1, repeat(wire.text(1, ''), 4_500_000))],
    ['dimensions', () => wire.bytes(5, wire.bytes(1, new Uint8Array(4_500_000).fill(1)))],
    ['attribute ints', () => wire.bytes(1, wire.bytes(5, repeat(wire.varint(8, 1), 4_500_000)))],
  ])('refuses millions of %s', async (_, extra) => {
    const error = await failure(new Blob([buildModel({ extra: extra() })]));
    expect(error.code).toBe('too-large');
  });

  it('keeps millions of unpacked values without keeping them in memory', async () => {
    const values = new Float32Array(1_000_000).fill(1);
    const fields = new Uint8Array(5 * values.length);
    const one = wire.fixed32(4, 0x3f800000);
    for (let i = 0; i < values.length; i++) fields.set(one, i * 5);
    const head = wire.concat(wire.varint(1, values.length), wire.varint(2, 1), fields);
    const model = await openOnnx(new Blob([buildModel({ extra: wire.bytes(5, head) })]));
    const { storage } = model.graph.initializers[0];
    expect(storage).toMatchObject({ kind: 'typed', packed: false, ranges: [{}] });
  });

  it('refuses a tensor of too many axes', async () => {
    await expectFailure(
      buildModel({ initializers: [tensor('t', 'float', new Array(1025).fill(1), [1])] }),
      'bad-shape',
      /more than 1024 dimensions/,
    );
  });
});

function repeat(bytes: Uint8Array, times: number): Uint8Array {
  const out = new Uint8Array(bytes.length * times);
  for (let i = 0; i < times; i++) out.set(bytes, i * bytes.length);
  return out;
}
