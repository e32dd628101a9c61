/**
 * End-to-end tuning in the page, on a small model: it helps on the select split, and one that is cancelled goes on after a
 * reload as if it had not been. What a plan with a tuning saves is compared in Node (pipeline/tune.test.ts).
 * The figures on the samples take minutes: `npm run bench:tune` prints them.
 */
import { expect, test } from '@playwright/test';
import type { Studio } from './studio.ts';
import { quickModel } from './support/quick-model.ts';
import { withStudio } from './support/with-studio.ts';

const tune = { steps: 8, rate: 0.003, batch: 1 };

async function merged(studio: Studio, files: readonly string[]): Promise<void> {
  await studio.openModel([...files]);
  await studio.pickWindow(2, 4);
  await studio.merge();
}

test('a tuning that is cancelled goes on after a reload, and ends as one that was not', async () => {
  test.setTimeout(300_000);
  const files = quickModel();
  await withStudio(async (studio) => {
    const { page } = studio;
    await merged(studio, files);
    const rows = await studio.recover({ rungs: ['tune'], tune });
    const { select, report } = await studio.recovered();
    expect(rows.map(({ rung, kept }) => [rung, kept])).toEqual([['tune', true]]);
    expect(select.recovered).toBeLessThan(select.merged);
    const whole = { select: select.recovered, report: report.recovered };
    await studio.undoRecovery();
    await studio.chooseRecovery({ rungs: ['tune'], tune });
    await page.getByRole('button', { name: 'Recover', exact: true }).click();
    const figure = page.getByRole('figure', { name: /^Tuning/ });
    // At once when it is there: some steps are left to be cancelled.
    await figure.getByText(/Step [2-9] of/).waitFor({ timeout: 120_000 });
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await expect(page.getByText(/A tuning of this merge paused at step \d+ of 8/)).toBeVisible();
    await page.reload();
    await studio.lastSession();
    await studio.openModel([...files]);
    await expect(page.getByText(/A tuning of this merge paused at step \d+ of 8/)).toBeVisible();
    const again = await studio.resumeTuning();
    expect(again.map(({ rung }) => rung)).toEqual(['tune']);
    const resumed = await studio.recovered();
    expect(Math.abs(resumed.select.recovered - whole.select)).toBeLessThan(1e-3);
    expect(Math.abs(resumed.report.recovered - whole.report)).toBeLessThan(1e-3);
  });
});
