/**
 * Quantized tensors of every scheme for tests: random bytes, onnxruntime's own reading of them, and which value has
 * which scale, told by its place alone. It shares the types of `src/quantize`, and the packing of bytes, no more.
 */
import * as ort from 'onnxruntime-node';
import { pack, writeScales } from '../quantize/bytes.ts';
import {
  type BlockScheme,
  blocksInRow,
  codeRange,
  type LinearScheme,
  labelOf,
  type Quantized,
  type Scheme,
  shapeOf,
} from '../quantize/scheme.ts';
import { DataType, dataTypeName, rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import {
  buildModel,
  type ElementType,
  input,
  node,
  output,
  type TensorSpec,
  tensor,
} from './onnx-builder.ts';
import { createRandom, type Random } from './random.ts';

/** A tensor of raw bytes. */
function raw(name: string, type: number, dims: readonly number[], bytes: Uint8Array): TensorSpec {
  const element = dataTypeName(type) as ElementType;
  const size = Math.max(1, rawByteLength(type, 1));
  const codes =
    size === 2
      ? new Uint16Array(bytes.slice().buffer)
      : type === DataType.float
        ? new Float32Array(bytes.slice().buffer)
        : size === 4
          ? new Uint32Array(bytes.slice().buffer)
          : bytes;
  return tensor(name, element, dims, codes);
}

export async function run(
  model: Uint8Array,
  feeds: Record<string, ort.Tensor> = {},
  graphOptimizationLevel: 'all' | 'disabled' = 'all',
): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(model, {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
    graphOptimizationLevel,
  });
  const results = await session.run(feeds);
  await session.release();
  return results.y.data as Float32Array;
}

/** DequantizeLinear of the bytes, in onnxruntime. */
export function byRuntime(scheme: LinearScheme, parts: Quantized): Promise<Float32Array> {
  const { dims, dataType, scaleDims, scaleType, axis, blockSize } = scheme;
  const attributes = { ...(axis !== undefined && { axis }), ...(blockSize && { block_size: blockSize }) };
  return run(
    buildModel({
      opset: 21,
      irVersion: 10,
      outputs: [output('y', 'float', dims)],
      initializers: [
        raw('q', dataType, dims, parts.values),
        raw('s', scaleType, scaleDims, parts.scales),
        ...(parts.zeroPoints ? [raw('z', dataType, scaleDims, parts.zeroPoints)] : []),
      ],
      nodes: [
        node('DequantizeLinear', parts.zeroPoints ? ['q', 's', 'z'] : ['q', 's'], ['v'], attributes),
        node('Cast', ['v'], ['y'], { to: 1 }),
      ],
    }),
  );
}

/** MatMulNBits of the identity: the matrix [N, K] turned, so turned back. */
export async function byBlocks(scheme: BlockScheme, parts: Quantized, flat: boolean): Promise<Float32Array> {
  const { bits, blockSize, inSize: k, outSize: n } = scheme;
  const blocks = blocksInRow(scheme);
  const zeroWidth = Math.ceil((blocks * bits) / 8);
  const half = scheme.scaleType === DataType.float16;
  const model = buildModel({
    opset: 21,
    irVersion: 10,
    domains: { 'com.microsoft': 1 },
    inputs: [input('x', 'float', [k, k])],
    outputs: [output('y', 'float', [k, n])],
    initializers: [
      raw('b', DataType.uint8, [n, blocks, (blockSize * bits) / 8], parts.values),
      raw('s', scheme.scaleType, flat ? [n * blocks] : [n, blocks], parts.scales),
      ...(parts.zeroPoints
        ? [raw('z', DataType.uint8, flat ? [n * zeroWidth] : [n, zeroWidth], parts.zeroPoints)]
        : []),
    ],
    nodes: [
      node('Cast', ['x'], ['a'], { to: half ? 10 : 1 }),
      node(
        'MatMulNBits',
        parts.zeroPoints ? ['a', 'b', 's', 'z'] : ['a', 'b', 's'],
        ['v'],
        { K: k, N: n, bits, block_size: blockSize, accuracy_level: 1 },
        { domain: 'com.microsoft' },
      ),
      node('Cast', ['v'], ['y'], { to: 1 }),
    ],
  });
  const identity = new Float32Array(k * k);
  for (let i = 0; i < k; i++) identity[i * k + i] = 1;
  const turned = await run(model, { x: new ort.Tensor('float32', identity, [k, k]) });
  const out = new Float32Array(n * k);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) out[j * k + i] = turned[i * n + j];
  return out;
}

