/**
 * `npx tsx e2e/bench-tune.ts [digits-vit] [--window=4-7] [--steps=150] [--items=8] [--rate=0.0005] [--local=400]`: what
 * end-to-end tuning brings on a sample after local recovery (R3, then R6 with `local` steps; 0 leaves both out), with
 * distillation from the original on the calibration split alone; seconds and processor seconds of a step.
 *
 * Printed and never asserted. Biases are each layer's own. A step's time holds what is scored before it.
 */
import { solveAssignment } from '../src/align/assignment.ts';
import { type Dataset, readBatch } from '../src/data/dataset.ts';
import { sortFiles } from '../src/data/files.ts';
import type { FfnGroup } from '../src/graph/ffn.ts';
import { createCpuBackend } from '../src/kernels/cpu/index.ts';
import type { TiedFfn } from '../src/merge/write-back.ts';
import { addFiles, NO_FILES, prepareData } from '../src/pipeline/data-stage.ts';
import { LiveModel, type Overrides } from '../src/pipeline/live-model.ts';
import { openModel } from '../src/pipeline/opened.ts';
import { alignPairs, PairStore } from '../src/pipeline/pairs.ts';
import { Job } from '../src/pipeline/progress.ts';
import { Scorer } from '../src/pipeline/scoring.ts';
import type { MetricChoice } from '../src/pipeline/types.ts';
import { type CalibrationBatch, inMemory } from '../src/recover/calibration.ts';
import type { Dense } from '../src/recover/linear-algebra.ts';
import { recoveryOn } from '../src/recover/on-backend.ts';
import { averageLayers } from '../src/recover/tied-ffn.ts';
import { tuneSets } from '../src/recover/tune/tune-sets.ts';
import { layerOf, ownOf, readLayer } from '../src/recover/weights.ts';
import { loadNodeJaxFactory } from '../src/runtime/jax/node.ts';
import { createRuntimeGemm } from '../src/runtime/ort/gemm.ts';
import { loadNodeFactory } from '../src/runtime/ort/node.ts';
import { namedFile } from '../src/testing/studio-in-node.ts';
import { companionFiles, dynamoModel, type SampleName, sampleNames } from './support/fixtures.ts';

const words = process.argv.slice(2);
const optionOf = (name: string, other: string) =>
  words.find((w) => w.startsWith(`--${name}=`))?.slice(name.length + 3) ?? other;
const name: SampleName = sampleNames.find((sample) => words.includes(sample)) ?? 'shakespeare-gpt2';
const [first, last] = optionOf('window', '4-7').split('-').map(Number);
const [steps, items, local] = [
  ['steps', '150'],
  ['items', '8'],
  ['local', '400'],
].map(([o, d]) => Number(optionOf(o, d)));
const rate = Number(optionOf('rate', '0.0005'));

const jax = await loadNodeJaxFactory();
const sessions = await loadNodeFactory(1);
const opened = await openModel(await namedFile(dynamoModel(name)), 'model.onnx');
const files = addFiles(NO_FILES, sortFiles(await Promise.all(companionFiles(name).map(namedFile))));
const stage = await prepareData(opened, files);
if (!stage.dataset || !stage.data || !opened.scoreOutput) throw new Error(`${name} has nothing to score.`);
const dataset: Dataset = stage.dataset;
const [plainGroup] = opened.search.groups;
// The inputs of the FFNs are tapped in the place of the attention's outputs, which are not needed here.
const group: FfnGroup = {
  ...plainGroup,
  ffns: plainGroup.ffns.map((f) => ({ ...f, attentionOutput: f.input })),
};
const tapped = { ...opened, search: { ...opened.search, groups: [group] } };
const live = await LiveModel.create(tapped, sessions, new Job());
const gemm = createRuntimeGemm(sessions);
const choice: MetricChoice = { metric: name === 'digits-vit' ? 'kl' : stage.data.metric };
const scorer = new Scorer(live, dataset, opened.scoreOutput.name);
const window = Array.from({ length: last - first + 1 }, (_, i) => first + i);

let count = 0;
async function score(sets: readonly TiedFfn[], split: 'select' | 'report'): Promise<number> {
  const all = new Map<string, Overrides extends ReadonlyMap<string, infer P> ? P : never>();
  for (const { layers, values, own } of sets) {
    for (const [i, layer] of layers.entries()) {
      const mine = new Map([...values!, ...(own?.[i].weights ?? [])]);
      for (const [key, pin] of live.override(group, [layer], mine)) all.set(key, pin);
    }
  }
  const { value } = await scorer.variant(split, choice, `trial ${count++}`, { weights: all }, new Job());
  for (const pin of new Set(all.values())) pin.release();
  return value;
}

