/** Weights are found by content under any name, layout, type and packing; equal tensors by the names around them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../testing/random.ts';
import { buildSafetensors, f32, named, type TensorSpec } from '../testing/safetensors-builder.ts';
import { rounderTo, type StoredType } from './dtypes.ts';
import { type MatchableWeight, matchTensors, type WeightMatch } from './match.ts';
import { openSafetensors } from './reader.ts';
import type { CheckpointFile } from './types.ts';

const random = createRandom(7);
const normals = (count: number) => random.normals(count).map((v) => v * 0.02);

function turned(values: Float32Array, rows: number, cols: number): Float32Array {
  return Float32Array.from(
    { length: rows * cols },
    (_, k) => values[(k % rows) * cols + Math.floor(k / rows)],
  );
}

function weight(
  id: string,
  rows: number,
  cols: number,
  values: Float32Array,
  more: Partial<MatchableWeight> = {},
): MatchableWeight {
  expect(values.length).toBe(rows * cols);
  return { id, rows, cols, read: async () => values, ...more };
}

const fileOf = (tensors: Record<string, TensorSpec>) => named('model.safetensors', buildSafetensors(tensors));
const match = async (weights: MatchableWeight[], tensors: Record<string, TensorSpec>) =>
  matchTensors(weights, await openSafetensors([fileOf(tensors)]));

/** `name`, `name'` where transposed, `first|second` of halves. */
function told(result: Map<string, WeightMatch>): Record<string, string> {
  const one = ({ tensor, transposed }: { tensor: { name: string }; transposed: boolean }) =>
    transposed ? `${tensor.name}'` : tensor.name;
  return Object.fromEntries(
    [...result].map(([id, m]) => [id, m.kind === 'whole' ? one(m) : m.halves.map(one).join('|')]),
  );
}

describe('values decide', () => {
  const a = normals(40 * 30);
  const b = normals(40 * 30);
  const square = normals(50 * 50);

  test('as they are, transposed, squeezed, square both ways', async () => {
    const result = await match(
      [
        weight('plain', 40, 30, a),
        weight('turned', 30, 40, turned(b, 40, 30)),
        weight('square', 50, 50, square),
        weight(
          'square turned',
          50,
          50,
          turned(
            square.map((v) => v + 1),
            50,
            50,
          ),
        ),
        weight('vector', 1, 30, a.subarray(0, 30)),
      ],
      {
        x: f32([40, 30, 1, 1], a),
        y: f32([40, 30], b),
        s: f32([50, 50], square),
        t: f32(
          [50, 50],
          square.map((v) => v + 1),
        ),
        v: f32([30], a.subarray(0, 30)),
        w: f32([30], b.subarray(0, 30)),
      },
    );
    expect(told(result)).toEqual({
      plain: 'x',
      turned: "y'",
      square: 's',
      'square turned': "t'",
      vector: 'v',
    });
  });

  test('one element that differs anywhere is another tensor', async () => {
    const tensors = { x: f32([40, 30], a) };
    for (const k of [0, 17, 613, 1199]) {
      const other = a.slice();
      other[k] += 0.001;
      expect((await match([weight('w', 40, 30, other)], tensors)).size).toBe(0);
    }
  });

  test('random matrices, whatever their shapes', async () => {
    const sizes = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.boolean(), fc.integer(), async (rows, cols, isTurned, seed) => {
        const values = createRandom(seed).normals(rows * cols);
        const stored = isTurned ? f32([cols, rows], turned(values, rows, cols)) : f32([rows, cols], values);
        const decoy = f32(stored.shape, createRandom(seed + 1).normals(rows * cols));
        const result = await match([weight('w', rows, cols, values)], { decoy, stored });
        const isVector = rows === 1 || cols === 1;
        expect(told(result)).toEqual({ w: isTurned && !isVector && rows * cols > 1 ? "stored'" : 'stored' });
      }),
      { numRuns: 100, seed: 2026 },
    );
  });
});