function randomBytes(length: number, random: Random): Uint8Array {
  return Uint8Array.from({ length }, () => random.integer(256));
}

export const countOf = (scheme: Scheme) =>
  scheme.kind === 'linear' ? elementCount(scheme.scaleDims) : scheme.outSize * blocksInRow(scheme);

/** Bytes of a scheme at random: any codes, scales about 0.01, any zero points. */
export function randomParts(scheme: Scheme, seed: number): Quantized {
  const random = createRandom(seed);
  const scales = Float32Array.from({ length: countOf(scheme) }, () => 0.005 + 0.01 * random.uniform());
  const type = scheme.kind === 'linear' ? scheme.dataType : DataType.uint8;
  const valueBytes =
    scheme.kind === 'linear'
      ? rawByteLength(type, elementCount(scheme.dims))
      : (scheme.outSize * blocksInRow(scheme) * scheme.blockSize * scheme.bits) / 8;
  const zeroBytes =
    scheme.kind === 'linear'
      ? rawByteLength(type, countOf(scheme))
      : scheme.outSize * Math.ceil((blocksInRow(scheme) * scheme.bits) / 8);
  return {
    values: randomBytes(valueBytes, random),
    scales: writeScales(scheme.scaleType, scales),
    ...(!scheme.symmetric && { zeroPoints: randomBytes(zeroBytes, random) }),
  };
}

/** Scale of each value, by its place alone. */
export function scaleAt(scheme: Scheme, scales: Float32Array, index: number): number {
  if (scheme.kind === 'blocks') {
    const row = Math.floor(index / scheme.inSize);
    return scales[row * blocksInRow(scheme) + Math.floor((index % scheme.inSize) / scheme.blockSize)];
  }
  const { dims, axis, blockSize } = scheme;
  if (axis === undefined) return scales[0];
  const place: number[] = [];
  for (let i = dims.length - 1, rest = index; i >= 0; i--) {
    place.unshift(rest % dims[i]);
    rest = Math.floor(rest / dims[i]);
  }
  if (blockSize === undefined) return scales[place[axis]];
  place[axis] = Math.floor(place[axis] / blockSize);
  return scales[place.reduce((at, p, i) => at * scheme.scaleDims[i] + p, 0)];
}

const { float, float16, int8, uint8, int16, uint16, int32, int4, uint4 } = DataType;
export const base = { kind: 'linear', scaleType: float } as const;
export const tensorwise = { ...base, dims: [12, 10], scaleDims: [] };
export const LINEAR: readonly LinearScheme[] = [
  ...[int8, uint8, int16, uint16, int32, int4, uint4].map((dataType) => ({ ...tensorwise, dataType, symmetric: true })),
  ...[int8, uint8, int16, uint16, int4, uint4].map((dataType) => ({ ...tensorwise, dataType, symmetric: false })),
  { ...base, dims: [7, 9], dataType: int8, scaleDims: [7], axis: 0, symmetric: true },
  { ...base, dims: [7, 9], dataType: int8, scaleDims: [9], axis: 1, symmetric: true },
  { ...base, dims: [7, 9], dataType: uint8, scaleDims: [9], axis: 1, symmetric: false },
  { ...base, dims: [5, 3, 4], dataType: uint4, scaleDims: [3], axis: 1, symmetric: false },
  { ...base, dims: [11], dataType: int32, scaleDims: [11], axis: 0, symmetric: true },
  { ...base, dims: [6, 64], dataType: int4, scaleDims: [6, 4], axis: 1, blockSize: 16, symmetric: true },
  { ...base, dims: [64, 6], dataType: uint4, scaleDims: [2, 6], axis: 0, blockSize: 32, symmetric: false },
  { ...base, dims: [3, 40], dataType: int8, scaleDims: [3, 3], axis: 1, blockSize: 16, symmetric: false },
  { ...tensorwise, dataType: int8, scaleType: float16, symmetric: true },
  { ...base, dims: [7, 9], dataType: int8, scaleType: float16, scaleDims: [9], axis: 1, symmetric: true },
  { ...base, dims: [32, 5], dataType: uint4, scaleType: float16, scaleDims: [2, 5], axis: 0, blockSize: 16, symmetric: false },
]; // biome-ignore format: a table reads best one a line
export const blocks = { kind: 'blocks', scaleType: float } as const;
export const BLOCKS: readonly BlockScheme[] = [2, 4, 8].flatMap((bits) => [
  { ...blocks, bits, blockSize: 16, inSize: 48, outSize: 5, symmetric: true },
  { ...blocks, bits, blockSize: 32, inSize: 80, outSize: 6, symmetric: false },
  { ...blocks, bits, blockSize: 128, inSize: 96, outSize: 4, symmetric: true },
  { ...blocks, bits, blockSize: 32, inSize: 64, outSize: 8, symmetric: false, scaleType: float16 },
]);
export const nameOf = (s: Scheme) =>
  `${labelOf(s)} of ${shapeOf(s).join('×')}, ${dataTypeName(s.scaleType)}${s.symmetric ? '' : ', zero points'}`;
