/**
 * Recovery of a gated FFN without any bias, on a trained model (src/testing/fixtures/shakespeare-llama): window 1–4,
 * aligned by up + gate, refitted on the calibration split and scored as the page scores. The merge and R3 are compared
 * with an independent reference (PyTorch, reference.json); of the loss that permutation leaves, at least a third goes.
 */
import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { solveAssignment } from '../align/assignment.ts';
import { type Dataset, readBatch } from '../data/dataset.ts';
import { type NamedBlob, sortFiles } from '../data/files.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import type { FfnWeights } from '../merge/method.ts';
import type { OwnPlace } from '../merge/own.ts';
import { addFiles, NO_FILES, prepareData } from '../pipeline/data-stage.ts';
import { LiveModel, type Overrides } from '../pipeline/live-model.ts';
import { openModel } from '../pipeline/opened.ts';
import { alignPairs, PairStore } from '../pipeline/pairs.ts';
import { Job } from '../pipeline/progress.ts';
import { Scorer } from '../pipeline/scoring.ts';
import { createRuntimeGemm } from '../runtime/ort/gemm.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import type { PinnedTensor } from '../runtime/session.ts';
import { createCpuAlgebra } from '../testing/cpu-algebra.ts';
import { type CalibrationBatch, inMemory } from './calibration.ts';
import type { Dense, LinearAlgebra } from './linear-algebra.ts';
import { recoveryMethods as rungs } from './method.ts';
import { averageLayers, type LayerFfn, type TiedFfn, withVectors } from './tied-ffn.ts';
import { readLayer, valuesOf } from './weights.ts';

const FOLDER = 'src/testing/fixtures/shakespeare-llama';
const WINDOW = [1, 2, 3, 4];

let live: LiveModel;
let group: FfnGroup;
let dataset: Dataset;
let scorer: Scorer;
let algebra: LinearAlgebra;
let templates: FfnWeights[];
let originals: LayerFfn[];
let merged: TiedFfn;
let batches: CalibrationBatch[];
// biome-ignore lint/suspicious/noExplicitAny: reference.json has no schema of its own
let reference: any;
let permutations: number[][];

const namedFile = async (path: string) =>
  Object.assign(await openAsBlob(path), { name: basename(path) }) as NamedBlob;

beforeAll(async () => {
  reference = JSON.parse(await readFile(`${FOLDER}/reference.json`, 'utf8'));
  const sessions = await loadNodeFactory();
  const opened = await openModel(await namedFile(`${FOLDER}/model.onnx`), 'model.onnx');
  const names = ['config.json', 'tokenizer.json', 'calibrate.txt', 'select.txt', 'report.txt'];
  const files = await Promise.all(names.map((f) => namedFile(`${FOLDER}/${f}`)));
  dataset = (await prepareData(opened, addFiles(NO_FILES, sortFiles(files)))).dataset!;
  // Inputs of FFNs are tapped in the place of what attention gives, which is not needed here.
  const [found] = opened.search.groups;
  group = { ...found, ffns: found.ffns.map((f) => ({ ...f, attentionOutput: f.input })) };
  const tapped = { ...opened, search: { ...opened.search, groups: [group] } };
  live = await LiveModel.create(tapped, sessions, new Job());
  scorer = new Scorer(live, dataset, opened.scoreOutput!.name);
  const gemm = createRuntimeGemm(sessions);
  algebra = createCpuAlgebra({ gemm });

  const pairs = new PairStore();
  const solve = async (score: Float32Array, size: number) => solveAssignment(score, size);
  const backend = createCpuBackend({ gemm });
  const context = { opened: tapped, live, dataset, backend, solve, pairs, job: new Job() };
  const asked = WINDOW.slice(1).map((layer) => [WINDOW[0], layer] as const);
  await alignPairs(context, group, asked);
  const aligned = WINDOW.map((layer) => pairs.get(group.id, WINDOW[0], layer));
  permutations = aligned.slice(1).map((p) => [...p!.permutation.indices]);
  batches = await calibration();
  templates = await Promise.all(WINDOW.map((l) => live.weightsOf(group, l)));
  originals = [];
  for (const [i, l] of WINDOW.entries()) {
    const seen = { x: batches[0].x[i], y: batches[0].y[i] };
    const permutation = aligned[i]?.permutation ?? null;
    const { layer, activation } = await readLayer(group.ffns[l], templates[i], permutation, algebra, seen);
    expect(activation).toBe('silu');
    originals.push(layer);
  }
  merged = averageLayers('silu', originals);
}, 60_000);

afterAll(() => live?.release());

