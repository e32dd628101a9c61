/**
 * `npm run bench:recover [-- --steps=400] [-- digits-vit]`: seconds and loss recovered of each rung, printed and never
 * asserted; on one thread of the CPU path, in Node, through the same studio as the page's.
 *
 * Each rung is tried alone, then the ladder, then “best in N minutes”; with three FFNs removed also with the groups
 * free (the plan's proposals refitted, the best one taken up the ladder). The share recovered is of the loss that the
 * merge costs: (merged − now) / (merged − original), on the report split, which no rung sees.
 */
import { DEFAULT_RECOVERY } from '../src/pipeline/recover-types.ts';
import type { Studio } from '../src/pipeline/studio.ts';
import type { MergePlan, Metric, RecoverResult, RungId } from '../src/pipeline/types.ts';
import { openSample, type SampleName } from '../src/testing/studio-in-node.ts';

const words = process.argv.slice(2);
const option = (name: string, other: string) =>
  words.find((w) => w.startsWith(`--${name}=`))?.slice(name.length + 3) ?? other;
const steps = Number(option('steps', '400'));
const minutes = Number(option('minutes', '2'));
const only = words.filter((w) => !w.startsWith('--'));

const SAMPLES: readonly { name: SampleName; metric: Metric; window: readonly [number, number] }[] = [
  { name: 'shakespeare-gpt2', metric: 'perplexity', window: [4, 7] },
  { name: 'digits-vit', metric: 'kl', window: [4, 7] },
];

for (const { name, metric, window } of SAMPLES) {
  if (only.length > 0 && !only.includes(name)) continue;
  const { studio, opened } = await openSample(name);
  const [group] = opened.model.groups;
  studio.setMetric({ metric });
  const [first, last] = window;
  const layers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const plan: MergePlan = {
    sets: [{ groupId: group.id, layers }],
    method: 'permute',
    reference: 'first',
    score: 'default',
  };
  console.log(`${name}, layers ${first}–${last} tied, ${metric} on the report split`);
  await studio.merge(plan);
  const { original, merged } = await studio.evaluate('report');
  console.log(`  original ${show(original)}, merged by permutation ${show(merged)}`);
  header();
  const rungs: readonly RungId[] = ['R0c', 'R0b', 'R1', 'R2', 'R3', 'R4', 'R5', 'R6'];
  for (const rung of rungs) await ladder(studio, plan, [rung], `${rung} alone`);
  await ladder(studio, plan, ['R3', 'R6', 'refresh'], 'R3, R6, refreshed');
  await ladder(studio, plan, ['R0c', 'R0b', 'R1', 'R2', 'R3', 'R4', 'R6'], 'the ladder');
  await ladder(studio, plan, 'best', `best in ${minutes} min`);
  if (metric === 'perplexity') await freeGroups(studio, group.id);
  await studio.dispose();
}

/** Three FFNs removed with the groups free: proposals refitted, the best on select, then the ladder. */
async function freeGroups(studio: Studio, groupId: string): Promise<void> {
  const begun = performance.now();
  const { candidates } = await studio.plan({
    groupId,
    target: { removed: 3 },
    method: 'permute',
    reference: 'first',
    score: 'default',
    recover: true,
  });
  const [best] = candidates;
  const sets = best.sets.map((s) => `${s.layers[0]}–${s.layers.at(-1)}`).join(', ');
  console.log(
    `  free groups: ${candidates.length} proposals refitted in ${((performance.now() - begun) / 1000).toFixed(0)} s; best on select ${sets} (${show(best.value)}, refitted ${show(best.recovered!.value)})`,
  );
  header();
  const { recovery, ...plain } = best.recovered!.plan;
  await ladder(studio, best.recovered!.plan, ['R6', 'refresh'], 'R3 as proposed, R6, refreshed');
  await ladder(studio, plain, ['R1', 'R2', 'R3', 'R4', 'R6'], 'the ladder');
  await ladder(studio, plain, 'best', `best in ${minutes} min`);
}

async function ladder(
  studio: Studio,
  plan: MergePlan,
  rungs: readonly RungId[] | 'best',
  label: string,
): Promise<void> {
  await studio.merge(plan);
  const limit = rungs === 'best' ? { minutes } : {};
  const result = await studio.recover({ ...DEFAULT_RECOVERY, rungs, steps, ...limit });
  row(label, result);
  if (result.outcomes.length < 2) return;
  for (const o of result.outcomes) {
    line(`  ${o.rung}${o.kept ? '' : ' (not kept)'}`, o.before, o.score, o.report, o.addedBytes, o.seconds);
  }
}

function row(label: string, { start, end, original, outcomes, seconds }: RecoverResult): void {
  const bytes = outcomes.reduce((sum, o) => sum + o.addedBytes, 0);
  const share = (start.report - end.report) / (start.report - original.report);
  line(label, start.select, end.select, end.report, bytes, seconds, `${(100 * share).toFixed(1)} %`);
}

function header(): void {
  console.log(
    `    ${''.padEnd(34)}${['select', 'then', 'report', 'bytes', 'seconds', 'recovered'].map((c) => c.padStart(11)).join('')}`,
  );
}

function line(
  label: string,
  before: number,
  after: number,
  report: number,
  bytes: number,
  seconds: number,
  share = '',
): void {
  const cells = [show(before), show(after), show(report), `+${bytes}`, seconds.toFixed(1), share];
  console.log(`    ${label.padEnd(34)}${cells.map((c) => c.padStart(11)).join('')}`);
}

function show(value: number): string {
  return Math.abs(value) < 0.1 ? value.toExponential(2) : value.toFixed(4);
}
