/**
 * Composed checkpoints, read back: by our reader, by the format's rules, and (where LAYERFOLD_PYTHON names a Python that
 * has safetensors) by the format's own library.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  buildSafetensors,
  f32,
  type NamedFile,
  named,
  type TensorSpec,
} from '../testing/safetensors-builder.ts';
import { matchTensors } from './match.ts';
import { openSafetensors, readAsFloats } from './reader.ts';
import { tieEdits } from './tie.ts';
import { composeSafetensors, type TensorEdit } from './writer.ts';

const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());
const reopen = (files: readonly { name: string; blob: Blob }[]) =>
  openSafetensors(files.map(({ name, blob }) => Object.assign(blob, { name }) as NamedFile));
const edits = (entries: Record<string, TensorEdit>) => new Map(Object.entries(entries));
const alias = (of: string): TensorEdit => ({ kind: 'alias', of });
const replace = (...values: number[]): TensorEdit => ({ kind: 'replace', values: Float32Array.from(values) });
const raw = (dtype: string, shape: number[], bytes: ArrayBufferView): TensorSpec => ({
  dtype,
  shape,
  bytes: new Uint8Array(bytes.buffer),
});

const some: Record<string, TensorSpec> = {
  'h.0.w': f32([2, 2], [1, 2, 3, 4]),
  'h.1.w': f32([2, 2], [5, 6, 7, 8]),
  'h.2.w': f32([2, 2], [9, 10, 11, 12]),
  half: raw('F16', [3], Uint16Array.of(0x3c00, 0x4000, 0x4200)),
  brain: raw('BF16', [1], Uint16Array.of(0x3f80)),
  double: raw('F64', [1], Float64Array.of(0.1)),
  ids: raw('I64', [2], BigInt64Array.of(7n, -8n)),
  flag: raw('BOOL', [3], Uint8Array.of(1, 0, 1)),
};

describe('one file', () => {
  test('without edits it is the input', async () => {
    const bytes = buildSafetensors(some, { format: 'pt' }, 3);
    const file = named('model.safetensors', bytes);
    const { files, tied } = composeSafetensors(await openSafetensors([file]), new Map());
    expect(files.map(({ name }) => name)).toEqual(['model.safetensors']);
    expect(files[0].blob).toBe(file);
    expect(tied.size).toBe(0);
  });

  test('replaced in their own types, tied once, the rest as it was', async () => {
    const file = named('model.safetensors', buildSafetensors(some, { format: 'pt', made: 'here' }));
    const { files, tied } = composeSafetensors(
      await openSafetensors([file]),
      edits({
        'h.1.w': replace(-1, -2, -3, -4),
        'h.2.w': alias('h.1.w'),
        half: replace(0.1, -2, 65504),
        brain: replace(1.005),
        double: replace(0.5),
      }),
    );
    expect([...tied]).toEqual([['h.2.w', 'h.1.w']]);
    const merged = await reopen(files);
    expect([...merged.tensors.keys()]).toEqual(Object.keys(some).filter((name) => name !== 'h.2.w'));
    expect([...merged.shards[0].metadata]).toEqual([
      ['format', 'pt'],
      ['made', 'here'],
      ['layerfold.tied', '{"h.2.w":"h.1.w"}'],
    ]);
    expect([...merged.tied]).toEqual([['h.2.w', 'h.1.w']]);
    const stored = Object.fromEntries(
      await Promise.all(
        [...merged.tensors.values()].map(async ({ name, dtype, shape, file, start, end }) => [
          name,
          { dtype, shape, bytes: await bytesOf(file.slice(start, end)) },
        ]),
      ),
    );
    const { 'h.2.w': _, ...others } = some;
    expect(stored).toEqual({
      ...others,
      'h.1.w': f32([2, 2], [-1, -2, -3, -4]),
      half: raw('F16', [3], Uint16Array.of(0x2e66, 0xc000, 0x7bff)),
      brain: raw('BF16', [1], Uint16Array.of(0x3f81)),
      double: raw('F64', [1], Float64Array.of(0.5)),
    });
    const head = new DataView((await bytesOf(files[0].blob.slice(0, 8))).buffer).getBigUint64(0, true);
    expect(Number(head) % 8).toBe(0);
    expect(files[0].blob.size).toBe(8 + Number(head) + 2 * 16 + 6 + 2 + 8 + 16 + 3);
  });

  test.each<[string, Record<string, TensorEdit>, string]>([
    ['strange names', { x: replace(1) }, 'Tensor “x” was to be edited, but'],
    ['other numbers', { 'h.0.w': replace(1) }, 'of shape 2×2 was to be replaced by 1 values'],
    ['integers', { ids: replace(1, 2) }, 'Tensor “ids” is I64, and only'],
    ['overflow', { half: replace(1, 65520, 2) }, 'Tensor “half” would hold 65520, which its type F16 cannot'],
    ['a stranger', { 'h.0.w': alias('x') }, 'Tensor “x” was to stand for “h.0.w”, but'],
    ['itself', { 'h.0.w': alias('h.0.w') }, 'Tensor “h.0.w” was to be tied to itself'],
    [
      'a chain',
      { 'h.0.w': alias('h.1.w'), 'h.1.w': alias('h.2.w') },
      'tied to “h.1.w”, which is itself tied',
    ],
    ['another type', { brain: alias('double') }, '“brain” (BF16 1) cannot be tied to “double” (F64 1)'],
    ['another shape', { half: alias('h.0.w') }, '(F16 3) cannot be tied to “h.0.w” (F32 2×2)'],
  ])('refuses %s', async (_, wrong, words) => {
    const checkpoint = await openSafetensors([named('model.safetensors', buildSafetensors(some))]);
    expect(() => composeSafetensors(checkpoint, edits(wrong))).toThrow(words);
  });

  test('aliases of an earlier merge follow what they stood for', async () => {
    const first = composeSafetensors(
      await openSafetensors([named('model.safetensors', buildSafetensors(some))]),
      edits({ 'h.2.w': alias('h.1.w') }),
    );
    const again = await reopen(first.files);
    expect(composeSafetensors(again, new Map()).files[0].blob).toBe(again.shards[0].file);
    const second = composeSafetensors(again, edits({ 'h.1.w': alias('h.0.w') }));
    const expected = { 'h.1.w': 'h.0.w', 'h.2.w': 'h.0.w' };
    expect(Object.fromEntries(second.tied)).toEqual(expected);
    expect(Object.fromEntries((await reopen(second.files)).tied)).toEqual(expected);
  });

  test('random edits leave what they do not name', async () => {
    const kinds = fc.constantFrom('keep', 'replace', 'alias');
    await fc.assert(
      fc.asyncProperty(
        fc.array(kinds, { minLength: 1, maxLength: 8 }),
        fc.nat(20),
        async (chosen, spaces) => {
          const specs = Object.fromEntries(chosen.map((_, k) => [`t${k}`, f32([3], [k, k + 1, k + 2])]));
          const list = { ...specs, anchor: f32([3], [7, 7, 7]) };
          const checkpoint = await openSafetensors([
            named('m.safetensors', buildSafetensors(list, undefined, spaces)),
          ]);
          const made = new Map<string, TensorEdit>();
          chosen.forEach((kind, k) => {
            if (kind === 'alias') made.set(`t${k}`, alias('anchor'));
            if (kind === 'replace') made.set(`t${k}`, replace(-k - 1, 0, k));
          });
          const { tensors, tied } = await reopen(composeSafetensors(checkpoint, made).files);
          for (const [k, kind] of chosen.entries()) {
            const tensor = tensors.get(tied.get(`t${k}`) ?? `t${k}`)!;
            const expected = { keep: [k, k + 1, k + 2], replace: [-k - 1, 0, k], alias: [7, 7, 7] }[kind];
            expect(Array.from(await readAsFloats(tensor))).toEqual(expected);
          }
          expect(tied.size).toBe(chosen.filter((kind) => kind === 'alias').length);
        },
      ),
      { numRuns: 100, seed: 2026 },
    );
  });
});

describe('shards', () => {
  const names = [
    'model-00001-of-00003.safetensors',
    'model-00002-of-00003.safetensors',
    'model-00003-of-00003.safetensors',
  ];
  const shards = () => [
    named(names[0], buildSafetensors({ 'h.0.w': some['h.0.w'], half: some.half }, { format: 'pt' })),
    named(names[1], buildSafetensors({ 'h.1.w': some['h.1.w'] }, { format: 'pt' })),
    named(names[2], buildSafetensors({ 'h.2.w': some['h.2.w'], ids: some.ids }, { format: 'pt' })),
  ];
  const index = () =>
    named(
      'model.safetensors.index.json',
      JSON.stringify({
        metadata: { total_size: 70, total_parameters: 17, note: 'kept' },
        weight_map: {
          'h.0.w': names[0],
          'h.1.w': names[1],
          'h.2.w': names[2],
          half: names[0],
          ids: names[2],
        },
      }),
    );

  test('stay shards; those without an edit are the originals', async () => {
    const files = [...shards(), index()];
    const checkpoint = await openSafetensors(files);
    const untouched = composeSafetensors(checkpoint, new Map());
    expect(untouched.files.map(({ blob }) => blob)).toEqual(files);
    const { files: out, tied } = composeSafetensors(
      checkpoint,
      edits({ 'h.0.w': replace(0, 0, 0, 1), 'h.2.w': alias('h.0.w') }),
    );
    expect(out.map(({ name }) => name)).toEqual(files.map(({ name }) => name));
    expect(out[1].blob).toBe(files[1]);
    expect(JSON.parse(await out[3].blob.text())).toEqual({
      metadata: { total_size: 54, total_parameters: 13, note: 'kept' },
      weight_map: { 'h.0.w': names[0], 'h.1.w': names[1], half: names[0], ids: names[2] },
    });
    const merged = await reopen(out);
    expect([...merged.tied]).toEqual([...tied]);
    expect(Array.from(await readAsFloats(merged.tensors.get('h.0.w')!))).toEqual([0, 0, 0, 1]);
    expect(merged.shards.map(({ metadata }) => [...metadata.keys()])).toEqual([
      ['format'],
      ['format'],
      ['format', 'layerfold.tied'],
    ]);
  });

  test('without an index none is written; a shard may become empty', async () => {
    const { files } = composeSafetensors(await openSafetensors(shards()), edits({ 'h.1.w': alias('h.0.w') }));
    expect(files.map(({ name }) => name)).toEqual(names);
    expect((await reopen(files)).shards[1].tensors).toEqual([]);
  });
});

describe('a merge', () => {
  const read =
    (...values: number[]) =>
    async () =>
      Float32Array.from(values);

  test('is written in the layout of each tensor', async () => {
    const checkpoint = await openSafetensors([
      named(
        'model.safetensors',
        buildSafetensors({
          'a.gate': f32([2, 3], [1, 2, 3, 4, 5, 6]),
          'a.up': f32([2, 3], [7, 8, 9, 10, 11, 12]),
          'b.gate': f32([2, 3], [21, 22, 23, 24, 25, 26]),
          'b.up': f32([2, 3], [27, 28, 29, 30, 31, 32]),
          'a.down': f32([3, 2], [1, 2, 3, 4, 5, 7]),
          'b.down': f32([2, 3], [1, 2, 3, 4, 5, 9]),
        }),
      ),
    ]);
    // [3 × 4], columns: two units of gate, two of up.
    const packed = (add: number) => [1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12].map((v) => v + add);
    const matches = await matchTensors(
      [
        { id: 'a', rows: 3, cols: 4, halves: 'cols', read: read(...packed(0)) },
        { id: 'b', rows: 3, cols: 4, halves: 'cols', read: read(...packed(20)) },
        { id: 'a down', rows: 2, cols: 3, read: read(1, 3, 5, 2, 4, 7) },
        { id: 'b down', rows: 2, cols: 3, read: read(1, 2, 3, 4, 5, 9) },
      ],
      checkpoint,
    );
    const merged = tieEdits(
      [
        { ids: ['a', 'b'], rows: 3, cols: 4, values: Float32Array.from(packed(100)) },
        { ids: ['a down', 'b down'], rows: 2, cols: 3, values: Float32Array.of(0, 1, 2, 3, 4, 5) },
      ],
      matches,
    );
    expect(Object.fromEntries(merged)).toEqual({
      'a.gate': replace(101, 102, 103, 104, 105, 106),
      'a.up': replace(107, 108, 109, 110, 111, 112),
      'b.gate': alias('a.gate'),
      'b.up': alias('a.up'),
      // Stored the other way round: equal, but not one tensor.
      'a.down': replace(0, 3, 1, 4, 2, 5),
      'b.down': replace(0, 1, 2, 3, 4, 5),
    });
  });

  test('of layers that share a tensor with others is refused', async () => {
    const shared = named('model.safetensors', buildSafetensors({ w: some['h.0.w'] }));
    const weights = ['1', '2', '3'].map((id) => ({ id, rows: 2, cols: 2, read: read(1, 2, 3, 4) }));
    const matches = await matchTensors(weights, await openSafetensors([shared]));
    const group = (...ids: string[]) => [{ ids, rows: 2, cols: 2, values: new Float32Array(4) }];
    expect(() => tieEdits(group('1', '2'), matches)).toThrow(
      'Tensor “w” of the checkpoint serves “1” and “3”',
    );
    expect([...tieEdits(group('1', '2', '3'), matches)]).toEqual([['w', replace(0, 0, 0, 0)]]);
    expect(() => tieEdits(group('1', '4'), matches)).toThrow('Weight “4” was not found in the checkpoint');
  });
});

const python = process.env.LAYERFOLD_PYTHON || undefined;

test.runIf(python)('Python reads what was composed', async () => {
  const { files } = composeSafetensors(
    await openSafetensors([named('model.safetensors', buildSafetensors(some, { format: 'pt' }))]),
    edits({ 'h.1.w': replace(-1, -2, -3, -4), 'h.2.w': alias('h.1.w'), half: replace(0.1, -2, 3) }),
  );
  const folder = mkdtempSync(join(tmpdir(), 'layerfold-'));
  try {
    const path = join(folder, 'model.safetensors');
    writeFileSync(path, await bytesOf(files[0].blob));
    const script = `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="pt") as f:
    print(json.dumps({"metadata": f.metadata(), **{k: f.get_tensor(k).tolist() for k in f.keys()}}))`;
    const { stdout, stderr } = spawnSync(python!, ['-c', script, path], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      metadata: { format: 'pt', 'layerfold.tied': '{"h.2.w":"h.1.w"}' },
      'h.0.w': [
        [1, 2],
        [3, 4],
      ],
      'h.1.w': [
        [-1, -2],
        [-3, -4],
      ],
      half: [0.0999755859375, -2, 3],
      brain: [1],
      double: [0.1],
      ids: [7, -8],
      flag: [true, false, true],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
