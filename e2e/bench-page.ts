/**
 * `npm run bench:page`: how the built page feels, printed beside its targets and never asserted. The engine runs on one thread, so that
 * machines can be compared and so that the main thread competes with it for as little as possible.
 * Times are seen from outside and hold some milliseconds of Playwright's own.
 */
import { join } from 'node:path';
import { launchStudio, type Studio } from './studio.ts';
import { heatmapMoves } from './support/bench-heatmap.ts';
import {
  companionFiles,
  reference,
  type SampleName,
  sampleNames,
  torchscriptModel,
} from './support/fixtures.ts';
import { scratchFolder } from './support/scratch.ts';

/** Tasks of the main thread of 50 ms and more; the platform tells of no shorter ones. */
const longTaskMs = 50;

type BenchWindow = Window & { longestTask: number };

async function watchLongTasks(studio: Studio): Promise<void> {
  await studio.page.evaluate(() => {
    const bench = window as unknown as BenchWindow;
    bench.longestTask = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) bench.longestTask = Math.max(bench.longestTask, duration);
    }).observe({ type: 'longtask' });
  });
}

/** The longest task since the last call. */
async function takeLongestTask(studio: Studio): Promise<number> {
  return studio.page.evaluate(() => {
    const bench = window as unknown as BenchWindow;
    const longest = bench.longestTask;
    bench.longestTask = 0;
    return longest;
  });
}

async function seconds(action: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await action();
  return (performance.now() - begun) / 1000;
}

/** From the click on Cancel to a page that is not busy, on the page's own clock. */
async function cancelWhileMeasuring(studio: Studio): Promise<number> {
  await studio.page.getByRole('button', { name: 'Measure similarity', exact: true }).click();
  await studio.page.getByRole('progressbar', { name: 'Progress', exact: true }).waitFor();
  await studio.page.waitForTimeout(1_000);
  return studio.page.getByRole('button', { name: 'Cancel', exact: true }).evaluate(async (button) => {
    const main = document.querySelector('main');
    const begun = performance.now();
    (button as HTMLButtonElement).click();
    while (main?.getAttribute('aria-busy') === 'true') await new Promise((next) => setTimeout(next, 4));
    return performance.now() - begun;
  });
}

function row(what: string, value: string, target = ''): void {
  console.log(`  ${what.padEnd(42)}${value.padStart(12)}  ${target}`);
}

const inMs = (ms: number) => `${ms.toFixed(0)} ms`;
const inSeconds = (value: number) => `${value.toFixed(2)} s`;
const task = (ms: number) => (ms < longTaskMs ? `< ${longTaskMs} ms` : inMs(ms));

async function bench(name: SampleName, studio: Studio): Promise<void> {
  const [first, last] = reference(name).window;
  const files = [torchscriptModel(name), ...companionFiles(name)];
  console.log(`\n${name}, ${studio.page.context().browser()?.version()}, engine on one thread`);
  const toSummary = await seconds(() => studio.openModel(files));
  row('from drop to summary', inSeconds(toSummary));

  await watchLongTasks(studio);
  row('answer to cancel while measuring', inMs(await cancelWhileMeasuring(studio)), 'target < 500 ms');
  await takeLongestTask(studio);

  const toHeatmap = await seconds(() => studio.measure());
  row('measuring, to the heatmap', inSeconds(toHeatmap));
  row(
    'longest main-thread task while measuring',
    task(await takeLongestTask(studio)),
    `target < ${longTaskMs} ms`,
  );

  await studio.pickWindow(first, last);
  await takeLongestTask(studio);
  const toMerge = await seconds(() => studio.merge());
  row(`merging layers ${first} to ${last}`, inSeconds(toMerge));
  row(
    'longest main-thread task while merging',
    task(await takeLongestTask(studio)),
    `target < ${longTaskMs} ms`,
  );

  const toDownload = await seconds(() => studio.download(join(scratchFolder(), 'merged.onnx')));
  row('from the click to the downloaded file', inSeconds(toDownload));
  row('from drop to download, in all', inSeconds(toSummary + toHeatmap + toMerge + toDownload));
}

/** From the start of the navigation, on a page that nothing of is in the browser's cache. */
async function firstPaint({ page }: Studio): Promise<number> {
  return page.evaluate(async () => {
    const painted = () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
    while (painted() === undefined) await new Promise((next) => setTimeout(next, 20));
    return painted();
  });
}

const page = await launchStudio({ threads: 1, gpu: 'off' });
try {
  // tsx names functions by a helper of its own, which those that run in the page would miss there.
  await page.page.evaluate('globalThis.__name = (named) => named');
  console.log('\nThe page, and a heatmap of 96 layers');
  row('first contentful paint', inSeconds((await firstPaint(page)) / 1000), 'target < 1.5 s');
  const { hover, brush } = await heatmapMoves(page);
  for (const [what, { handlers, withFrame }] of [
    ['hovering', hover],
    ['brushing', brush],
  ] as const) {
    row(`handlers, ${what}, 95th percentile`, `${handlers.toFixed(1)} ms`, 'target < 8 ms');
    row(`main thread, ${what}, frame included, mean`, `${withFrame.toFixed(1)} ms`);
  }
} finally {
  await page.close();
}

for (const name of sampleNames) {
  const studio = await launchStudio({ threads: 1, gpu: 'off' });
  try {
    await bench(name, studio);
  } finally {
    await studio.close();
  }
}
