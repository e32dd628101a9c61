/** From the empty page to a model with its data: what opens, what is refused, what is missing; and the tour. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../server.ts';
import { toggleExplanations } from '../support/explanations.ts';
import { scratchFolder } from '../support/scratch.ts';
import { heldStill, pressed, type Scene } from './shots.ts';

const models = (...names: string[]) => names.map((name) => join(projectRoot, 'src/testing/models', name));

export const start: Scene = {
  play: async (studio, take) => {
    const { page } = studio;
    await take('01-empty');
    const notAModel = join(scratchFolder(), 'notes.onnx');
    writeFileSync(notAModel, 'Not a model, only words.\n');
    await studio.openModel([notAModel]).catch(() => undefined);
    await take('02-refused-file');
    await heldStill(page, async () => {
      await pressed(page, 'Open sample shakespeare-gpt2');
      await page.getByRole('progressbar', { name: 'Progress', exact: true }).waitFor();
      await take('03-opening', { window: true });
    });
    await page.getByRole('region', { name: 'Model summary', exact: true }).waitFor();
    await studio.openModel(models('gpt2-dynamo.onnx'));
    await take('04-without-data', { steps: ['open', 'calibrate'] });
    await studio.openCalibration(models('caches.py')).catch(() => undefined);
    await take('05-data-refused', { steps: ['calibrate'] });
    await studio.openModel(models('gpt2-dynamic-int8.onnx'));
    await take('06-nothing-to-merge');
    await studio.openSample('digits-vit');
    await take('07-images-open', { steps: ['open', 'see'] });
    await studio.openSample('shakespeare-gpt2');
    await take('08-open');
  },
};

/** Each step of the tour as the window shows it. */
export const tour: Scene = {
  play: async (studio, take) => {
    const { page } = studio;
    const card = page.getByRole('dialog');
    const at = (title: string) => card.getByRole('heading').filter({ hasText: title }).waitFor();
    const shown = async (state: string) => {
      await take(state, { window: true, pose: () => card.getByRole('button', { name: 'Show me' }).click() });
    };
    await pressed(page, 'Take the two-minute tour');
    await at('Open a model');
    await shown('01-open');
    await studio.openSample('shakespeare-gpt2');
    await at('Measure');
    await shown('02-measure');
    await studio.measure();
    await at('Pick a window');
    await shown('03-pick');
    await studio.pickWindow(1, 4);
    await at('Merge');
    await shown('04-merge');
    await studio.merge();
    await at('Recover');
    await shown('05-recover');
    await card.getByRole('button', { name: 'Skip step', exact: true }).click();
    await at('Compare');
    await shown('06-compare');
    await studio.evaluate();
    await at('Download');
    await shown('07-download');
    await studio.download(join(scratchFolder(), 'merged.onnx'));
    await at('That is the whole way');
    await take('08-end', { window: true });
    await card.getByRole('button', { name: 'Done', exact: true }).click();
    await toggleExplanations(page);
    await page.getByRole('button', { name: 'Swap upper two', exact: true }).click();
    await take('09-explanations', { steps: ['see', 'merge', 'recover'] });
  },
};
