/** Other reference layers than the first, on the sample that tells them apart. */
import { expect } from '@playwright/test';
import type { Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { reference } from './support/fixtures.ts';
import { test, tidy } from './support/shared-studio.ts';

const truth = reference('shakespeare-gpt2');
const [first, last] = truth.window;

const choices = [
  { reference: 'middle', key: 'permute, reference middle' },
  { reference: 'last', key: 'permute, reference last' },
] as const;

test.describe('the reference layer of shakespeare-gpt2', () => {
  let studio: Studio;
  test.beforeAll(async ({ studioOf }) => {
    studio = await studioOf('shakespeare-gpt2');
    await tidy(studio, 'shakespeare-gpt2');
    await studio.pickWindow(first, last);
  });

  for (const { reference: choice, key } of choices) {
    test(`${key} costs what the reference says`, async () => {
      await studio.merge({ reference: choice });
      const { merged } = await studio.evaluate();
      expect(relativeDifference(merged, truth.merged[key].report)).toBeLessThan(0.005);
    });
  }
});
