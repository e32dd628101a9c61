/**
 * `npm run bench:sweep`: what a candidate of the sweep costs, against the plain way; printed and never asserted.
 * `npm run bench:sweep -- digits-vit --threads=2` takes the other sample, and more threads than one.
 *
 * Ours is the sweep itself, as the page runs it: merged weights fed into the sessions of the open model, from the kept
 * values of the original on. The plain way takes the same merges and, for each, writes the merged model file, creates a
 * session of it, and scores it. Both run in Node on onnxruntime-web's wasm provider with equal threads, on all of the
 * select split, with the same data and the same metric; both times hold the merging of the weights.
 * What is done once for all candidates is printed apart: opening, scoring the original, and aligning the layers, whose
 * assignments both ways use.
 */

import { solveAssignment } from '../src/align/assignment.ts';
import { sortFiles } from '../src/data/files.ts';
import { combine, pairedStandardError, type Scored, scoreBatch } from '../src/evaluate/metric.ts';
import { liveName, planOpenGraph } from '../src/graph/open-graph.ts';
import { createCpuBackend } from '../src/kernels/cpu/index.ts';
import type { StageContext } from '../src/pipeline/context.ts';
import { addFiles, NO_FILES, prepareData } from '../src/pipeline/data-stage.ts';
import { LiveModel, tapsOf } from '../src/pipeline/live-model.ts';
import { openModel } from '../src/pipeline/opened.ts';
import { alignPairs, PairStore } from '../src/pipeline/pairs.ts';
import { Job } from '../src/pipeline/progress.ts';
import { Scorer } from '../src/pipeline/scoring.ts';
import { type SweepCache, sweepWindows, windowPlan } from '../src/pipeline/sweep.ts';
import type { MetricChoice, Progress, SweepEntry, SweepRequest } from '../src/pipeline/types.ts';
import { buildVariant, releaseVariant } from '../src/pipeline/variant.ts';
import { createRuntimeGemm } from '../src/runtime/ort/gemm.ts';
import { loadNodeFactory } from '../src/runtime/ort/node.ts';
import { savedBytes } from '../src/testing/saved-bytes.ts';
import { namedFile } from '../src/testing/studio-in-node.ts';
import { companionFiles, dynamoModel, type SampleName, sampleNames } from './support/fixtures.ts';

const words = process.argv.slice(2);
const name: SampleName = sampleNames.find((sample) => words.includes(sample)) ?? 'shakespeare-gpt2';
const threads = Number(words.find((word) => word.startsWith('--threads='))?.slice('--threads='.length) ?? 1);
const widths = [2, 3, 4];

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
const inMs = (ms: number) => `${ms.toFixed(0)} ms`;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

function row(what: string, ...cells: string[]): void {
  console.log(`  ${what.padEnd(42)}${cells.map((cell) => cell.padStart(13)).join('')}`);
}

const begun = performance.now();
const sessions = await loadNodeFactory(threads);
const opened = await openModel(await namedFile(dynamoModel(name)), 'model.onnx');
const files = addFiles(NO_FILES, sortFiles(await Promise.all(companionFiles(name).map(namedFile))));
const stage = await prepareData(opened, files);
if (!stage.dataset || !stage.data || !opened.scoreOutput)
  throw new Error(`The sample ${name} has nothing to score.`);
const data = stage.dataset;
const summary = stage.data;
const output = opened.scoreOutput.name;
const live = await LiveModel.create(opened, sessions, new Job());
const openingTook = performance.now() - begun;

const [group] = opened.search.groups;
/** As the open model is cut. */
const plans = planOpenGraph(opened.model, opened.search, opened.search.groups, group.ffns.flatMap(tapsOf));
const layers = group.ffns.length;
const choice: MetricChoice = { metric: summary.metric };
const context: Omit<StageContext, 'job'> = {
  opened,
  live,
  dataset: data,
  backend: createCpuBackend({ gemm: createRuntimeGemm(sessions) }),
  solve: async (score, size) => solveAssignment(score, size),
  pairs: new PairStore(),
};
const scorer = new Scorer(live, data, output);
const batches = scorer.batches('select', choice);

/** A session of a whole file, run over the select split. */
async function scorePlainly(file: Uint8Array, metric: MetricChoice['metric']): Promise<Scored> {
  const session = await sessions.create(file);
  try {
    const losses: Float32Array[] = [];
    for (let batch = 0; batch < batches; batch++) {
      const { feeds, targets } = data.batch('select', batch, data.itemsPerBatch);
      const { [output]: logits } = await session.run(feeds, [output]);
      losses.push(scoreBatch(metric, (await logits.read()) as Float32Array, targets));
      logits.release();
    }
    return combine(losses, metric);
  } finally {
    await session.release();
  }
}

const originalBegun = performance.now();
const original = await scorer.original('select', choice, new Job());
const originalTook = performance.now() - originalBegun;

const request: Omit<SweepRequest, 'widths'> = {
  groupId: group.id,
  method: 'permute',
  reference: 'first',
  score: 'default',
};
const windowsOf = (width: number) => Array.from({ length: layers - width + 1 }, (_, first) => first);
const pairs = widths.flatMap((width) =>
  windowsOf(width).flatMap((first) =>
    Array.from({ length: width - 1 }, (_, k): [number, number] => [first, first + k + 1]),
  ),
);
const alignmentBegun = performance.now();
await alignPairs({ ...context, job: new Job() }, group, pairs);
const alignmentTook = performance.now() - alignmentBegun;

