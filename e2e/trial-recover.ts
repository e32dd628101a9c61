/**
 * `npx tsx e2e/trial-recover.ts [digits-vit] [--window=4-7] [--steps=400] [--rungs=R1,R2,…]`: what each rung of recovery
 * brings on a sample, calibrating on its calibration split alone; printed and never asserted.
 *
 * Each layer of the open model has live weights of its own, so own vectors and deltas are tried without writing a file:
 * they are multiplied into that layer's matrices. The select and the report score stand side by side.
 */
import { solveAssignment } from '../src/align/assignment.ts';
import { type Dataset, readBatch } from '../src/data/dataset.ts';
import { sortFiles } from '../src/data/files.ts';
import type { FfnGroup } from '../src/graph/ffn.ts';
import { createCpuBackend } from '../src/kernels/cpu/index.ts';
import { addFiles, NO_FILES, prepareData } from '../src/pipeline/data-stage.ts';
import { LiveModel, type Overrides } from '../src/pipeline/live-model.ts';
import { openModel } from '../src/pipeline/opened.ts';
import { alignPairs, PairStore } from '../src/pipeline/pairs.ts';
import { Job } from '../src/pipeline/progress.ts';
import { Scorer } from '../src/pipeline/scoring.ts';
import type { MetricChoice } from '../src/pipeline/types.ts';
import { type CalibrationBatch, inMemory } from '../src/recover/calibration.ts';
import type { Dense } from '../src/recover/linear-algebra.ts';
import type { Recovered, RecoveryInput } from '../src/recover/method.ts';
import { recoveryOn } from '../src/recover/on-backend.ts';
import { averageLayers, shapeOf, type TiedFfn } from '../src/recover/tied-ffn.ts';
import { foldedLayer, layerOf, readLayer } from '../src/recover/weights.ts';
import { createRuntimeGemm } from '../src/runtime/ort/gemm.ts';
import { loadNodeFactory } from '../src/runtime/ort/node.ts';
import { namedFile } from '../src/testing/studio-in-node.ts';
import { companionFiles, dynamoModel, type SampleName, sampleNames } from './support/fixtures.ts';

const words = process.argv.slice(2);
const optionOf = (name: string, other: string) =>
  words.find((w) => w.startsWith(`--${name}=`))?.slice(name.length + 3) ?? other;
const name: SampleName = sampleNames.find((sample) => words.includes(sample)) ?? 'shakespeare-gpt2';
const [first, last] = optionOf('window', '4-7').split('-').map(Number);
const steps = Number(optionOf('steps', '400'));
const only = optionOf('rungs', '');

const sessions = await loadNodeFactory(1);
const opened = await openModel(await namedFile(dynamoModel(name)), 'model.onnx');
const files = addFiles(NO_FILES, sortFiles(await Promise.all(companionFiles(name).map(namedFile))));
const stage = await prepareData(opened, files);
if (!stage.dataset || !stage.data || !opened.scoreOutput) throw new Error(`${name} has nothing to score.`);
const dataset: Dataset = stage.dataset;
// The inputs of the FFNs are tapped in the place of the attention's outputs, which are not needed here.
const withInputs = (g: FfnGroup): FfnGroup => ({
  ...g,
  ffns: g.ffns.map((f) => ({ ...f, attentionOutput: f.input })),
});
const group = withInputs(opened.search.groups[0]);
const tapped = { ...opened, search: { ...opened.search, groups: [group] } };
const live = await LiveModel.create(tapped, sessions, new Job());
const gemm = createRuntimeGemm(sessions);
const backend = createCpuBackend({ gemm });
const { algebra, methods: rungs } = recoveryOn(backend);
const choice: MetricChoice = { metric: name === 'digits-vit' ? 'kl' : stage.data.metric };
const scorer = new Scorer(live, dataset, opened.scoreOutput.name);
const window = Array.from({ length: last - first + 1 }, (_, i) => first + i);
const ffns = window.map((l) => group.ffns[l]);

