/** Cancelling while measuring leaves the page usable, and a second run gives the right numbers. */
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';
import { matrixDifference } from './support/compare.ts';
import { referenceMatrix } from './support/fixtures.ts';

test('a cancelled measurement can be run again', async () => {
  const studio = await launchStudio({ gpu: 'off' });
  try {
    const { page } = studio;
    await studio.openSample('shakespeare-gpt2');
    await page.getByRole('button', { name: 'Measure similarity', exact: true }).click();
    await page.getByRole('progressbar', { name: 'Progress', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await expect(page.getByRole('status').filter({ hasText: 'Cancelled.' })).toBeVisible();
    await expect(page.getByRole('main')).not.toHaveAttribute('aria-busy', 'true');
    expect(await studio.errors()).toEqual([]);

    await studio.measure();
    const wanted = referenceMatrix('shakespeare-gpt2', 'cka-ffn-output');
    const { worst, where } = matrixDifference(await studio.similarity('cka'), wanted);
    expect(worst, where).toBeLessThan(1e-3);
    expect(studio.consoleErrors).toEqual([]);
  } finally {
    await studio.close();
  }
});
