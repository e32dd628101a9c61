/**
 * What CONTRIBUTING.md tells is done to a copy of the sources, as it is written there, and must work: the copy compiles
 * and passes the linter, merges by the new method and recovers by the new rung, through the studio on the sample.
 *
 * Oracles: the merged weights are read from the downloaded file and compared with f64 loops; a least-squares fit that is
 * fitted again is 1. Blocks of the page are `ts` (a new file) and `diff` (lines that stand in a file once), and sentences
 * “In `file`, put `this` behind `that`”.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NamedBlob } from './data/files.ts';
import type { WeightRole } from './graph/weights.ts';
import type { FfnWeights } from './merge/method.ts';
import { LiveModel } from './pipeline/live-model.ts';
import { openModel } from './pipeline/opened.ts';
import { Job } from './pipeline/progress.ts';
import { DEFAULT_RECOVERY } from './pipeline/recover-types.ts';
import type { Studio } from './pipeline/studio.ts';
import type { MergeMethodId, RungId } from './pipeline/types.ts';
import { loadNodeFactory } from './runtime/ort/node.ts';
import { expectClose } from './testing/compare.ts';
import { namedFile } from './testing/studio-in-node.ts';

const GUIDE = 'src/CONTRIBUTING.md';
const SAMPLE = 'public/samples/shakespeare-gpt2';
const LAYERS = [4, 5, 6, 7];
/** Ids that only the copy knows. */
const METHOD = 'norm-weighted' as MergeMethodId;
const RUNG = 'gain' as RungId;

interface Edit {
  readonly file: string;
  /** What stands there, once; null for a new file. */
  readonly before: string | null;
  readonly after: string;
}

/** What the page tells to do, in order. */
function editsOf(guide: string): Edit[] {
  const edits: Edit[] = [];
  const steps =
    /new file, `(src\/[^`]+)`|\bin\s+`(src\/[^`]+\.tsx?)`(?:, put `([^`]+)` behind `([^`]+)`)?|^```(ts|diff)\n(.*?)^```$/gims;
  let file = '';
  for (const [, added, edited, put, behind, kind, block] of guide.matchAll(steps)) {
    file = added ?? edited ?? file;
    if (put) edits.push({ file, before: behind, after: `${behind}${put}` });
    if (kind === 'ts') edits.push({ file, before: null, after: block });
    if (kind === 'diff') edits.push({ file, before: without('+', block), after: without('-', block) });
  }
  return edits;
}

function without(sign: string, block: string): string {
  const lines = block.split('\n').filter((line) => line && !line.startsWith(sign));
  return lines.map((line) => `${line.slice(1)}\n`).join('');
}

function carryOut(root: string, { file, before, after }: Edit): void {
  const path = join(root, file);
  if (before === null) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, after, { flag: 'wx' });
    return;
  }
  const pieces = readFileSync(path, 'utf8').split(before);
  if (pieces.length !== 2) {
    throw new Error(
      `${GUIDE} wants to edit ${file} where this stands ${pieces.length - 1} times:\n${before}`,
    );
  }
  writeFileSync(path, pieces.join(after));
}

let root: string;
let edits: Edit[];

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'layerfold-guide-'));
  cpSync('src', join(root, 'src'), {
    recursive: true,
    filter: (path) => !/\/testing\/(fixtures|models)$|\.test\.tsx?$/.test(path),
  });
  for (const name of ['package.json', 'tsconfig.json', 'biome.json', 'e2e/tsconfig.json']) {
    cpSync(name, join(root, name));
  }
  for (const name of ['node_modules', 'shaders']) symlinkSync(resolve(name), join(root, name));
  edits = editsOf(readFileSync(GUIDE, 'utf8'));
  for (const edit of edits) carryOut(root, edit);
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A module of the copy. */
async function fromCopy<M>(file: string): Promise<M> {
  return import(/* @vite-ignore */ join(root, file));
}

