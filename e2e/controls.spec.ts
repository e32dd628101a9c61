/** The controls beside permute-and-average, on the sample that tells methods apart. */
import { expect, test } from '@playwright/test';
import { launchStudio, type Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { reference } from './support/fixtures.ts';

const truth = reference('shakespeare-gpt2');
const [first, last] = truth.window;

const controls = [
  { method: 'vanilla', reference: 'first', key: 'vanilla' },
  { method: 'copy', reference: 'first', key: 'copy-the-anchor (first)' },
  { method: 'permute', reference: 'middle', key: 'permute, reference middle' },
  { method: 'permute', reference: 'last', key: 'permute, reference last' },
] as const;

test.describe('the controls of shakespeare-gpt2', () => {
  let studio: Studio;
  test.beforeAll(async () => {
    studio = await launchStudio({ gpu: 'off' });
    await studio.openSample('shakespeare-gpt2');
    await studio.pickWindow(first, last);
  });
  test.afterAll(() => studio?.close());

  for (const { method, reference: choice, key } of controls) {
    test(`${key} costs what the reference says`, async () => {
      await studio.merge({ method, reference: choice });
      const { merged } = await studio.evaluate();
      expect(relativeDifference(merged, truth.merged[key].report)).toBeLessThan(0.005);
    });
  }
});
