/**
 * One page a sample for all the tests of a worker that do not need one of their own: what it has scored, aligned and
 * swept is known to the tests after. Each test file begins with `tidy`.
 */
import { test as base } from '@playwright/test';
import { launchStudio, type Studio } from '../studio.ts';
import type { SampleName } from './fixtures.ts';

export interface SharedStudios {
  /** A sample's page, with the sample open. */
  readonly studioOf: (name: SampleName) => Promise<Studio>;
}

export const test = base.extend<object, SharedStudios>({
  studioOf: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright asks for a pattern.
    async ({}, use) => {
      const studios = new Map<SampleName, Studio>();
      await use(async (name) => {
        const known = studios.get(name);
        if (known) return known;
        const studio = await launchStudio({ gpu: 'off' });
        studios.set(name, studio);
        await studio.openSample(name);
        return studio;
      });
      for (const studio of studios.values()) await studio.close();
    },
    { scope: 'worker' },
  ],
});

const defaultMetric: Record<SampleName, string> = {
  'shakespeare-gpt2': 'Perplexity',
  'digits-vit': 'Accuracy',
};

/** Nothing picked, and the choices that the page begins with. */
export async function tidy(studio: Studio, name: SampleName): Promise<void> {
  await studio.clearWindows();
  await studio.chooseMerge();
  await studio.chooseMetric(defaultMetric[name]);
}