describe('types', () => {
  const master = normals(64 * 8);
  const bits = (type: 'F16' | 'BF16', values: Float32Array): TensorSpec => {
    // From the definition of the type by way of f32's own bits, for values that it holds exactly.
    const words = new Uint32Array(Float32Array.from(values).buffer);
    const half = (w: number) =>
      type === 'BF16'
        ? w >>> 16
        : w << 1 === 0
          ? w >>> 16
          : ((w >>> 16) & 0x8000) | ((((w >>> 23) & 255) - 112) << 10) | ((w >>> 13) & 1023);
    return { dtype: type, shape: [64, 8], bytes: new Uint8Array(Uint16Array.from(words, half).buffer) };
  };
  const rounded = (type: 'float16' | 'bfloat16') => master.map((v) => Math.max(2 ** -14, rounderTo(type)(v)));
  const sources: Record<string, TensorSpec> = {
    F32: f32(
      [64, 8],
      master.map((v) => Math.max(2 ** -14, v)),
    ),
    F64: {
      dtype: 'F64',
      shape: [64, 8],
      bytes: new Uint8Array(Float64Array.from(master, (v) => Math.max(2 ** -14, v)).buffer),
    },
    F16: bits('F16', rounded('float16')),
    BF16: bits('BF16', rounded('bfloat16')),
  };

  test.each<[string, StoredType, Float32Array]>([
    ['F32', 'float16', rounded('float16')],
    ['F32', 'bfloat16', rounded('bfloat16')],
    ['F32', 'float32', master.map((v) => Math.max(2 ** -14, v))],
    ['F64', 'float32', master.map((v) => Math.max(2 ** -14, v))],
    ['F16', 'float32', rounded('float16')],
    ['BF16', 'float32', rounded('bfloat16')],
    ['BF16', 'float16', rounded('bfloat16').map(rounderTo('float16'))],
    // The checkpoint was rounded after the export.
    ['BF16', 'float32', master.map((v) => Math.max(2 ** -14, v))],
    ['F16', 'float32', master.map((v) => Math.max(2 ** -14, v))],
  ])('a checkpoint in %s, an ONNX file in %s', async (dtype, stored, values) => {
    expect(told(await match([weight('w', 64, 8, values, { stored })], { t: sources[dtype] }))).toEqual({
      w: 't',
    });
    const other = values.slice();
    other[300] *= 1.02;
    expect((await match([weight('w', 64, 8, other, { stored })], { t: sources[dtype] })).size).toBe(0);
  });

  test('f32 files are not compared as if they were half', async () => {
    const w = weight('w', 64, 8, rounded('float16'));
    expect((await match([w], { t: sources.F32 })).size).toBe(0);
  });

  test('tiny values that a converter raised', async () => {
    const small = Float32Array.of(3e-9, -2e-8, 0, 1);
    const raised = Float32Array.of(1e-7, -1e-7, 1e-7, 1).map(rounderTo('float16'));
    const tensors = { t: f32([4], small) };
    expect((await match([weight('w', 1, 4, raised, { stored: 'float16' })], tensors)).size).toBe(1);
    expect((await match([weight('w', 1, 4, raised)], tensors)).size).toBe(0);
    const otherSign = raised.map((v, k) => (k === 0 ? -v : v));
    expect((await match([weight('w', 1, 4, otherSign, { stored: 'float16' })], tensors)).size).toBe(0);
  });

  test('integers are no candidates', async () => {
    const ints = { dtype: 'I32', shape: [4], bytes: new Uint8Array(16) };
    expect((await match([weight('w', 1, 4, new Float32Array(4))], { ints })).size).toBe(0);
  });
});

describe('gate and up packed in one', () => {
  const gate = normals(24 * 10);
  const up = normals(24 * 10);
  const tensors = { 'mlp.gate.weight': f32([24, 10], gate), 'mlp.up.weight': f32([24, 10], up) };

  test('as rows', async () => {
    const packed = weight('w', 48, 10, Float32Array.of(...gate, ...up), { halves: 'rows' });
    expect(told(await match([packed], tensors))).toEqual({ w: 'mlp.gate.weight|mlp.up.weight' });
  });

  test('as columns, the checkpoint transposed, the other order', async () => {
    const [first, second] = [turned(up, 24, 10), turned(gate, 24, 10)];
    const values = Float32Array.from({ length: 480 }, (_, k) => {
      const [row, col] = [Math.floor(k / 48), k % 48];
      return col < 24 ? first[row * 24 + col] : second[row * 24 + col - 24];
    });
    const packed = weight('w', 10, 48, values, { halves: 'cols' });
    expect(told(await match([packed], tensors))).toEqual({ w: "mlp.up.weight'|mlp.gate.weight'" });
    expect((await match([{ ...packed, halves: undefined }], tensors)).size).toBe(0);
  });

  test('whole where the checkpoint packs too; not at all where one half is missing', async () => {
    const values = Float32Array.of(...gate, ...up);
    const packed = weight('w', 48, 10, values, { halves: 'rows' });
    expect(told(await match([packed], { ...tensors, gate_up: f32([48, 10], values) }))).toEqual({
      w: 'gate_up',
    });
    expect((await match([packed], { gate: tensors['mlp.gate.weight'] })).size).toBe(0);
  });

  test('biases of zeros go with their matrices', async () => {
    const zeros = f32([24], new Float32Array(24));
    const packed = weight('w', 48, 10, Float32Array.of(...up, ...gate), { halves: 'rows', layer: '0' });
    const bias = weight('b', 1, 48, new Float32Array(48), { halves: 'cols', layer: '0', beside: 'w' });
    const all = { 'a.bias': zeros, 'mlp.gate.bias': zeros, 'mlp.up.bias': zeros, ...tensors };
    expect(told(await match([bias, packed], all))).toEqual({
      w: 'mlp.up.weight|mlp.gate.weight',
      b: 'mlp.up.bias|mlp.gate.bias',
    });
  });
});

