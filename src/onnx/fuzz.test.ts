/**
 * Seeded damage to the fixtures' bytes: every case must end in a model that holds together or in an OnnxError, soon
 * and in little memory. Weights are most of a file and hardly matter, so most damage goes to the structure.
 *
 * To put more behind the reader under the same fuzz, add to `CHECKS`.
 */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { findFfns } from '../graph/ffn.ts';
import type { Random } from '../testing/random.ts';
import { createRandom } from '../testing/random.ts';
import { openOnnx } from './reader.ts';
import { tensorBytes } from './tensors.ts';
import type { ByteRange, OnnxModel, TensorInfo } from './types.ts';
import { OnnxError } from './types.ts';
import { composeOnnx } from './writer.ts';

/** What a model that opened must stand; each may throw an OnnxError, and nothing else. */
const CHECKS: readonly ((model: OnnxModel, random: Random) => void | Promise<void>)[] = [
  (model) => {
    if (composeOnnx(model, {}).size !== model.size) throw new Error('the composition has another size');
  },
  async (model, random) => {
    const all = tensorsOf(model);
    if (all.length > 0) await tensorBytes(model, all[random.integer(all.length)]);
  },
  async (model) => {
    const { groups } = await findFfns(model);
    if (groups.some((g) => g.ffns.length < 2)) throw new Error('a group of fewer than two FFNs');
  },
];

const CASES = 2_000;
/** Cases at a time: most of a case is waiting for the file. */
const TOGETHER = 4;
/**
 * Processor time of this process that a case may take, however busy the machine is with other work. Cases run together
 * count each other's, so the bound errs on the strict side.
 */
const HANG_MS = 2_000;
/** Waiting without working for so long is a hang too. */
const WAIT_MS = 20_000;
/** Garbage of cases that are done is collected before it is larger. */
const GARBAGE_BYTES = 128 << 20;
const PATHS = [
  'src/testing/fixtures/digits-vit/model-torchscript.onnx',
  'src/testing/fixtures/shakespeare-gpt2/model-torchscript.onnx',
  'public/samples/digits-vit/model.onnx',
  'public/samples/shakespeare-gpt2/model.onnx',
];

interface Base {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly blob: Blob;
  /** The file without its weights. */
  readonly structure: readonly ByteRange[];
  readonly structureSize: number;
}

interface Case {
  readonly kind: string;
  readonly file: Blob;
  readonly at: number;
}

describe('damaged fixtures', () => {
  it(`end in a model or an OnnxError, ${CASES} times`, { timeout: 300_000 }, async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const bases = await Promise.all(PATHS.map(readBase));
    const codes = new Map<string, number>();
    let structural = 0;
    let slowest = 0;
    const run = async (i: number) => {
      const random = createRandom(2_026_000 + i);
      const base = bases[i % bases.length];
      const { kind, file, at } = damage(base, random);
      if (base.structure.some((r) => at >= r.start && at < r.end)) structural++;
      const started = process.cpuUsage();
      const outcome = await withGuard(attempt(file, random), `case ${i} (${kind} at ${at})`);
      const { user, system } = process.cpuUsage(started);
      slowest = Math.max(slowest, (user + system) / 1000);
      codes.set(outcome, (codes.get(outcome) ?? 0) + 1);
    };
    collect();
    const before = memory();
    let peak = before;
    for (let i = 0; i < CASES; i += TOGETHER) {
      await Promise.all(Array.from({ length: TOGETHER }, (_, k) => run(i + k)));
      const now = memory();
      peak = Math.max(peak, now);
      // What cases before left behind is no case's need, and when V8 collects it depends on what else this process holds.
      if (now - before > GARBAGE_BYTES) collect();
    }
    collect();
    const refused = CASES - (codes.get('opened') ?? 0);
    expect(structural / CASES).toBeGreaterThanOrEqual(0.8);
    expect(refused / CASES).toBeGreaterThanOrEqual(0.3);
    expect([...codes.keys()]).toEqual(
      expect.arrayContaining(['bad-length', 'bad-wire-type', 'bad-data', 'truncated']),
    );
    expect(slowest).toBeLessThan(HANG_MS);
    expect(memory() - before).toBeLessThan(32 << 20);
    expect(peak - before).toBeLessThan(512 << 20);
  });
});

/** 'opened', or the code of the typed error; anything else is thrown on. */
async function attempt(file: Blob, random: Random): Promise<string> {
  try {
    const model = await openOnnx(file);
    for (const check of CHECKS) await check(model, random);
    return 'opened';
  } catch (error) {
    if (error instanceof OnnxError) return error.code;
    throw error;
  }
}

async function withGuard<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const guard = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), WAIT_MS);
  });
  try {
    return await Promise.race([work, guard]);
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.stack : error}`);
  } finally {
    clearTimeout(timer);
  }
}

async function readBase(path: string): Promise<Base> {
  const bytes = new Uint8Array(readFileSync(path));
  const blob = new Blob([bytes]);
  const structure: ByteRange[] = [];
  let at = 0;
  for (const { storage } of tensorsOf(await openOnnx(blob)).sort((a, b) => a.field.start - b.field.start)) {
    // Small constants (shapes, axes) count as structure.
    if (storage.kind !== 'raw' || storage.range.end - storage.range.start <= 64) continue;
    structure.push({ start: at, end: storage.range.start });
    at = storage.range.end;
  }
  structure.push({ start: at, end: bytes.length });
  return { bytes, blob, structure, structureSize: structure.reduce((sum, r) => sum + r.end - r.start, 0) };
}

function damage(base: Base, random: Random): Case {
  const { blob, bytes } = base;
  const at = random.uniform() < 0.92 ? inStructure(base, random) : random.integer(bytes.length);
  const byte = bytes[at];
  const splice = (kind: string, length: number, ...parts: (Uint8Array<ArrayBuffer> | Blob)[]): Case => ({
    kind,
    at,
    file: new Blob([blob.slice(0, at), ...parts, blob.slice(Math.min(at + length, bytes.length))]),
  });
  const noise = (length: number) => Uint8Array.from({ length }, () => random.integer(256));
  switch (random.integer(10)) {
    case 0:
    case 1:
      return splice('bit flip', 1, Uint8Array.of(byte ^ (1 << random.integer(8))));
    case 2:
      return splice('byte set', 1, Uint8Array.of([0, 0x7f, 0x80, 0xff][random.integer(4)]));
    case 3:
      return splice('long varint', 1, Uint8Array.of(...new Array(random.integer(12)).fill(0xff), 0x7f));
    case 4:
      return splice('length', 1, Uint8Array.of((byte + 1 + random.integer(100)) % 128));
    case 5:
      return { kind: 'truncation', at, file: blob.slice(0, at) };
    case 6:
      return splice('insertion', 0, noise(1 + random.integer(16)));
    case 7:
      return splice('deletion', 1 + random.integer(16));
    case 8: {
      const length = 1 + random.integer(200);
      return splice('duplication', 0, blob.slice(at, at + length));
    }
    default:
      return splice('wire type', 1, Uint8Array.of((byte & 0xf8) | random.integer(8)));
  }
}

function inStructure(base: Base, random: Random): number {
  let rest = random.integer(base.structureSize);
  for (const { start, end } of base.structure) {
    if (rest < end - start) return start + rest;
    rest -= end - start;
  }
  return 0;
}

function tensorsOf(model: OnnxModel): TensorInfo[] {
  const inNodes = model.graph.nodes.flatMap((n) =>
    [...n.attributes.values()].flatMap((a) => (a.t ? [a.t] : [])),
  );
  return [...model.graph.initializers, ...inNodes];
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
