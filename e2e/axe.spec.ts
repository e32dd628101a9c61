/** No serious or critical accessibility violation in the main states, light and dark. */
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { launchStudio, type Studio } from './studio.ts';

async function violations(studio: Studio): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page: studio.page }).analyze();
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary}`),
    );
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`no serious violation in the ${colorScheme} theme`, async () => {
    const studio = await launchStudio({ gpu: 'off', context: { colorScheme } });
    try {
      await expect(studio.page.locator('html')).toHaveAttribute('data-theme', colorScheme);
      expect(await violations(studio), 'before a model is open').toEqual([]);
      await studio.openSample('digits-vit');
      expect(await violations(studio), 'with a model open').toEqual([]);
      await studio.measure();
      await studio.pickWindow(4, 5);
      await studio.merge();
      await studio.evaluate();
      expect(await violations(studio), 'after the whole job').toEqual([]);
      await studio.pickWindow(0, 11).catch(() => undefined);
      expect(await studio.errors()).toHaveLength(1);
      expect(await violations(studio), 'with an error shown').toEqual([]);
    } finally {
      await studio.close();
    }
  });
}