/** Inputs and outputs of the window on the calibration split. */
async function tap(weights?: Overrides): Promise<{ x: Dense[]; y: Dense[] }[]> {
  const out: { x: Dense[]; y: Dense[] }[] = [];
  for (let b = 0; b < dataset.batches('calibrate', dataset.itemsPerBatch); b++) {
    const { feeds } = await readBatch(dataset, 'calibrate', b, dataset.itemsPerBatch);
    const names = ffns.flatMap((f) => [f.input, f.output]);
    const values = await live.run(feeds, names, weights && { changes: { weights } });
    const read = async (value: string): Promise<Dense> => {
      const data = (await values[value].read()).slice() as Float32Array;
      return { rows: data.length / group.dModel, cols: group.dModel, data };
    };
    const x = await Promise.all(ffns.map((f) => read(f.input)));
    out.push({ x, y: await Promise.all(ffns.map((f) => read(f.output))) });
    for (const value of Object.values(values)) value.release();
  }
  return out;
}

const pairs = new PairStore();
const solve = async (score: Float32Array, size: number) => solveAssignment(score, size);
await alignPairs(
  { opened: tapped, live, dataset, backend, solve, pairs, job: new Job() },
  group,
  window.slice(1).map((l) => [first, l] as const),
);
const original: CalibrationBatch[] = await tap();
console.log(
  `${name}, window ${first}–${last}: ${original.reduce((s, b) => s + b.x[0].rows, 0)} calibration tokens`,
);
const templates = await Promise.all(window.map((l) => live.weightsOf(group, l)));
const permutations = window.map((l) => pairs.get(group.id, first, l)?.permutation ?? null);
for (const [i, ffn] of ffns.entries()) {
  const sample = { x: original[0].x[i], y: original[0].y[i] };
  await readLayer(ffn, templates[i], permutations[i], algebra, sample);
}
const originals = templates.map((t, i) => layerOf(t, permutations[i]));
const { activation } = await readLayer(ffns[0], templates[0], null, algebra, {
  x: original[0].x[0],
  y: original[0].y[0],
});
const merged = averageLayers(activation, originals);

/** Scales and deltas are multiplied into matrices of the layer's own, which a file could not share. */
function overridesOf(ffn: TiedFfn): Overrides {
  const all = new Map<string, Overrides extends ReadonlyMap<string, infer P> ? P : never>();
  window.forEach((layer, i) => {
    const { weights, shifts } = foldedLayer(ffn, i, templates[i]);
    if (shifts.size > 0) throw new Error(`Layer ${layer} has no place for its biases in the open model.`);
    for (const [key, pin] of live.override(group, [layer], weights)) all.set(key, pin);
  });
  return all;
}

let count = 0;
async function show(label: string, ffn: TiedFfn, seconds?: number, done?: Recovered): Promise<void> {
  const weights = overridesOf(ffn);
  const key = `trial ${count++}`;
  const select = await scorer.variant('select', choice, key, { weights }, new Job());
  const report = await scorer.variant('report', choice, key, { weights }, new Job());
  const cells = [select.value.toFixed(4), report.value.toFixed(4)];
  if (seconds !== undefined) cells.push(`${seconds.toFixed(1)} s`);
  if (done) cells.push(`${done.before.toFixed(4)} → ${done.after.toFixed(4)}`);
  console.log(`  ${label.padEnd(44)}${cells.map((c) => c.padStart(12)).join('')}`);
  for (const note of done?.notes ?? []) console.log(`      ${note}`);
  for (const pin of new Set(weights.values())) pin.release();
}

const onOriginal = inMemory(original);
async function apply(
  label: string,
  ffn: TiedFfn,
  recover: (input: RecoveryInput) => Promise<Recovered>,
  data = onOriginal,
): Promise<TiedFfn> {
  const begun = performance.now();
  const done = await recover({ ffn, originals, data, algebra });
  await show(label, done.ffn, (performance.now() - begun) / 1000, done);
  return done.ffn;
}

