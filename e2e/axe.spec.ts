/** No serious or critical accessibility violation in the main states, light and dark. */
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';
import { toggleExplanations } from './support/explanations.ts';
import { quickModel } from './support/quick-model.ts';

test('no serious violation in the main states, light and dark', async () => {
  test.setTimeout(300_000);
  const studio = await launchStudio({
    gpu: 'off',
    context: { colorScheme: 'light', reducedMotion: 'reduce' },
  });
  const { page } = studio;
  const root = page.locator('html');

  const checkTheme = async (state: string, colours = false) => {
    const axe = new AxeBuilder({ page }).options({ resultTypes: ['violations'] });
    // The same elements in other colours.
    if (colours) axe.withRules(['color-contrast', 'link-in-text-block']);
    const { violations } = await axe.analyze();
    const serious = violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) =>
        nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary}`),
      );
    expect(serious, `${state}, ${await root.getAttribute('data-theme')}`).toEqual([]);
  };
  const check = async (state: string) => {
    await checkTheme(state);
    await page.getByRole('button', { name: 'Switch to dark theme', exact: true }).click();
    await expect(root).toHaveAttribute('data-theme', 'dark');
    await checkTheme(state, true);
    await page.getByRole('button', { name: 'Switch to light theme', exact: true }).click();
    await expect(root).toHaveAttribute('data-theme', 'light');
  };

  try {
    await expect(root, 'follows the system').toHaveAttribute('data-theme', 'light');
    await page.getByText('Where do I get a model?', { exact: true }).click();
    await check('before a model is open');
    await page.getByRole('button', { name: 'Take the two-minute tour', exact: true }).click();
    await check('with the tour begun');
    await studio.openModel(quickModel());
    await toggleExplanations(page);
    await check('with the tour on its way, and all explanations open');
    await page.getByRole('button', { name: 'End the tour', exact: true }).last().click();
    await check('with a model open');
    await studio.measure();
    await studio.chooseMetric('Perplexity, strided');
    await checkTheme('with a metric that has a setting');
    await studio.chooseMetric('Perplexity');
    await studio.sweep(2);
    await studio.plan(1);
    await studio.pickLayers([1, 4, 5]);
    await studio.pickWindow(6, 7);
    await studio.merge();
    await studio.chooseRecovery({ rungs: ['R6', 'tune'], steps: 50_000 });
    await page.getByRole('button', { name: 'Recover', exact: true }).click();
    await page.getByRole('progressbar', { name: 'Progress', exact: true }).waitFor();
    await checkTheme('while a job runs');
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await expect(page.getByRole('status').filter({ hasText: 'Cancelled.' })).toBeVisible();
    await studio.recover({ rungs: ['R0b', 'R3', 'R6'], steps: 20 });
    await studio.evaluate();
    await studio.chooseMerge({ method: 'random' });
    await studio.compareOutputs({ prompt: 'ROMEO:', tokens: 12 });
    await page.getByText('The chart as a table', { exact: true }).click();
    await check('after the whole job');
    await studio.openSample('digits-vit');
    await studio.pickWindow(0, 3);
    await studio.merge();
    await page.getByRole('button', { name: 'Compare outputs', exact: true }).click();
    await page.getByRole('list', { name: 'Predictions on images', exact: true }).waitFor();
    await checkTheme('with predictions on images');
    await expect(studio.pickWindow(0, 11)).rejects.toThrow('overlap');
    await check('with an error shown');
  } finally {
    await studio.close();
  }
});