/** The sample with the beginnings of its texts, in a studio of the copy. */
async function open(): Promise<{ studio: Studio; groupId: string }> {
  const names = ['model.onnx', 'config.json', 'tokenizer.json'];
  const files = await Promise.all(names.map((name) => namedFile(`${SAMPLE}/${name}`)));
  for (const split of ['calibrate', 'select', 'report']) {
    const text = (await (await namedFile(`${SAMPLE}/${split}.txt`)).text()).slice(0, 1024);
    files.push(Object.assign(new Blob([text]), { name: `${split}.txt` }) as NamedBlob);
  }
  const { createStudio } = await fromCopy<typeof import('./testing/studio-in-node.ts')>(
    'src/testing/studio-in-node.ts',
  );
  const studio = await createStudio();
  const { model } = await studio.open(files);
  return { studio, groupId: model.groups[0].id };
}

/** Weights of these layers, or of each set's first, read from a file by the sources as they are. */
async function weightsIn(
  file: Blob,
  sets: readonly { readonly layers: readonly number[] }[] = LAYERS.map((layer) => ({ layers: [layer] })),
): Promise<FfnWeights[]> {
  const opened = await openModel(file, 'model.onnx');
  const live = await LiveModel.create(opened, await loadNodeFactory(), new Job());
  const [group] = opened.search.groups;
  const weights = await Promise.all(sets.map(({ layers }) => live.weightsOf(group, layers[0])));
  await live.release();
  return weights;
}

test('the page names files, and is compiled and found clean when it is followed', async () => {
  expect(new Set(edits.map(({ file }) => file)).size).toBeGreaterThan(8);
  const run = promisify(execFile);
  const tool = (path: string, ...args: string[]) =>
    run(process.execPath, [resolve('node_modules', path), ...args], { cwd: root }).then(
      () => '',
      ({ stdout, stderr }) => `${stdout}${stderr}`,
    );
  const added = edits.filter(({ before }) => before === null).map(({ file }) => file);
  const files = [...new Set(edits.map(({ file }) => file))];
  expect(await tool('typescript/bin/tsc', '--noEmit', '-p', 'src/tsconfig.core.json')).toBe('');
  expect(await tool('typescript/bin/tsc', '--noEmit', '-p', 'src/tsconfig.page.json')).toBe('');
  const biome = (...args: string[]) => tool('@biomejs/biome/bin/biome', ...args);
  // A line that grew may want another form, which the formatter gives it.
  expect(await biome('lint', '--vcs-enabled=false', ...files)).toBe('');
  expect(await biome('check', '--vcs-enabled=false', ...added)).toBe('');
}, 120_000);

test('the page offers both', async () => {
  const words = await fromCopy<typeof import('./ui/words.ts')>('src/ui/words.ts');
  const recipe = await fromCopy<typeof import('./recipe/schema.ts')>('src/recipe/schema.ts');
  const { RUNGS } = await fromCopy<typeof import('./store/recovered.ts')>('src/store/recovered.ts');
  expect(words.METHODS.map(({ id }) => id)).toEqual(recipe.METHODS);
  expect(words.METHODS.map(({ id }) => id)).toContain(METHOD);
  const rungs = words.LADDER.flatMap((part) => part.rungs.map(({ id }) => id));
  expect(rungs).toContain(RUNG);
  expect(RUNGS.slice(RUNGS.indexOf('R3')).slice(0, 3)).toEqual(['R3', RUNG, 'R4']);
});

