/**
 * Pictures of one state of the page at every width, light and dark. The page is made wide or narrow, light or dark under
 * the same state, as a person may do with a window, so a state is reached once for all four. A job is held still while
 * its pictures are taken: the worker's thread waits, so that what runs is in all four at the same place.
 */
import { join } from 'node:path';
import type { Page } from 'playwright';
import type { PageServer } from '../server.ts';
import type { Studio, StudioOptions } from '../studio.ts';

export interface Variant {
  readonly width: number;
  readonly scheme: 'light' | 'dark';
}

export interface ShotOptions {
  /** Ids of the steps to take, from the first to the last of them; else the whole page. */
  readonly steps?: readonly string[];
  /** What the window shows, with the bar at its foot, from the first of the steps on. */
  readonly window?: boolean;
  /** Done anew for each picture, once the page has its size: what hovers, and what has the focus. */
  readonly pose?: () => Promise<void>;
}

export type Take = (state: string, options?: ShotOptions) => Promise<void>;

/** One way through the page, in a browser of its own. */
export interface Scene {
  readonly studio?: StudioOptions;
  /** Another host than `vite preview`. */
  readonly host?: () => Promise<PageServer>;
  readonly play: (studio: Studio, take: Take, host?: PageServer) => Promise<void>;
}

const heights: Record<number, number> = { 1440: 900, 390: 844 };

/** Two frames: styles that follow the theme, and canvases that follow the size, are drawn by then. */
const drawn = (page: Page) =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

/** @returns px by which the page is wider than its window */
const overflow = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** The rail and the bar at their own places on the page, not where the window happens to be; or back in the window. */
const restBars = (page: Page, position: 'static' | '') =>
  page.evaluate((where) => {
    for (const bar of document.querySelectorAll<HTMLElement>('.step-rail, .job-bar'))
      bar.style.position = where;
  }, position);

/** The steps' box on the page, in CSS px, over its full width. */
async function clipOf(page: Page, steps: readonly string[]) {
  const boxes = await page.evaluate(
    (ids) =>
      ids.map((id) => {
        const box = document.getElementById(id)?.getBoundingClientRect();
        return box && { top: box.top + window.scrollY, bottom: box.bottom + window.scrollY };
      }),
    [...steps],
  );
  const missing = steps.filter((_, index) => !boxes[index]);
  if (missing.length > 0) throw new Error(`The page shows no step “${missing.join('”, “')}”.`);
  const top = Math.min(...boxes.map((box) => box?.top ?? 0));
  const bottom = Math.max(...boxes.map((box) => box?.bottom ?? 0));
  return { x: 0, y: top, height: bottom - top };
}

export function shooter(page: Page, scene: string, variants: readonly Variant[], folder: string): Take {
  return async (state, { steps, window: seen = false, pose } = {}) => {
    for (const { width, scheme } of variants) {
      await page.setViewportSize({ width, height: heights[width] ?? 900 });
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await pose?.();
      await drawn(page);
      const name = `${scene}-${state}-${width}-${scheme}`;
      const path = join(folder, `${name}.png`);
      if (seen) {
        if (steps) await page.evaluate((id) => document.getElementById(id)?.scrollIntoView(), steps[0]);
        await page.screenshot({ path });
      } else {
        await restBars(page, 'static');
        const clip = steps && { width, ...(await clipOf(page, steps)) };
        await page.screenshot({ path, fullPage: true, ...(clip && { clip }) });
        await restBars(page, '');
      }
      const tooWide = await overflow(page);
      console.log(`${name}${tooWide > 0 ? `: ${tooWide} px too wide` : ''}`);
    }
  };
}

/** Holds the worker's thread still until `work` is done, give or take a second. Cancelling waits for the end of it. */
export async function heldStill(page: Page, work: () => Promise<void>): Promise<void> {
  const [worker] = page.workers().filter((candidate) => candidate.url().includes('studio.worker'));
  if (!worker) throw new Error('The page has no worker to hold.');
  const held = { on: true };
  const hold = async () => {
    while (held.on)
      await worker.evaluate(() => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      });
  };
  // Two wait in turns, so that the thread is never free between them.
  const holds = [hold(), hold()];
  try {
    await work();
  } finally {
    held.on = false;
    await Promise.all(holds);
  }
}

/** Stops what runs, and waits until the page says so. */
export async function cancelJob(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page
    .getByRole('status')
    .filter({ hasText: /Cancelled\.|Paused at step/ })
    .waitFor({ timeout: 120_000 });
}

export const pressed = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();