/** The merge, after local recovery. */
async function recovered(): Promise<TiedFfn> {
  const pairs = new PairStore();
  const solve = async (s: Float32Array, size: number) => solveAssignment(s, size);
  const backend = createCpuBackend({ gemm });
  const { algebra, methods: rungs } = recoveryOn(backend);
  await alignPairs(
    { opened: tapped, live, dataset, backend, solve, pairs, job: new Job() },
    group,
    window.slice(1).map((l) => [first, l] as const),
  );
  const templates = await Promise.all(window.map((l) => live.weightsOf(group, l)));
  const originals = templates.map((t, i) =>
    layerOf(t, pairs.get(group.id, first, window[i])?.permutation ?? null),
  );
  const taps: CalibrationBatch[] = [];
  const ffns = window.map((l) => group.ffns[l]);
  for (let b = 0; b < dataset.batches('calibrate', dataset.itemsPerBatch); b++) {
    const { feeds } = await readBatch(dataset, 'calibrate', b, dataset.itemsPerBatch);
    const values = await live.run(
      feeds,
      ffns.flatMap((f) => [f.input, f.output]),
    );
    const read = async (value: string): Promise<Dense> => {
      const data = (await values[value].read()).slice() as Float32Array;
      return { rows: data.length / group.dModel, cols: group.dModel, data };
    };
    taps.push({
      x: await Promise.all(ffns.map((f) => read(f.input))),
      y: await Promise.all(ffns.map((f) => read(f.output))),
    });
    for (const value of Object.values(values)) value.release();
    if (local === 0) break;
  }
  const { activation } = await readLayer(ffns[0], templates[0], null, algebra, {
    x: taps[0].x[0],
    y: taps[0].y[0],
  });
  let ffn = averageLayers(activation, originals);
  if (local > 0) {
    const data = inMemory(taps);
    ({ ffn } = await rungs.R3.recover({ ffn, originals, data, algebra }));
    ({ ffn } = await rungs.R6.recover({ ffn, originals, data, algebra }, { steps: local }));
  }
  const parts = window.map((_, i) => ownOf(ffn, i, templates[i]));
  return { group, layers: window, values: parts[0].tied, own: parts.map((p) => p.own) };
}

const sets = [await recovered()];
const original = (await scorer.original('report', choice, new Job())).value;
console.log(`${name}, window ${first}–${last}: original on report ${original.toFixed(4)}`);
console.log(
  `  before tuning: select ${(await score(sets, 'select')).toFixed(4)}, report ${(await score(sets, 'report')).toFixed(4)}`,
);
let [at, cpu] = [performance.now(), process.cpuUsage()];
const tuned = await tuneSets(
  {
    source: { ...opened, sets, output: opened.scoreOutput.name },
    chunks: {
      count: dataset.batches('calibrate', items),
      read: (i) => readBatch(dataset, 'calibrate', i, items),
    },
    ownBiases: true,
    options: { steps, rate, patience: 100 },
    control: {
      select: (now) => score(now, 'select'),
      onStep: ({ step, loss, norm, selection }) => {
        const used = process.cpuUsage(cpu);
        const seconds = ((performance.now() - at) / 1000).toFixed(2);
        const processor = ((used.user + used.system) / 1e6).toFixed(2);
        if (step <= 3 || selection !== undefined) {
          console.log(
            `  step ${step}: loss ${loss.toFixed(4)}, norm ${norm.toFixed(3)}, ${seconds} s (processor ${processor} s), memory ${process.memoryUsage().rss >> 20} MB${selection === undefined ? '' : `, select ${selection.toFixed(4)}`}`,
          );
        }
        [at, cpu] = [performance.now(), process.cpuUsage()];
      },
    },
  },
  sessions,
  jax,
);
const { before, after, bestStep } = tuned.result;
console.log(
  `  best at step ${bestStep}: select ${before.toFixed(4)} → ${after.toFixed(4)}, report ${(await score(tuned.sets, 'report')).toFixed(4)}; ${tuned.leftOut} batches were of another shape`,
);
await live.release();