export const ALL = [...LINEAR, ...BLOCKS].map((scheme) => [nameOf(scheme), scheme] as const);

/** Random bytes in which each group has its ends: the largest magnitude or, with zero points, both. */
export function spanning(scheme: Scheme, seed: number): Quantized {
  const random = createRandom(seed);
  const { min, max } = codeRange(scheme);
  const count = countOf(scheme);
  const groups = Float32Array.from({ length: count }, (_, i) => i);
  const length = elementCount(shapeOf(scheme));
  const signedZero = scheme.kind === 'blocks' ? 2 ** (scheme.bits - 1) : 0;
  const zeros = Int32Array.from({ length: count }, () =>
    scheme.symmetric ? signedZero : min + 1 + Math.floor(random.uniform() * (max - min - 1)),
  );
  const seen = new Map<number, number>();
  const codes = Int32Array.from({ length }, (_, i) => {
    const g = scaleAt(scheme, groups, i);
    const n = seen.get(g) ?? 0;
    seen.set(g, n + 1);
    if (n === 0) return scheme.symmetric && scheme.kind === 'linear' ? max : min;
    if (n === 1) return max;
    return min + 1 + Math.floor(random.uniform() * (max - min - 1));
  });
  const type = scheme.kind === 'linear' ? scheme.dataType : uint8;
  const scales = writeScales(
    float,
    Float32Array.from({ length: count }, () => 0.005 + 0.01 * random.uniform()),
  );
  if (scheme.kind === 'linear') {
    return {
      values: bytesOf(type, codes),
      scales,
      ...(!scheme.symmetric && { zeroPoints: bytesOf(type, zeros) }),
    };
  }
  const { bits, inSize, outSize, blockSize } = scheme;
  const perRow = blocksInRow(scheme);
  const zeroWidth = Math.ceil((perRow * bits) / 8) * (8 / bits);
  const padded = new Uint8Array(outSize * perRow * blockSize);
  for (let i = 0; i < padded.length; i++) {
    const [row, col] = [Math.floor(i / (perRow * blockSize)), i % (perRow * blockSize)];
    const block = row * perRow + Math.floor(col / blockSize);
    padded[i] = col < inSize ? codes[row * inSize + col] : zeros[block];
  }
  const paddedZeros = new Uint8Array(outSize * zeroWidth);
  zeros.forEach((z, i) => {
    paddedZeros[Math.floor(i / perRow) * zeroWidth + (i % perRow)] = z;
  });
  return {
    values: pack(padded, bits),
    scales,
    ...(!scheme.symmetric && { zeroPoints: pack(paddedZeros, bits) }),
  };
}

function bytesOf(type: number, codes: Int32Array): Uint8Array {
  if (rawByteLength(type, 8) === 4) return pack(codes, 4);
  if (type === int16 || type === uint16) return new Uint8Array(Uint16Array.from(codes).buffer);
  return type === int32 ? new Uint8Array(codes.slice().buffer) : Uint8Array.from(codes);
}
