/** A window is picked, and a pick is given up, on the heatmap with the keyboard alone. */
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';

test('a window is picked on the heatmap from the keyboard', async () => {
  const studio = await launchStudio({ gpu: 'off' });
  try {
    const { page } = studio;
    await studio.openSample('digits-vit');
    await studio.measure();
    const grid = page.getByRole('grid', { name: 'Similarity heatmap', exact: true });
    const picked = page.getByRole('button', { name: /^Remove window / });
    const press = async (key: string, times = 1) => {
      for (let i = 0; i < times; i++) await page.keyboard.press(key);
    };
    const focused = () => page.locator(':focus').getAttribute('aria-label');

    // One stop of the tab order: from the last control before the grid, Tab lands on a cell of it.
    await page
      .getByRole('radiogroup', { name: 'Similarity measure', exact: true })
      .getByRole('radio', { checked: true })
      .focus();
    for (let stop = 0; stop < 8 && !(await grid.locator(':focus').count()); stop++) await press('Tab');
    await expect(grid.locator(':focus')).toHaveCount(1);

    await press('Home');
    await press('ArrowUp', 12);
    expect(await focused()).toMatch(/^Layer 0 and layer 0: /);
    await press('ArrowRight', 2);
    await press('ArrowDown', 2);
    expect(await focused()).toMatch(/^Layer 2 and layer 2: /);
    await press('Enter');
    await press('ArrowRight');
    await press('Escape');
    await expect(picked).toHaveCount(0);

    await press('ArrowLeft', 12);
    await press('ArrowUp', 12);
    await press('ArrowDown', 2);
    await press('ArrowRight', 2);
    await press('Enter');
    await press('ArrowDown', 2);
    await press('ArrowRight', 2);
    await press('Enter');
    await expect(page.getByRole('button', { name: 'Remove window 2–4', exact: true })).toBeVisible();
    await expect(picked).toHaveCount(1);

    await page.getByRole('button', { name: 'Remove window 2–4', exact: true }).press('Enter');
    await expect(picked).toHaveCount(0);
  } finally {
    await studio.close();
  }
});