describe('several tensors fit', () => {
  const zero = (n: number) => f32([n], new Float32Array(n));
  const layers = [0, 1, 2, 10];
  const w = layers.map(() => [normals(12 * 6), normals(6 * 12)]);
  const tensors = Object.fromEntries(
    layers.flatMap((layer, k) => [
      [`h.${layer}.attn.c_proj.bias`, zero(6)],
      [`h.${layer}.ln_2.bias`, zero(6)],
      [`h.${layer}.mlp.c_fc.weight`, f32([12, 6], w[k][0])],
      [`h.${layer}.mlp.c_fc.bias`, zero(12)],
      [`h.${layer}.mlp.c_proj.weight`, f32([6, 12], w[k][1])],
      [`h.${layer}.mlp.c_proj.bias`, zero(6)],
    ]),
  );
  const weights = layers.flatMap((layer, k) => [
    weight(`${layer} b_out`, 1, 6, new Float32Array(6), { layer: `${layer}` }),
    weight(`${layer} b_in`, 1, 12, new Float32Array(12), { layer: `${layer}` }),
    weight(`${layer} w_in`, 12, 6, w[k][0], { layer: `${layer}` }),
    weight(`${layer} w_out`, 6, 12, w[k][1], { layer: `${layer}` }),
  ]);

  test('biases of zeros are those of their layer', async () => {
    const expected = Object.fromEntries(
      layers.flatMap((layer) => [
        [`${layer} b_out`, `h.${layer}.mlp.c_proj.bias`],
        [`${layer} b_in`, `h.${layer}.mlp.c_fc.bias`],
        [`${layer} w_in`, `h.${layer}.mlp.c_fc.weight`],
        [`${layer} w_out`, `h.${layer}.mlp.c_proj.weight`],
      ]),
    );
    expect(told(await match(weights, tensors))).toEqual(expected);
    expect(told(await match(weights.toReversed(), tensors))).toEqual(expected);
  });

  test('matrices that are equal in all layers go in the order of the layers', async () => {
    const same = Object.fromEntries(layers.map((l) => [`h.${l}.mlp.c_fc.weight`, f32([12, 6], w[0][0])]));
    const equal = layers.map((l) => weight(`${l}`, 12, 6, w[0][0], { layer: `${l}` }));
    expect(told(await match(equal, same))).toEqual(
      Object.fromEntries(layers.map((l) => [`${l}`, `h.${l}.mlp.c_fc.weight`])),
    );
  });

  test('layers share a tensor where there is no other', async () => {
    const equal = layers.map((l) => weight(`${l}`, 12, 6, w[0][0], { layer: `${l}` }));
    const result = await match(equal, { 'shared.weight': f32([12, 6], w[0][0]) });
    expect(Object.values(told(result))).toEqual(Array(4).fill('shared.weight'));
  });

  test('no tensor is read whole twice, and strangers only by a sample', async () => {
    const size = 200 * 300;
    const big = layers.map(() => normals(size));
    const file = fileOf(Object.fromEntries(big.map((values, k) => [`t${k}`, f32([200, 300], values)])));
    const read = countReads(file);
    const checkpoint = await openSafetensors([file]);
    const found = await matchTensors(
      big.slice(0, 2).map((values, k) => weight(`${k}`, 300, 200, turned(values, 200, 300))),
      checkpoint,
    );
    expect(told(found)).toEqual({ 0: "t0'", 1: "t1'" });
    const samples = 4 * 8 * 16 * 4;
    const header = checkpoint.tensors.get('t0')!.start;
    expect(read()).toBe(2 * size * 4 + samples + header);
  });

  test('stops when it is cancelled, and says how far it is', async () => {
    const checkpoint = await openSafetensors([fileOf(tensors)]);
    const stop = new AbortController();
    const seen: number[] = [];
    const onProgress = (done: number, total: number) => {
      expect(total).toBe(weights.length);
      seen.push(done);
      if (done === 3) stop.abort();
    };
    await expect(matchTensors(weights, checkpoint, { signal: stop.signal, onProgress })).rejects.toThrow(
      /abort/i,
    );
    expect(seen).toEqual([1, 2, 3]);
  });
});

function countReads(file: CheckpointFile): () => number {
  const slice = file.slice.bind(file);
  let bytes = 0;
  file.slice = (start, end) => {
    const part = slice(start, end);
    bytes += part.size;
    return part;
  };
  return () => bytes;
}
