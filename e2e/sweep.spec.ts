/**
 * The sweep against the reference's, for both samples; cancelled and resumed, counted in the blocks of the model that
 * were run for each window; and what its result is good for.
 */
import { expect } from '@playwright/test';
import type { Studio, SweepRow } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { reference, type SampleName } from './support/fixtures.ts';
import { rankCorrelation, windowMean } from './support/ranks.ts';
import { test, tidy } from './support/shared-studio.ts';

const tolerance = 0.005;
const [narrowest, widest] = [2, 4];
const windowCount = 11 + 10 + 9;
/** Scored before the sweep is cancelled: some, and far from all. */
const enough = 8;

type Window = Pick<SweepRow, 'first' | 'last'>;
const nameOf = ({ first, last }: Window) => `${first}–${last}`;
const widthOf = ({ first, last }: Window) => last - first + 1;

function expectReferenceScores(rows: readonly SweepRow[], name: SampleName): void {
  const { sweep_on_select: wanted, metric } = reference(name);
  const sign = metric === 'accuracy' ? -1 : 1;
  expect(rows.map(nameOf).sort()).toEqual(wanted.map(nameOf).sort());
  for (const window of wanted) {
    const row = rows.find((candidate) => nameOf(candidate) === nameOf(window));
    const difference = relativeDifference(row?.value ?? Number.NaN, window.permute);
    expect(difference, nameOf(window)).toBeLessThan(tolerance);
  }
  for (let width = narrowest; width <= widest; width++) {
    const [first, second] = wanted
      .filter((window) => widthOf(window) === width)
      .sort((a, b) => sign * (a.permute - b.permute));
    if (relativeDifference(second.permute, first.permute) <= tolerance) continue;
    // The page orders them best first.
    const best = rows.find((row) => widthOf(row) === width);
    expect(best && nameOf(best), `the best of width ${width}`).toBe(nameOf(first));
  }
}

/** Begins a sweep and cancels it once some windows are scored; what is kept. */
async function cancelledSweep(studio: Studio): Promise<SweepRow[]> {
  const { page } = studio;
  const scored = page
    .getByRole('region', { name: 'Sweep', exact: true })
    .getByLabel('Windows scored', { exact: true })
    .locator('data')
    .first();
  await studio.fillSweep(narrowest, widest);
  await page.getByRole('button', { name: 'Sweep all windows', exact: true }).click();
  await expect
    .poll(async () => Number(await scored.getAttribute('value')), { timeout: 240_000, intervals: [50] })
    .toBeGreaterThanOrEqual(enough);
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Cancelled.' })).toBeVisible();
  await expect(page.getByRole('main')).not.toHaveAttribute('aria-busy', 'true');
  expect(await studio.errors()).toEqual([]);
  return studio.sweepRows();
}

test.describe
  .serial('the sweep of digits-vit', () => {
    // Thirty models are scored.
    test.setTimeout(300_000);
    const name = 'digits-vit';
    let studio: Studio;
    let rows: SweepRow[];

    test.beforeAll(async ({ studioOf }) => {
      studio = await studioOf(name);
      // Opened anew: nothing of it is scored yet.
      await studio.openSample(name);
      await tidy(studio, name);
    });

    test('goes on after a cancel without doing anything twice', async () => {
      const kept = await cancelledSweep(studio);
      expect(kept.length).toBeGreaterThanOrEqual(enough);
      expect(kept.length).toBeLessThan(windowCount);
      for (const row of kept) expect(row.blockRuns, nameOf(row)).toBeGreaterThan(0);

      rows = await studio.sweepRange(narrowest, widest);
      expect(rows).toHaveLength(windowCount);
      for (const row of rows) {
        const before = kept.find((known) => nameOf(known) === nameOf(row));
        if (before) expect(row).toEqual({ ...before, blockRuns: 0 });
        else expect(row.blockRuns, nameOf(row)).toBeGreaterThan(0);
      }
    });

    test('scores every window as the reference does', () => expectReferenceScores(rows, name));
  });

test.describe
  .serial('the sweep of shakespeare-gpt2', () => {
    test.setTimeout(300_000);
    const name = 'shakespeare-gpt2';
    let studio: Studio;
    let rows: SweepRow[];

    test.beforeAll(async ({ studioOf }) => {
      studio = await studioOf(name);
      await tidy(studio, name);
      await studio.measure();
    });

    test('scores every window as the reference does', async () => {
      rows = await studio.sweepRange(narrowest, widest);
      expectReferenceScores(rows, name);
    });

    test('says how well similarity predicts the damage', async () => {
      const table = studio.page.getByRole('table', {
        name: 'Does similarity predict the damage?',
        exact: true,
      });
      const row = table.getByRole('row').filter({ hasText: 'FFN outputs (CKA)' });
      const [shown, count] = await row
        .locator('data')
        .evaluateAll((elements) => elements.map((element) => Number(element.getAttribute('value'))));
      const similarity = await studio.similarity('cka');
      const wanted = rankCorrelation(
        rows.map(({ first, last }) => windowMean(similarity, first, last)),
        rows.map(({ value }) => value),
      );
      expect(shown).toBeCloseTo(wanted, 6);
      expect(count).toBe(windowCount);
    });

    test('picks a window from the table', async () => {
      const { page } = studio;
      const [best] = rows;
      await page.getByRole('button', { name: `Pick window ${nameOf(best)}`, exact: true }).click();
      await expect(
        page.getByRole('button', { name: `Remove window ${nameOf(best)}`, exact: true }),
      ).toBeVisible();
      const { bytes } = await studio.summary();
      expect((await studio.merge()).bytesSaved).toBe(bytes - best.bytesAfter);
      expect(studio.consoleErrors).toEqual([]);
    });
  });