/** The same targets on the inputs that the merged model gives. */
async function refreshed(ffn: TiedFfn) {
  const weights = overridesOf(ffn);
  const now = await tap(weights);
  for (const pin of new Set(weights.values())) pin.release();
  return inMemory(original.map(({ x, y }, b) => ({ x: now[b].x, y, originalX: x })));
}

const wanted = (rung: string) => only === '' || only.split(',').includes(rung);
console.log(
  `  ${''.padEnd(44)}${['select', 'report', 'time', 'objective'].map((c) => c.padStart(12)).join('')}`,
);
const { value } = await scorer.original('report', choice, new Job());
console.log(`  original on report: ${value.toFixed(4)}; shape ${JSON.stringify(shapeOf(merged))}`);
await show('permute', merged);
if (wanted('R0b')) {
  await apply('R0b', merged, (i) => rungs.R0b.recover(i));
  await apply('R0b, own b_in too', merged, (i) => rungs.R0b.recover(i, { inputBiases: true }));
}
if (wanted('R1')) {
  const up = await apply('R1', merged, (i) => rungs.R1.recover(i));
  await apply('R1, one bias', merged, (i) => rungs.R1.recover(i, { bias: 'tied' }));
  await apply('R1 + R3', up, (i) => rungs.R3.recover(i));
}
if (wanted('R2')) {
  const scaled = await apply('R2', merged, (i) => rungs.R2.recover(i));
  await apply('R2 + R3', scaled, (i) => rungs.R3.recover(i));
}
const down = await apply('R3', merged, (i) => rungs.R3.recover(i));
if (wanted('R3')) {
  for (const lambda of [0.001, 0.003, 0.01, 0.03]) {
    await apply(`R3, λ ${lambda}, nothing held out`, merged, (i) =>
      rungs.R3.recover(i, { lambdas: [lambda], holdOut: 0 }),
    );
  }
  await apply('R3, towards the merged', merged, (i) => rungs.R3.recover(i, { towards: 'current' }));
  const own = await apply('R0b with b_in', merged, (i) => rungs.R0b.recover(i, { inputBiases: true }));
  await apply('R0b with b_in + R3', own, (i) => rungs.R3.recover(i));
  await apply('R3 + refresh + R3', down, (i) => rungs.R3.recover(i), await refreshed(down));
}
if (wanted('R4')) await apply('R3 + R4', down, (i) => rungs.R4.recover(i));
if (wanted('R5')) {
  for (const rank of [4, 16]) {
    await apply(`R3 + R5, rank ${rank}`, down, (i) => rungs.R5.recover(i, { rank }));
    const up = await apply(`R5 of in, rank ${rank}`, merged, (i) =>
      rungs.R5.recover(i, { rank, of: ['in'] }),
    );
    const refit = await apply('  + R3', up, (i) => rungs.R3.recover(i));
    await apply('  + R5 of out', refit, (i) => rungs.R5.recover(i, { rank, of: ['out'] }));
  }
}
if (wanted('R6')) {
  const distilled = await apply(`R3 + R6 (${steps})`, down, (i) => rungs.R6.recover(i, { steps }));
  const again = await refreshed(distilled);
  await apply(`R3 + R6 + refresh + R6 (${steps})`, distilled, (i) => rungs.R6.recover(i, { steps }), again);
}
if (wanted('ladder')) {
  const scaled = await apply('R2', merged, (i) => rungs.R2.recover(i));
  const refitted = await apply('R2 + R3', scaled, (i) => rungs.R3.recover(i));
  const distilled = await apply(`R2 + R3 + R6 (${steps})`, refitted, (i) => rungs.R6.recover(i, { steps }));
  const gained = await apply('R2 + R3 + R4', refitted, (i) => rungs.R4.recover(i));
  await apply(`R2 + R3 + R4 + R6 (${steps})`, gained, (i) => rungs.R6.recover(i, { steps }));
  const again = await refreshed(distilled);
  await apply(
    `R2 + R3 + R6 + refresh + R6 (${steps})`,
    distilled,
    (i) => rungs.R6.recover(i, { steps }),
    again,
  );
}
await live.release();
