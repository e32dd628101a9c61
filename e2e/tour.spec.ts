/** The guided tour and the explanations by keyboard, on the sample; and the figure of the heatmap as a file. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';

test('goes from the landing page to the downloaded file by keyboard', async () => {
  test.setTimeout(180_000);
  const studio = await launchStudio({ gpu: 'off' });
  try {
    const { page } = studio;
    const tour = page.getByRole('dialog');
    const title = (name: string) =>
      expect(tour.getByRole('heading')).toContainText(name, { timeout: 60_000 });
    /** Brings the focus to the control of the step. */
    const go = async () => {
      await tour.getByRole('button', { name: 'Show me', exact: true }).press('Enter');
      await expect(page.getByRole('dialog').locator(':focus')).toHaveCount(0);
    };

    await page.getByRole('button', { name: 'Take the two-minute tour', exact: true }).press('Enter');
    await expect(tour, 'the focus goes to the card').toBeFocused();
    await title('Open a model');
    await go();
    await page.keyboard.press('Enter');
    await title('Measure');
    await go();
    await expect(page.getByRole('button', { name: 'Measure similarity', exact: true })).toBeFocused();
    await page.keyboard.press('Enter');
    await title('Pick a window');
    await go();
    // From cell 0, 0 to 1, 1, and on to 4, 4.
    for (const [count, ends] of [
      [1, 'starts'],
      [3, 'ends'],
    ] as const) {
      for (let step = 0; step < count; step++) {
        await page.keyboard.press('ArrowDown');
        await page.keyboard.press('ArrowRight');
      }
      await page.keyboard.press('Enter');
      if (ends === 'starts') await title('Pick a window');
    }
    await title('Merge');
    await expect(page.getByRole('figure', { name: /12 FFNs stored; 9 once merged/ }).first()).toBeVisible();

    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save heatmap as SVG', exact: true }).press('Enter');
    const svg = readFileSync(await (await saved).path(), 'utf8');
    expect(svg).toContain('>Layers 1–4</text>');
    expect(svg).toContain('>CKA of FFN outputs</text>');
    const picture = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save heatmap as PNG', exact: true }).press('Enter');
    const png = readFileSync(await (await picture).path());
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.readUInt32BE(16), 'twice the width of the SVG').toBe(
      2 * Number(/width="(\d+)"/.exec(svg)?.[1]),
    );
    const grid = page.getByRole('grid', { name: 'Similarity heatmap', exact: true });
    for (const shown of [0, 1]) {
      await page.getByRole('button', { name: 'Show as table', exact: true }).press('Enter');
      await expect(grid).toHaveCount(shown);
    }

    await go();
    await page.keyboard.press('Enter');
    await title('Recover');
    await expect(page.getByRole('figure', { name: /12 layers, 9 FFNs stored/ }).first()).toBeVisible();
    await tour.getByRole('button', { name: 'Skip step', exact: true }).press('Enter');
    await title('Compare');
    await go();
    await page.keyboard.press('Enter');
    await title('Download');
    await go();
    const file = page.waitForEvent('download');
    await page.keyboard.press('Enter');
    await file;
    await title('That is the whole way');
    await tour.getByRole('button', { name: 'Done', exact: true }).press('Enter');
    await expect(tour).toHaveCount(0);
    await expect(page.getByRole('button', { name: 'Two-minute tour', exact: true })).toBeFocused();
    expect(await studio.errors()).toEqual([]);
  } finally {
    await studio.close();
  }
});

test('ends with Escape, leaves the page usable, and explains on request', async () => {
  test.setTimeout(90_000);
  const studio = await launchStudio({ gpu: 'off' });
  try {
    const { page } = studio;
    const button = page.getByRole('button', { name: 'Two-minute tour', exact: true });
    await button.press('Enter');
    const tour = page.getByRole('dialog');
    await expect(tour).toBeFocused();
    await page.keyboard.press('Shift+Tab');
    await expect(tour, 'holds no focus back').not.toBeFocused();
    await tour.focus();
    await page.keyboard.press('Escape');
    await expect(tour).toHaveCount(0);
    await expect(button).toBeFocused();

    await studio.openSample('shakespeare-gpt2');
    await page.locator('summary', { hasText: 'Why is a permutation free?' }).press('Enter');
    const output = page.getByRole('status').filter({ hasText: /^Output / });
    const before = await output.textContent();
    await page.getByRole('button', { name: 'Swap upper two', exact: true }).press('Enter');
    await expect(
      page.getByRole('img', { name: 'Hidden units in the order b, a, c', exact: true }),
    ).toBeVisible();
    expect(await output.textContent()).toBe(before);
    await page.getByRole('checkbox', { name: 'Outgoing weights go along', exact: true }).press('Space');
    await expect(output).toContainText('not as before');
  } finally {
    await studio.close();
  }
});
