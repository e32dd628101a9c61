/**
 * Runs the models of the manifest in onnxruntime-node, from the files that a person would have on disk: alone, or an
 * encoder and then its decoder. It shares nothing with `src/` but types, so that it can check it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as node from 'onnxruntime-node';
import { expect } from 'vitest';
import type { ValueInfo } from '../onnx/types.ts';
import { createRandom } from './random.ts';

export type Outputs = Readonly<Record<string, Float32Array>>;
export type NodeFeeds = Readonly<Record<string, node.Tensor>>;

const FLOAT16 = 10;
const FLOAT = 1;

/** Bits of an IEEE binary16 of a number of ordinary size, by rounding its fraction. */
function halfBits(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))));
  const steps = Math.round(Math.abs(value) / 2 ** (exponent - 10));
  return (value < 0 ? 0x8000 : 0) | (steps + ((exponent + 14) << 10));
}

const numberOf = (bits: number): number => {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return (
    (bits & 0x8000 ? -1 : 1) *
    (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
  );
};

/** Token types are two. */
const vocabularyOf = (name: string) => (name.includes('token_type') ? 2 : 20);

/** Normal numbers for features, tokens and ones for masks; caches are empty. Equal names of sizes are equal sizes. */
export function randomInputs(inputs: readonly ValueInfo[], seed: number): Record<string, node.Tensor> {
  const random = createRandom(seed);
  const sizes = new Map<string, number>();
  const sizeOf = (d: number | string | null): number => {
    if (typeof d === 'number') return d;
    // `past_sequence_length + sequence_length`, with an empty past.
    const key = d?.split('+').at(-1)?.trim() ?? 'unknown';
    if (key.includes('past')) return 0;
    sizes.set(key, sizes.get(key) ?? sizes.size + 2);
    return sizes.get(key)!;
  };
  return Object.fromEntries(
    inputs.map(({ name, elemType, dims = [] }) => {
      const shape = dims.map(sizeOf);
      const count = shape.reduce((n, d) => n * d, 1);
      if (elemType === FLOAT) return [name, new node.Tensor('float32', random.normals(count), shape)];
      if (elemType === FLOAT16) {
        const bits = Uint16Array.from(random.normals(count), halfBits);
        return [name, new node.Tensor('float16', bits as never, shape)];
      }
      const last = shape.at(-1) ?? 1;
      const one = (_: unknown, i: number) =>
        BigInt(
          name.includes('mask')
            ? 1
            : name.includes('position')
              ? i % last
              : random.integer(vocabularyOf(name)),
        );
      return [name, new node.Tensor('int64', BigInt64Array.from({ length: count }, one), shape)];
    }),
  );
}

/** The same in full precision: what a model that was widened takes. */
export function widened(feeds: NodeFeeds): Record<string, node.Tensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, t]) => {
      if (t.type !== 'float16') return [name, t];
      const data = Float32Array.from(t.data as unknown as Uint16Array, numberOf);
      return [name, new node.Tensor('float32', data, t.dims)];
    }),
  );
}

const options = { logSeverityLevel: 3, intraOpNumThreads: 1 } as const;

function floats(results: Readonly<Record<string, node.Tensor>>): Record<string, Float32Array> {
  const all: [string, Float32Array][] = [];
  for (const [name, { type, data }] of Object.entries(results)) {
    if (type === 'float32') all.push([name, data as Float32Array]);
    if (type === 'float16') all.push([name, Float32Array.from(data as unknown as Uint16Array, numberOf)]);
  }
  return Object.fromEntries(all);
}

export async function run(bytes: Uint8Array, feeds: NodeFeeds): Promise<Outputs> {
  const session = await node.InferenceSession.create(bytes, options);
  const results = await session.run(feeds);
  await session.release();
  return floats(results);
}

/** A file as it is saved. */
export interface FileOnDisk {
  readonly name: string;
  readonly blob: Blob;
}

/**
 * Runs saved files: each `.onnx` named, in order, on the feeds and on what the ones before gave.
 * @param models names of the files to run: an encoder, then its decoder
 */
export async function runFiles(
  files: readonly FileOnDisk[],
  models: readonly string[],
  feeds: NodeFeeds,
): Promise<Outputs> {
  const folder = mkdtempSync(join(tmpdir(), 'layerfold-'));
  try {
    for (const { name, blob } of files) {
      writeFileSync(join(folder, name), new Uint8Array(await blob.arrayBuffer()));
    }
    let made: Readonly<Record<string, node.Tensor>> = {};
    for (const [k, name] of models.entries()) {
      const session = await node.InferenceSession.create(join(folder, name), options);
      made = await session.run(feedsFor(session, feeds, made, k > 0));
      await session.release();
    }
    return floats(made);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function feedsFor(
  session: node.InferenceSession,
  feeds: NodeFeeds,
  made: NodeFeeds,
  isDecoder: boolean,
): Record<string, node.Tensor> {
  return Object.fromEntries(
    session.inputMetadata.map((input) => {
      const { name } = input;
      const given = (isDecoder ? feeds[`decoder_${name}`] : undefined) ?? feeds[name];
      if (name.startsWith('encoder_hidden')) return [name, Object.values(made)[0]];
      if (name === 'encoder_attention_mask') return [name, feeds.attention_mask];
      if (name === 'use_cache_branch') return [name, new node.Tensor('bool', Uint8Array.of(0) as never, [1])];
      if (given) return [name, given];
      if (!input.isTensor) throw new Error(`${name} is no tensor.`);
      const shape = input.shape.map((d) => (typeof d === 'number' ? d : d.includes('batch') ? 2 : 0));
      return [name, new node.Tensor('float32', new Float32Array(0), shape)];
    }),
  );
}

/** The largest difference, relative to the largest value, over the outputs that both have. */
export function difference(a: Outputs, b: Outputs): number {
  let worst = 0;
  const shared = Object.keys(a).filter((name) => b[name]);
  expect(shared).not.toEqual([]);
  for (const name of shared) {
    const values = a[name];
    expect(b[name].length).toBe(values.length);
    let scale = 1e-6;
    for (const v of values) scale = Math.max(scale, Math.abs(v));
    values.forEach((v, i) => {
      worst = Math.max(
        worst,
        Number.isFinite(v) ? Math.abs(v - b[name][i]) / scale : Number.POSITIVE_INFINITY,
      );
    });
  }
  return worst;
}
