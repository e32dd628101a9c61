/** The main job on the text sample, from measuring to the saved file, with what runs and what was cancelled. */
import { join } from 'node:path';
import type { Studio } from '../studio.ts';
import { reference } from '../support/fixtures.ts';
import { scratchFolder } from '../support/scratch.ts';
import { cancelJob, heldStill, pressed, type Scene, type Take } from './shots.ts';

const text = 'shakespeare-gpt2';

export const see: Scene = {
  play: async (studio, take) => {
    const { page } = studio;
    const [first, last] = reference(text).window;
    const see = { steps: ['see'] };
    const progress = page.getByRole('progressbar', { name: 'Progress', exact: true });
    const percent = async () => Number(await progress.getAttribute('aria-valuenow').catch(() => 100));
    await studio.openSample(text);
    await pressed(page, 'Measure similarity');
    await progress.waitFor();
    while ((await percent()) < 20) await page.waitForTimeout(20);
    await heldStill(page, async () => {
      await take('01-measuring', { steps: ['calibrate'], window: true });
      await take('02-measuring-map', { steps: ['see'], window: true });
    });
    if ((await percent()) < 100) await cancelJob(page);
    await take('03-cancelled', { steps: ['calibrate', 'see'] });
    await studio.measure();
    await take('04-heatmap', see);
    const grid = page.getByRole('grid', { name: 'Similarity heatmap', exact: true });
    await take('05-hover', {
      ...see,
      pose: async () => {
        await page.mouse.move(0, 0);
        await grid.scrollIntoViewIfNeeded();
        const box = await grid.boundingBox();
        if (box) await page.mouse.move(box.x + 0.7 * box.width, box.y + 0.37 * box.height);
      },
    });
    await take('06-focus', {
      ...see,
      pose: async () => {
        await page.mouse.move(0, 0);
        await grid.locator('[tabindex="0"]').focus();
        for (const key of ['Home', 'ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
      },
    });
    await studio.similarity('attention');
    await take('07-attention', see);
    await studio.similarity('cka');
    await studio.alignment(first, last);
    await studio.similarity('aligned');
    await take('08-aligned', see);
    await studio.similarity('cka');
    await pressed(page, 'Show as table');
    await take('09-table', see);
    await pressed(page, 'Show as table');
    await pressed(page, 'Fit colours to the data');
    await studio.pickWindow(first, last);
    await take('10-one-window', { steps: ['see', 'merge'] });
    await studio.pickWindow(0, 2);
    await studio.pickWindow(8, 9);
    await studio.pickLayers([3, 10, 11]);
    await take('11-several-windows', { steps: ['see', 'merge'] });
    await studio.pickWindow(1, 5).catch(() => undefined);
    await take('12-overlap-refused', see);
  },
};

async function sweepAndPlan(studio: Studio, take: Take): Promise<void> {
  const { page } = studio;
  const step = { steps: ['sweep'] };
  await studio.fillSweep(2, 4);
  await pressed(page, 'Sweep all windows');
  const rows = page.getByRole('table', { name: 'Sweep results', exact: true }).getByRole('row');
  while ((await rows.count()) < 6) await page.waitForTimeout(100);
  await heldStill(page, () => take('01-sweeping', { ...step, window: true }));
  await cancelJob(page);
  await take('02-sweep-cancelled', step);
  await studio.sweepRange(2, 4);
  await take('03-swept', { steps: ['see', 'sweep'] });
  await take('04-plan-ready', { steps: ['plan'] });
  await studio.plan(3);
  await take('05-planned', { steps: ['plan'] });
  await studio.applyPlan(0);
  await take('06-plan-picked', { steps: ['plan', 'merge'] });
  await studio.clearWindows();
}

export const choose: Scene = {
  play: async (studio, take) => {
    const { page } = studio;
    const [first, last] = reference(text).window;
    const scratch = scratchFolder();
    const running = () => page.getByRole('progressbar', { name: 'Progress', exact: true }).waitFor();
    await studio.openSample(text);
    await take('00-sweep-before-measuring', { steps: ['sweep', 'download'] });
    await studio.measure();
    await sweepAndPlan(studio, take);
    await studio.pickWindow(first, last);
    await heldStill(page, async () => {
      await pressed(page, 'Merge');
      await running();
      await take('10-merging', { steps: ['merge'], window: true });
    });
    await page.getByRole('group', { name: 'Merge result', exact: true }).waitFor();
    await take('11-merged', { steps: ['see', 'merge'] });
    await pressed(page, 'Undo');
    await page.waitForTimeout(500);
    await take('12-undone', { steps: ['merge'], window: true });
    await pressed(page, 'Redo');
    await page.waitForTimeout(500);
    await take('13-redone', { steps: ['merge'], window: true });
    await heldStill(page, async () => {
      await pressed(page, 'Evaluate on the report split');
      await running();
      await take('14-evaluating', { steps: ['compare'], window: true });
    });
    await studio.evaluate();
    await take('15-compared', { steps: ['compare'] });
    await studio.runBaselines();
    await studio.compareOutputs({ prompt: 'ROMEO:', tokens: 200 });
    await page.getByText('The chart as a table', { exact: true }).click();
    await take('16-baselines-and-outputs', { steps: ['compare'] });
    await studio.useBestOfSize(20);
    await take('17-best-of-size', { steps: ['plan', 'merge'] });
    await take('18-formats', { steps: ['download'] });
    await studio.download(join(scratch, 'merged.onnx'));
    await take('19-downloaded');
  },
};

export const images: Scene = {
  play: async (studio, take) => {
    const { page } = studio;
    await studio.openSample('digits-vit');
    await studio.measure();
    await studio.pickLayers([0, 2, 3]);
    await studio.merge({ score: 'combined' });
    await studio.evaluate();
    await pressed(page, 'Compare outputs');
    await page.getByRole('list', { name: 'Predictions on images', exact: true }).waitFor();
    await take('01-guesses', { steps: ['see', 'compare'] });
  },
};
