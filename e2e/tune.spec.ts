/**
 * End-to-end tuning in the page, on a small model: it helps on the select split or changes nothing, its download is worth
 * in onnxruntime-node what the page showed, and one that is cancelled goes on after a reload as if it had not been.
 * The figures on the samples take minutes: `npm run bench:tune` prints them.
 */
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Studio } from './studio.ts';
import { quickModel } from './support/quick-model.ts';
import { scratchFolder } from './support/scratch.ts';
import { withStudio } from './support/with-studio.ts';

const folder = scratchFolder();
const tune = { steps: 12, rate: 0.002, batch: 1 };

async function merged(studio: Studio, files: readonly string[]): Promise<void> {
  await studio.openModel([...files]);
  await studio.pickWindow(2, 4);
  await studio.merge();
}

test('a tuning that is cancelled goes on after a reload, and ends as one that was not', async () => {
  test.setTimeout(300_000);
  const files = quickModel();
  let whole = { select: 0, report: 0 };
  await withStudio(async (studio) => {
    await merged(studio, files);
    const rows = await studio.recover({ rungs: ['tune'], tune });
    const { select, report } = await studio.recovered();
    expect(rows.map(({ rung, kept }) => [rung, kept])).toEqual([['tune', true]]);
    expect(select.recovered).toBeLessThan(select.merged);
    whole = { select: select.recovered, report: report.recovered };
    await studio.download(join(folder, 'tuned.onnx'));
  });
  await withStudio(async (studio) => {
    const { page } = studio;
    await merged(studio, files);
    await studio.chooseRecovery({ rungs: ['tune'], tune });
    await page.getByRole('button', { name: 'Recover', exact: true }).click();
    const figure = page.getByRole('figure', { name: /^Tuning/ });
    await expect(figure).toContainText(/Step [5-9] of 12/, { timeout: 120_000 });
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await expect(page.getByText(/A tuning of this merge paused at step \d+ of 12/)).toBeVisible();
    await page.reload();
    await studio.lastSession();
    await studio.openModel([...files]);
    await expect(page.getByText(/A tuning of this merge paused at step \d+ of 12/)).toBeVisible();
    const rows = await studio.resumeTuning();
    expect(rows.map(({ rung }) => rung)).toEqual(['tune']);
    const { select, report } = await studio.recovered();
    expect(Math.abs(select.recovered - whole.select)).toBeLessThan(1e-3);
    expect(Math.abs(report.recovered - whole.report)).toBeLessThan(1e-3);
  });
});