/** Inputs and outputs of the window on the calibration split. */
async function calibration(): Promise<CalibrationBatch[]> {
  const out: CalibrationBatch[] = [];
  for (let b = 0; b < dataset.batches('calibrate', dataset.itemsPerBatch); b++) {
    const { feeds } = await readBatch(dataset, 'calibrate', b, dataset.itemsPerBatch);
    const ffns = WINDOW.map((l) => group.ffns[l]);
    const values = await live.run(
      feeds,
      ffns.flatMap((f) => [f.input, f.output]),
    );
    const read = async (name: string): Promise<Dense> => {
      const data = ((await values[name].read()) as Float32Array).slice();
      return { rows: data.length / group.dModel, cols: group.dModel, data };
    };
    const x = await Promise.all(ffns.map((f) => read(f.input)));
    out.push({ x, y: await Promise.all(ffns.map((f) => read(f.output))) });
    for (const value of Object.values(values)) value.release();
  }
  return out;
}

/** Scales are multiplied into matrices of the layer's own; biases are the live model's shifts. */
function overridesOf(ffn: TiedFfn): Overrides {
  const scaled = ({ rows, cols, data }: Dense, s: Float32Array | undefined): Dense => ({
    rows,
    cols,
    data: s ? data.map((v, at) => v * s[at % cols]) : data,
  });
  const all = new Map<string, PinnedTensor>();
  const none = { inScale: undefined, gateScale: undefined };
  WINDOW.forEach((layer, i) => {
    const { inScale, gateScale } = ffn.layers[i];
    const { wIn, wGate, wOut } = ffn.shared;
    const shared = { wIn: scaled(wIn, inScale), wGate: scaled(wGate!, gateScale), wOut };
    const { weights, extra } = valuesOf(
      withVectors({ ...ffn, shared }, () => none),
      i,
      templates[i],
    );
    for (const [name, pin] of live.override(group, [layer], weights)) all.set(name, pin);
    const shifts: [OwnPlace, Float32Array | undefined][] = [
      ['in', extra.bIn],
      ['gate', extra.bGate],
      ['out', extra.bOut],
    ];
    for (const [place, shift] of shifts) {
      if (!shift) continue;
      for (const [name, pin] of live.shift(group, layer, place, shift)) all.set(name, pin);
    }
  });
  return all;
}

async function score(label: string, ffn: TiedFfn) {
  const weights = overridesOf(ffn);
  const on = async (split: 'select' | 'report') =>
    (await scorer.variant(split, { metric: 'perplexity' }, label, { weights }, new Job())).value;
  const scores = { select: await on('select'), report: await on('report') };
  for (const pin of weights.values()) pin.release();
  return scores;
}

async function original(split: 'select' | 'report') {
  return (await scorer.original(split, { metric: 'perplexity' }, new Job())).value;
}

/** Of the loss on the report split that permutation leaves. */
function removed(report: number): number {
  const before = reference.original.report;
  return 1 - (report - before) / (reference.merged['permute, up + gate'].report - before);
}

const within = (value: number, expected: number, share: number) =>
  expect(Math.abs(value / expected - 1), `${value} against ${expected}`).toBeLessThan(share);

const input = (ffn: TiedFfn) => ({ ffn, originals, data: inMemory(batches), algebra });

describe('shakespeare-llama, window 1–4, no bias in the file', () => {
  test('the original and the merge score what the reference scored', async () => {
    expect(batches.reduce((rows, b) => rows + b.x[0].rows, 0)).toBe(reference.calibration_tokens);
    expect(Object.values(merged.layers[0]).filter((v) => v !== undefined)).toEqual([]);
    WINDOW.slice(1).forEach((layer, i) => {
      const same = permutations[i].filter((u, k) => u === reference.permutation[layer][k]).length;
      expect(same / group.dFf).toBeGreaterThan(0.99);
    });
    within(await original('report'), reference.original.report, 1e-4);
    within((await score('permute', merged)).report, reference.merged['permute, up + gate'].report, 1e-3);
  }, 60_000);

  test('R2 and R3 score what the reference scored', async () => {
    const scaled = (await rungs.R2.recover(input(merged))).ffn;
    within((await score('R2', scaled)).report, reference.recovered.R2.report, 2e-3);
    const fixed = { lambdas: [0.01], holdOut: 0 };
    const refitted = (await rungs.R3.recover(input(merged), fixed)).ffn;
    const expected = reference.recovered['R3, own b_out, lambda 0.01'];
    within((await score('R3 at 0.01', refitted)).report, expected.report, 2e-3);
  }, 60_000);

  test('R0–R3, each kept where select improves, remove a third of the loss', async () => {
    let ffn = merged;
    let best = await score('merged', ffn);
    const kept: string[] = [];
    for (const id of ['R1', 'R2', 'R3'] as const) {
      const { ffn: next } = await rungs[id].recover(input(ffn));
      const scores = await score(`ladder ${id} after ${kept.join()}`, next);
      if (!(scores.select < best.select)) continue;
      [ffn, best] = [next, scores];
      kept.push(id);
    }
    expect(kept).toContain('R3');
    expect(removed(best.report), `${kept.join(' + ')}: ${best.report}`).toBeGreaterThan(1 / 3);
  }, 60_000);
});
