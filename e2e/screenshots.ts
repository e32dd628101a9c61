/**
 * `npm run screenshots`: every state of the page at 1440 and at 390 px, light and dark, into screenshots/ (which git
 * ignores), to be looked at. `npm run screenshots -- 390 dark` takes only those that match, `-- models` only those of
 * other models than the samples.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './server.ts';
import { launchStudio, type Studio } from './studio.ts';
import { toggleExplanations } from './support/explanations.ts';
import { reference } from './support/fixtures.ts';
import { scratchFolder } from './support/scratch.ts';

const folder = join(projectRoot, 'screenshots');
const widths = [1440, 390];
const schemes = ['light', 'dark'] as const;
const wanted = process.argv.slice(2);

type Take = (state: string) => Promise<void>;

async function takeSamples(studio: Studio, take: Take): Promise<void> {
  const { page } = studio;
  const [first, last] = reference('shakespeare-gpt2').window;
  const scratch = scratchFolder();
  await take('1-empty');
  const notAModel = join(scratch, 'notes.onnx');
  writeFileSync(notAModel, 'Not a model, only words.\n');
  await studio.openModel([notAModel]).catch(() => undefined);
  await take('2-error');
  await page.getByRole('button', { name: 'Two-minute tour', exact: true }).click();
  await take('2a-tour');
  await studio.openSample('shakespeare-gpt2');
  await toggleExplanations(page);
  await take('2b-tour-and-explanations');
  await toggleExplanations(page);
  await page.getByRole('button', { name: 'End the tour', exact: true }).last().click();
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
  await takeRecovery(studio, take);
  await studio.evaluate();
  await take('14-compared');
  await studio.runBaselines();
  await studio.compareOutputs({ prompt: 'ROMEO:', tokens: 200 });
  await take('15-baselines-and-outputs');
  await studio.useBestOfSize(20);
  await take('16-best-of-size');
  await studio.download(join(scratch, 'merged.onnx'));
  await take('17-downloaded');
  const link = await studio.shareLink();
  await take('17a-shared');
  // Kept a second after the last change.
  await page.waitForTimeout(2000);
  await page.evaluate((hash) => {
    location.hash = hash;
  }, new URL(link).hash);
  await page.reload();
  await studio.lastSession();
  await page.getByRole('region', { name: 'Recipe to apply', exact: true }).waitFor();
  await take('17b-last-session-and-link');
  await studio.openSample('digits-vit');
  await take('17c-another-model');
  await studio.forgetSession();
  await studio.pickLayers([0, 2, 3]);
  await studio.merge({ score: 'combined' });
  await page.getByRole('button', { name: 'Compare outputs', exact: true }).click();
  await page.getByRole('list', { name: 'Predictions on images', exact: true }).waitFor();
  await take('18-images');
}

/** The recover step, from the merge on: ready, with chosen rungs, while it trains, cancelled, done, with nothing gained. */
async function takeRecovery(studio: Studio, take: Take): Promise<void> {
  const { page } = studio;
  const start = () => page.getByRole('button', { name: 'Recover', exact: true }).click();
  const steps = 2000;
  await studio.chooseRecovery({ rungs: ['R2', 'R3', 'R6'], steps });
  await page.getByText('Steps, rank and seed', { exact: true }).click();
  await take('13a-recover-ready');
  await start();
  await page
    .getByRole('figure', { name: 'Held-out loss of distillation', exact: true })
    .getByText(/, step /)
    .waitFor();
  await take('13b-recovering');
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.getByRole('status').filter({ hasText: 'Cancelled.' }).waitFor({ timeout: 60_000 });
  await take('13c-recover-cancelled');
  await studio.undoRecovery();
  await studio.recover({ rungs: ['R0b', 'R2', 'R3', 'R4', 'R5', 'R6', 'refresh'], steps: 100 });
  await take('13d-recovered');
  await studio.recover({ rungs: ['R0b'] });
  await take('13e-recovered-again');
}

/** Several files, a part that is missing, half precision, inputs that nobody knows; and the formats. */
async function takeModels(studio: Studio, take: Take): Promise<void> {
  const { page } = studio;
  const models = (...names: string[]) => names.map((name) => join(projectRoot, 'src/testing/models', name));
  const pair = ['encoder_model.onnx', 'decoder_model.onnx', 'decoder_with_past_model.onnx'];
  await studio.openModel(models(...pair.map((name) => `marian-pair/${name}`)));
  await studio.pickWindow(0, 1, 'encoder.encoder.layers.*');
  await studio.pickWindow(0, 1, 'decoder.model.model.decoder.layers.*');
  await studio.merge({ score: 'input-weights+output-weights' });
  await page.getByRole('radio', { name: 'ONNX, half precision', exact: true }).check();
  await take('19-pair');
  await studio.openModel(models('marian-pair/decoder_model.onnx'));
  await take('20-missing-sibling');
  await studio.openModel(models('gpt2-external/model.onnx', 'gpt2-external/model.onnx_data'));
  await page.getByText('Inputs, outputs and format', { exact: true }).click();
  await take('21-data-files');
  await studio.openModel(models('gpt2-float16-torchscript-17.onnx'));
  await take('22-half-precision');
  await studio.openModel(models('clip-dynamo.onnx'));
  await take('23-inputs-not-understood');
}

const groups = { samples: takeSamples, models: takeModels };

mkdirSync(folder, { recursive: true });
for (const width of widths) {
  for (const colorScheme of schemes) {
    const words = wanted.filter((word) => !(word in groups));
    if (!words.every((word) => word === String(width) || word === colorScheme)) continue;
    const studio = await launchStudio({
      gpu: 'off',
      context: { colorScheme, viewport: { width, height: width > 600 ? 900 : 844 }, reducedMotion: 'reduce' },
    });
    try {
      const take: Take = async (state) => {
        const path = join(folder, `${width}-${colorScheme}-${state}.png`);
        await studio.page.screenshot({ path, fullPage: true });
        const overflow = await studio.page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        console.log(`${width}-${colorScheme}-${state}${overflow > 0 ? `: ${overflow} px too wide` : ''}`);
      };
      const some = Object.entries(groups).filter(([name]) => wanted.includes(name));
      for (const [, takeGroup] of some.length > 0 ? some : Object.entries(groups)) {
        await takeGroup(studio, take);
      }
    } finally {
      await studio.close();
    }
  }
}