/** Milliseconds: by the clock, and of this process on the processor, which another load of the machine changes less. */
interface Cost {
  readonly clock: number;
  readonly processor: number;
}

interface Candidate {
  readonly entry: SweepEntry;
  readonly ours: Cost;
  readonly plainly: Cost;
  readonly plainValue: number;
}

function startCost(): () => Cost {
  const begun = performance.now();
  const used = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(used);
    return { clock: performance.now() - begun, processor: (user + system) / 1000 };
  };
}

async function plainWay(
  first: number,
  last: number,
): Promise<{ value: number; cost: Cost; writing: number }> {
  const cost = startCost();
  const variant = await buildVariant({ ...context, job: new Job() }, windowPlan(request, first, last));
  const writingBegun = performance.now();
  const file = await savedBytes(opened, variant.files);
  const writing = performance.now() - writingBegun;
  const scored = await scorePlainly(file, choice.metric);
  pairedStandardError(original, scored);
  releaseVariant(variant);
  return { value: scored.value, cost: cost(), writing };
}

// The plain way meets its first file uncounted, as ours has met the original.
await scorePlainly(await savedBytes(opened), choice.metric);

const candidates: Candidate[] = [];
let writing = 0;
const cache: SweepCache = new Map();
for (const width of widths) {
  // Both ways width by width, so that another load of the machine meets both.
  const sweptWindows: { readonly entry: SweepEntry; readonly cost: Cost }[] = [];
  let cost = startCost();
  const onProgress = ({ partial }: Progress) => {
    if (!partial?.sweep) return;
    sweptWindows.push({ entry: partial.sweep, cost: cost() });
    cost = startCost();
  };
  const sweepContext = { ...context, job: new Job({ onProgress }) };
  await sweepWindows(sweepContext, scorer, { ...request, widths: [width] }, choice, cache, () => []);
  for (const swept of sweptWindows) {
    const { entry } = swept;
    const plain = await plainWay(entry.first, entry.last);
    writing += plain.writing;
    candidates.push({ entry, ours: swept.cost, plainly: plain.cost, plainValue: plain.value });
  }
}

const ourTimes = candidates.map(({ ours }) => ours.clock);
const plainTimes = candidates.map(({ plainly }) => plainly.clock);
const ourWork = candidates.map(({ ours }) => ours.processor);
const plainWork = candidates.map(({ plainly }) => plainly.processor);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const blocksOf = ({ entry }: Candidate) => entry.blockRuns / batches;
/** Layers of the group whose FFN is in the last so many blocks of the open model. */
const layersIn = (blocks: number) => {
  const names = new Set(
    plans.slice(plans.length - blocks).flatMap(({ live }) => live.map(({ name }) => name)),
  );
  return group.ffns.filter(({ weights }, layer) =>
    weights.some(({ role }) => names.has(liveName(group.id, layer, role))),
  ).length;
};
const layersOf = (candidate: Candidate) => layersIn(blocksOf(candidate));
const worst = Math.max(...candidates.map(({ entry, plainValue }) => Math.abs(entry.value / plainValue - 1)));

const { items, scored, unit } = summary.splits.find((split) => split.name === 'select')!;
console.log(
  `\n${name}, all windows of ${widths.join(', ')} of ${layers} layers: ${candidates.length} candidates`,
);
console.log(
  `select split, whole: ${items} ${unit} in ${batches} batches, ${scored} scored; ${choice.metric} of the original ${original.value.toFixed(5)}`,
);
console.log(`Node ${process.version}, onnxruntime-web wasm, threads: ${sessions.threads} on both sides\n`);

console.log('once for all candidates');
row('opening the model, with its sessions', seconds(openingTook));
row('scoring the original, values kept', seconds(originalTook));
row('aligning the layers (both ways use it)', seconds(alignmentTook));

console.log('\nper candidate');
row('', 'our sweep', 'plain way');
row('milliseconds, mean', inMs(mean(ourTimes)), inMs(mean(plainTimes)));
row('milliseconds, median', inMs(median(ourTimes)), inMs(median(plainTimes)));
row('processor milliseconds, mean', inMs(mean(ourWork)), inMs(mean(plainWork)));
row('  of them writing the file', '', inMs(writing / candidates.length));
row('sessions created', '0', '1');
row('layers run per batch, mean', mean(candidates.map(layersOf)).toFixed(2), String(layers));
row(
  `blocks run per batch, mean, of ${live.blockCount}`,
  mean(candidates.map(blocksOf)).toFixed(2),
  'all, as one',
);

console.log('\nwindow');
row('', 'our score', 'plain score', 'our ms', 'plain ms', 'layers run');
for (const candidate of candidates) {
  const { entry, ours, plainly, plainValue } = candidate;
  const scores = [entry.value, plainValue].map((value) => value.toFixed(5));
  row(
    `${entry.first}–${entry.last}`,
    ...scores,
    ours.clock.toFixed(0),
    plainly.clock.toFixed(0),
    String(layersOf(candidate)),
  );
}
console.log(`\nlargest relative difference of the scores: ${worst.toExponential(1)}`);

const fewer = mean(plainTimes) / mean(ourTimes);
const lessWork = mean(plainWork) / mean(ourWork);
const whole = (sum(plainTimes) + alignmentTook) / (sum(ourTimes) + alignmentTook + originalTook);
console.log(
  `${fewer.toFixed(2)} times fewer milliseconds per candidate (target on shakespeare-gpt2: 1.5), ${lessWork.toFixed(2)} of the processor`,
);
console.log(`${whole.toFixed(2)} times with the alignment on both sides and the original's score on ours`);

scorer.release();
await live.release();
