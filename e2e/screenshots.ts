/**
 * `npm run screenshots`: every state of the page at 1440 and at 390 px, light and dark, into screenshots/ (which git
 * ignores), to be looked at. `npm run screenshots -- 390 dark` takes only those that match.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './server.ts';
import { launchStudio, type Studio } from './studio.ts';
import { reference } from './support/fixtures.ts';
import { scratchFolder } from './support/scratch.ts';

const folder = join(projectRoot, 'screenshots');
const widths = [1440, 390];
const schemes = ['light', 'dark'] as const;
const wanted = process.argv.slice(2);

async function takeStates(studio: Studio, take: (state: string) => Promise<void>): Promise<void> {
  const { page } = studio;
  const [first, last] = reference('shakespeare-gpt2').window;
  const scratch = scratchFolder();
  await take('1-empty');
  const notAModel = join(scratch, 'notes.onnx');
  writeFileSync(notAModel, 'Not a model, only words.\n');
  await studio.openModel([notAModel]).catch(() => undefined);
  await take('2-error');
  await studio.openSample('shakespeare-gpt2');
  await take('3-open');
  await page.getByRole('button', { name: 'Measure similarity', exact: true }).click();
  await page.getByRole('progressbar', { name: 'Progress', exact: true }).waitFor();
  await take('4-measuring');
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.getByRole('status').filter({ hasText: 'Cancelled.' }).waitFor();
  await take('5-cancelled');
  await studio.measure();
  await take('6-heatmap');
  await studio.alignment(first, last);
  await take('7-aligned');
  await page.getByRole('button', { name: 'Show as table', exact: true }).click();
  await take('8-table');
  await page.getByRole('button', { name: 'Show as table', exact: true }).click();
  await studio.fillSweep(2, 3);
  await page.getByRole('button', { name: 'Sweep all windows', exact: true }).click();
  await page.getByRole('table', { name: 'Sweep results', exact: true }).waitFor();
  await take('9-sweeping');
  await studio.sweepRange(2, 3);
  await take('10-swept');
  await studio.plan(3);
  await take('11-planned');
  await studio.pickWindow(first, last);
  await take('12-picked');
  await studio.merge();
  await take('13-merged');
  await studio.evaluate();
  await take('14-compared');
  await studio.runBaselines();
  await studio.compareOutputs({ prompt: 'ROMEO:', tokens: 200 });
  await take('15-baselines-and-outputs');
  await studio.useBestOfSize(20);
  await take('16-best-of-size');
  await studio.download(join(scratch, 'merged.onnx'));
  await take('17-downloaded');
  await studio.openSample('digits-vit');
  await studio.pickLayers([0, 2, 3]);
  await studio.merge({ score: 'combined' });
  await page.getByRole('button', { name: 'Compare outputs', exact: true }).click();
  await page.getByRole('list', { name: 'Predictions on images', exact: true }).waitFor();
  await take('18-images');
}

mkdirSync(folder, { recursive: true });
for (const width of widths) {
  for (const colorScheme of schemes) {
    if (!wanted.every((word) => word === String(width) || word === colorScheme)) continue;
    const studio = await launchStudio({
      gpu: 'off',
      context: { colorScheme, viewport: { width, height: width > 600 ? 900 : 844 }, reducedMotion: 'reduce' },
    });
    try {
      await takeStates(studio, async (state) => {
        const path = join(folder, `${width}-${colorScheme}-${state}.png`);
        await studio.page.screenshot({ path, fullPage: true });
        const overflow = await studio.page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        console.log(`${width}-${colorScheme}-${state}${overflow > 0 ? `: ${overflow} px too wide` : ''}`);
      });
    } finally {
      await studio.close();
    }
  }
}
