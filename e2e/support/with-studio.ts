/** A studio in a browser of its own, which ends without complaints. */
import { expect } from '@playwright/test';
import { launchStudio, type Studio } from '../studio.ts';

export async function withStudio(work: (studio: Studio) => Promise<void>): Promise<void> {
  const studio = await launchStudio({ gpu: 'off' });
  try {
    await work(studio);
    expect(await studio.errors()).toEqual([]);
    expect(studio.consoleErrors).toEqual([]);
  } finally {
    await studio.close();
  }
}
