/** The alignment score with weight directions beside the paper's own, on two windows of the sample that tells them apart. */
import { expect } from '@playwright/test';
import type { Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { test, tidy } from './support/shared-studio.ts';

const cases = [
  { first: 3, last: 6, paper: 5.424, combined: 5.36 },
  { first: 8, last: 11, paper: 6.714, combined: 6.58 },
];

test.describe('the alignment scores of shakespeare-gpt2', () => {
  let studio: Studio;
  test.beforeAll(async ({ studioOf }) => {
    studio = await studioOf('shakespeare-gpt2');
    await tidy(studio, 'shakespeare-gpt2');
  });

  for (const { first, last, paper, combined } of cases) {
    test(`weight directions make window ${first}–${last} better`, async () => {
      await studio.clearWindows();
      await studio.pickWindow(first, last);
      await studio.merge();
      const plain = await studio.evaluate();
      expect(relativeDifference(plain.merged, paper)).toBeLessThan(0.005);
      await studio.merge({ score: 'combined' });
      const better = await studio.evaluate();
      expect(better.merged).toBeLessThanOrEqual(combined);
      await studio.merge({ score: 'best' });
      const chosen = await studio.evaluate();
      expect(chosen.merged).toBeLessThanOrEqual(plain.merged);
    });
  }

  test('weights alone need no calibration data', async () => {
    await studio.clearWindows();
    await studio.pickWindow(3, 6);
    await studio.merge({ score: 'input-weights+output-weights' });
    const { original, merged } = await studio.evaluate();
    expect(merged).toBeGreaterThan(original);
    // What the reference gets without any alignment.
    expect(merged).toBeLessThan(6.103);
  });
});
