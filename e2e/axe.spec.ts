/** No serious or critical accessibility violation in the main states, light and dark. */
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';

test('no serious violation in the main states, light and dark', async () => {
  const studio = await launchStudio({
    gpu: 'off',
    context: { colorScheme: 'light', reducedMotion: 'reduce' },
  });
  const { page } = studio;
  const root = page.locator('html');

  const checkTheme = async (state: string) => {
    const { violations } = await new AxeBuilder({ page }).analyze();
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
    await checkTheme(state);
    await page.getByRole('button', { name: 'Switch to light theme', exact: true }).click();
    await expect(root).toHaveAttribute('data-theme', 'light');
  };

  try {
    await expect(root, 'follows the system').toHaveAttribute('data-theme', 'light');
    await check('before a model is open');
    await studio.openSample('digits-vit');
    await check('with a model open');
    await studio.measure();
    await studio.pickWindow(4, 5);
    await studio.merge();
    await studio.evaluate();
    await check('after the whole job');
    await expect(studio.pickWindow(0, 11)).rejects.toThrow('overlap');
    await check('with an error shown');
  } finally {
    await studio.close();
  }
});
