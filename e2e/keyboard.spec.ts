/** With the keyboard alone: picking on the heatmap, sweeping and proposing, and that every control can be reached. */
import { expect, type Locator, test } from '@playwright/test';
import { launchStudio, type Studio } from './studio.ts';
import { quickModel } from './support/quick-model.ts';

test('a window is picked on the heatmap from the keyboard', async () => {
  const studio = await launchStudio({ gpu: 'off' });
  try {
    const { page } = studio;
    await studio.openModel(quickModel());
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

/** Presses Tab through the whole page; the controls that it never stops at, by their names. */
async function unreached(studio: Studio): Promise<string[]> {
  const { page } = studio;
  const stops = page.locator('[data-reached]');
  // From where the focus is, over the end of the page, to where it began.
  for (let stop = 0; stop < 600; stop++) {
    await page.keyboard.press('Tab');
    const again = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return false;
      if (element.hasAttribute('data-reached')) return true;
      element.setAttribute('data-reached', '');
      return false;
    });
    if (again) break;
  }
  expect(await stops.count()).toBeGreaterThan(20);
  return page.evaluate(() => {
    const controls = document.querySelectorAll<HTMLElement>(
      'a[href], button, input, select, textarea, summary, [role=button], [role=grid], [onclick]',
    );
    return [...controls]
      .filter((control) => {
        if (!control.checkVisibility({ visibilityProperty: true }) || control.matches(':disabled'))
          return false;
        // For the pointer only, beside buttons that do the same.
        if (control.matches('[aria-hidden=true] *')) return false;
        if (control.matches('[data-reached]') || control.querySelector('[data-reached]')) return false;
        // One radio of a group is its stop; the arrow keys go on from there.
        const radios = control.matches('[type=radio]')
          ? control.closest('[role=radiogroup], fieldset')
          : null;
        return !radios?.querySelector('[data-reached]');
      })
      .map((control) => control.getAttribute('aria-label') ?? control.textContent ?? control.outerHTML);
  });
}

test('sweeps, proposes and compares from the keyboard, and reaches every control', async () => {
  test.setTimeout(240_000);
  const studio = await launchStudio({ gpu: 'off' });
  try {
    const { page } = studio;
    const main = page.getByRole('main');
    const type = async (label: string, value: string) => {
      await page.getByLabel(label, { exact: true }).focus();
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.type(value);
    };
    /** Enter in a field starts what the field is for; waits for what comes of it. */
    const enter = async (result: Locator) => {
      await page.keyboard.press('Enter');
      await expect(result).toBeVisible({ timeout: 120_000 });
      await expect(main).not.toHaveAttribute('aria-busy', 'true', { timeout: 120_000 });
    };
    await studio.openModel(quickModel());
    await studio.measure();
    await type('Narrowest window', '2');
    await type('Widest window', '2');
    const results = page.getByRole('table', { name: 'Sweep results', exact: true });
    await enter(results);
    await expect(results.getByRole('rowheader')).toHaveCount(7);
    await page.getByRole('button', { name: 'Pick window 4–5', exact: true }).press('Enter');
    await expect(page.getByRole('button', { name: 'Remove window 4–5', exact: true })).toBeVisible();
    await type('FFNs to remove', '1');
    const plan = page.getByRole('button', { name: 'Use plan 1–2', exact: true });
    await enter(plan);
    await plan.press('Enter');
    await expect(page.getByRole('button', { name: 'Remove window 1–2', exact: true })).toBeVisible();
    await page.getByRole('button', { name: 'Merge', exact: true }).press('Enter');
    await expect(page.getByRole('group', { name: 'Merge result', exact: true })).toBeVisible();
    await page.getByRole('radio', { name: 'Best in the time given', exact: true }).focus();
    await page.keyboard.press('ArrowDown');
    // Two are ticked from the start.
    for (const rung of [
      'Rescale the pre-activations R2',
      'Refit the down-projection R3',
      'Own output biases R0b',
    ])
      await page.getByRole('checkbox', { name: rung, exact: true }).press('Space');
    await page.getByRole('button', { name: 'Recover', exact: true }).press('Enter');
    await expect(page.getByRole('table', { name: 'Rungs tried', exact: true })).toBeVisible({
      timeout: 120_000,
    });
    await expect(main).not.toHaveAttribute('aria-busy', 'true', { timeout: 120_000 });
    await studio.evaluate();
    await type('Tokens to write', '8');
    await enter(page.getByLabel('Merged text', { exact: true }).filter({ hasText: /\S/ }));
    expect(await studio.errors()).toEqual([]);
    expect(await unreached(studio)).toEqual([]);
  } finally {
    await studio.close();
  }
});
