/**
 * R3 on a real model against an independent reference (PyTorch, reference.json): window 4–7 of shakespeare-gpt2, merged
 * with the reference's permutations, refitted on the calibration split, and scored as the page scores.
 */
import { expect, test } from 'vitest';
import { Permutation } from '../align/permutation.ts';
import { readBatch } from '../data/dataset.ts';
import { sortFiles } from '../data/files.ts';
import { addFiles, NO_FILES, prepareData } from '../pipeline/data-stage.ts';
import { LiveModel } from '../pipeline/live-model.ts';
import { openModel } from '../pipeline/opened.ts';
import { Job } from '../pipeline/progress.ts';
import { Scorer } from '../pipeline/scoring.ts';
import { createRuntimeGemm } from '../runtime/ort/gemm.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import type { PinnedTensor } from '../runtime/session.ts';
import { createCpuAlgebra } from '../testing/cpu-algebra.ts';
import { namedFile, readReference } from '../testing/studio-in-node.ts';
import { type CalibrationBatch, inMemory } from './calibration.ts';
import { downRidge } from './down-ridge/down-ridge.ts';
import type { Dense } from './linear-algebra.ts';
import { averageLayers, type LayerFfn } from './tied-ffn.ts';
import { readLayer, valuesOf } from './weights.ts';

test('shakespeare-gpt2, window 4–7: R3 scores what the reference scored', async () => {
  const sample = 'public/samples/shakespeare-gpt2';
  const reference = await readReference('shakespeare-gpt2');
  const sessions = await loadNodeFactory();
  const opened = await openModel(await namedFile(`${sample}/model.onnx`), 'model.onnx');
  const names = ['config.json', 'tokenizer.json', 'calibrate.txt', 'select.txt', 'report.txt'];
  const files = await Promise.all(names.map((f) => namedFile(`${sample}/${f}`)));
  const { dataset } = await prepareData(opened, addFiles(NO_FILES, sortFiles(files)));
  // Inputs of FFNs are tapped in the place of what attention gives, which is not needed here.
  const group = {
    ...opened.search.groups[0],
    ffns: opened.search.groups[0].ffns.map((f) => ({ ...f, attentionOutput: f.input })),
  };
  const live = await LiveModel.create(
    { ...opened, search: { ...opened.search, groups: [group] } },
    sessions,
    new Job(),
  );
  const algebra = createCpuAlgebra({ gemm: createRuntimeGemm(sessions) });

  const window = [4, 5, 6, 7];
  const batches: CalibrationBatch[] = [];
  for (let b = 0; b < dataset!.batches('calibrate', dataset!.itemsPerBatch); b++) {
    const { feeds } = await readBatch(dataset!, 'calibrate', b, dataset!.itemsPerBatch);
    const values = await live.run(
      feeds,
      window.flatMap((l) => [group.ffns[l].input, group.ffns[l].output]),
    );
    const read = async (name: string): Promise<Dense> => {
      const data = ((await values[name].read()) as Float32Array).slice();
      return { rows: data.length / 128, cols: 128, data };
    };
    batches.push({
      x: await Promise.all(window.map((l) => read(group.ffns[l].input))),
      y: await Promise.all(window.map((l) => read(group.ffns[l].output))),
    });
    for (const value of Object.values(values)) value.release();
  }
  expect(batches.reduce((rows, b) => rows + b.x[0].rows, 0)).toBe(reference.calibration_tokens);

  const templates = await Promise.all(window.map((l) => live.weightsOf(group, l)));
  const originals: LayerFfn[] = [];
  for (const [i, l] of window.entries()) {
    const permutation = Permutation.from(reference.permutation[l]);
    const seen = { x: batches[0].x[i], y: batches[0].y[i] };
    const read = await readLayer(group.ffns[l], templates[i], permutation, algebra, seen);
    expect(read.activation).toBe('gelu-tanh');
    originals.push(read.layer);
  }
  const ffn = averageLayers('gelu-tanh', originals);
  const input = { ffn, originals, data: inMemory(batches), algebra };
  const done = await downRidge.recover(input, { lambdas: [0.01], holdOut: 0 });

  const weights = new Map<string, PinnedTensor>();
  for (const [i, l] of window.entries()) {
    const { weights: values, extra } = valuesOf(done.ffn, i, templates[i]);
    expect(extra).toEqual({});
    for (const [name, pin] of live.override(group, [l], values)) weights.set(name, pin);
  }
  const scorer = new Scorer(live, dataset!, opened.scoreOutput!.name);
  const { value } = await scorer.variant('select', { metric: 'perplexity' }, 'R3', { weights }, new Job());
  const expected = reference.recovered['R3, tied b_in, own b_out, lambda 0.01 of the mean diagonal'].select;
  expect(Math.abs(value / expected - 1)).toBeLessThan(5e-4);
  await live.release();
}, 120_000);