describe('in the studio', () => {
  let studio: Studio;
  let groupId: string;
  beforeAll(async () => {
    ({ studio, groupId } = await open());
  }, 60_000);
  afterAll(() => studio?.dispose());
  const planOf = (method: MergeMethodId) =>
    ({ sets: [{ groupId, layers: LAYERS }], method, reference: 'first', score: 'default' }) as const;
  const bytesOf = async () => Buffer.from(await (await studio.download()).blob.arrayBuffer());

  test('the merge method gives the mean by norms, in the file too', async () => {
    const { saving } = await studio.merge(planOf(METHOD));
    const orders = await Promise.all(
      LAYERS.map(async (layer, i) =>
        i === 0 ? null : (await studio.alignment(groupId, LAYERS[0], layer)).permutation,
      ),
    );
    const originals = await weightsIn(await namedFile(`${SAMPLE}/model.onnx`));
    const { blob } = await studio.download();
    expect(blob.size).toBe(saving.bytesAfter);
    const norms = originals.map((layer) =>
      Math.sqrt([...layer.values()].reduce((sum, { data }) => data.reduce((s, v) => s + v * v, sum), 0)),
    );
    const total = norms.reduce((a, b) => a + b);
    // Layers that counted alike would not tell this mean from the plain one.
    expect(Math.max(...norms) / Math.min(...norms)).toBeGreaterThan(1.01);
    const merged = await weightsIn(blob);
    for (const [role, { rows, cols, data }] of merged[0]) {
      const wanted = new Float64Array(data.length);
      for (const [i, layer] of originals.entries()) {
        const values = layer.get(role)!.data;
        for (let r = 0; r < rows; r++) {
          for (let c = 0; c < cols; c++) {
            const [row, col] = unitOf(role, orders[i], r, c);
            wanted[r * cols + c] += (norms[i] / total) * values[row * cols + col];
          }
        }
      }
      for (const layer of merged) expectClose(layer.get(role)!.data, wanted, { absolute: 1e-6 });
    }
  }, 120_000);

  test('sweeps and recipes know it', async () => {
    const request = { groupId, widths: [4], method: METHOD, reference: 'first', score: 'default' } as const;
    const { entries } = await studio.sweep(request as Parameters<Studio['sweep']>[0]);
    await studio.merge(planOf(METHOD));
    const entry = entries.find(({ first }) => first === LAYERS[0])!;
    expect((await studio.evaluate('select')).merged).toBeCloseTo(entry.value, 6);
    const [bytes, { json }] = [await bytesOf(), await studio.recipe([])];
    await studio.merge(planOf('vanilla'));
    expect(Buffer.compare(await bytesOf(), bytes)).not.toBe(0);
    await studio.mergeRecipe(json);
    expect(Buffer.compare(await bytesOf(), bytes)).toBe(0);
  }, 120_000);

  test('the rung fits one gain a set, and the select split alone keeps it', async () => {
    const sets = [[0, 1], LAYERS.slice(0, 2), [9, 10]].map((layers) => ({ groupId, layers }));
    const plan = { ...planOf(METHOD), sets };
    await studio.merge(plan);
    const before = await weightsIn((await studio.download()).blob, sets);
    const request = { ...DEFAULT_RECOVERY, rungs: [RUNG] };
    const first = await studio.recover(request);
    const after = await weightsIn((await studio.download()).blob, sets);
    const [outcome] = first.outcomes;
    expect(outcome).toMatchObject({ before: first.start.select, score: first.end.select });
    let best = first.start.select;
    for (const [k, { kept, score, notes, ...fit }] of outcome.sets.entries()) {
      expect(kept).toBe(score! < best);
      if (kept) best = score!;
      expect(fit.after!).toBeLessThan(fit.before!);
      const factor = Number(/by ([\d.]+)\.$/.exec(notes[0])![1]);
      expect(Math.abs(factor - 1)).toBeGreaterThan(0.01);
      for (const [role, { data }] of after[k]) {
        const scale = kept && role === 'w_out' ? factor : 1;
        const wanted = before[k].get(role)!.data.map((v) => v * scale);
        expectClose(data, wanted, { absolute: scale === 1 ? 0 : 1e-4 });
      }
    }
    // Both must come about for this to show that it is decided.
    expect(new Set(outcome.sets.map(({ kept }) => kept)).size).toBe(2);
    expect((await studio.evaluate('select')).merged).toBe(best);
    const bytes = await bytesOf();
    // Where it was kept, it is 1 when it is fitted again.
    const { outcomes } = await studio.recover(request);
    for (const [k, { notes }] of outcomes[0].sets.entries()) {
      expect(/by 1\.0000/.test(notes[0])).toBe(outcome.sets[k].kept);
    }
    await studio.merge(plan);
    expect(Buffer.compare(await bytesOf(), bytes)).not.toBe(0);
    await studio.merge(first.plan);
    expect(Buffer.compare(await bytesOf(), bytes)).toBe(0);
  }, 120_000);
});

/** Where the value at [r, c] of a merged weight comes from in a layer whose units have this order. */
function unitOf(
  role: WeightRole,
  order: Uint32Array | null,
  r: number,
  c: number,
): readonly [number, number] {
  if (!order || role === 'b_out') return [r, c];
  return role === 'w_out' ? [order[r], c] : [r, order[c]];
}
