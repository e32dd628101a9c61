/**
 * The sweep against the reference's, for both samples; cancelled half-way and resumed, counted in the blocks of the
 * model that were run for each window; and what a row of the result is good for.
 */
import { expect, test } from '@playwright/test';
import { launchStudio, type Studio, type SweepRow } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { reference, type SampleName, sampleNames } from './support/fixtures.ts';
import { rankCorrelation, windowMean } from './support/ranks.ts';

const tolerance = 0.005;
const widths = [2, 3, 4];
const windowCount = 11 + 10 + 9;
const nameOf = ({ first, last }: { first: number; last: number }) => `${first}–${last}`;
const widthOf = ({ first, last }: { first: number; last: number }) => last - first + 1;

function expectReferenceScores(rows: readonly SweepRow[], name: SampleName): void {
  const { sweep_on_select: wanted, metric } = reference(name);
  const sign = metric === 'accuracy' ? -1 : 1;
  expect(rows.map(nameOf).sort()).toEqual(wanted.map(nameOf).sort());
  for (const window of wanted) {
    const row = rows.find((candidate) => nameOf(candidate) === nameOf(window));
    expect(relativeDifference(row?.value ?? Number.NaN, window.permute), nameOf(window)).toBeLessThan(
      tolerance,
    );
  }
  for (const width of widths) {
    const [first, second] = wanted
      .filter((window) => widthOf(window) === width)
      .sort((a, b) => sign * (a.permute - b.permute));
    // Best first, of the rows as the page orders them.
    const best = rows.find((row) => widthOf(row) === width);
    if (relativeDifference(second.permute, first.permute) > tolerance) {
      expect(best && nameOf(best), `the best of width ${width}`).toBe(nameOf(first));
    }
  }
}

for (const name of sampleNames) {
  test.describe
    .serial(`the sweep of ${name}`, () => {
      let studio: Studio;
      let kept: SweepRow[];
      let rows: SweepRow[];

      test.beforeAll(async () => {
        studio = await launchStudio({ gpu: 'off' });
        await studio.openSample(name);
        await studio.measure();
      });
      test.afterAll(() => studio?.close());

      test('keeps what is done when it is cancelled', async () => {
        const { page } = studio;
        const scored = page
          .getByRole('region', { name: 'Sweep', exact: true })
          .getByLabel('Windows scored', { exact: true })
          .locator('data')
          .first();
        await studio.fillSweep(widths[0], widths[2]);
        await page.getByRole('button', { name: 'Sweep all windows', exact: true }).click();
        await expect
          .poll(async () => Number(await scored.getAttribute('value')), { timeout: 90_000, intervals: [50] })
          .toBeGreaterThanOrEqual(windowCount / 3);
        await page.getByRole('button', { name: 'Cancel', exact: true }).click();
        await expect(page.getByRole('status').filter({ hasText: 'Cancelled.' })).toBeVisible();
        await expect(page.getByRole('main')).not.toHaveAttribute('aria-busy', 'true');
        expect(await studio.errors()).toEqual([]);
        kept = await studio.sweepRows();
        expect(kept.length).toBeGreaterThanOrEqual(windowCount / 3);
        expect(kept.length).toBeLessThan(windowCount);
        for (const row of kept) expect(row.blockRuns, nameOf(row)).toBeGreaterThan(0);
      });

      test('goes on without doing anything twice', async () => {
        rows = await studio.sweepRange(widths[0], widths[2]);
        expect(rows).toHaveLength(windowCount);
        for (const row of rows) {
          const before = kept.find((known) => nameOf(known) === nameOf(row));
          if (before) expect(row).toEqual({ ...before, blockRuns: 0 });
          else expect(row.blockRuns, nameOf(row)).toBeGreaterThan(0);
        }
      });

      test('scores every window as the reference does', () => expectReferenceScores(rows, name));

      test('says how well similarity predicts the damage', async () => {
        const { page } = studio;
        const table = page.getByRole('table', { name: 'Does similarity predict the damage?', exact: true });
        const row = table.getByRole('row').filter({ hasText: 'FFN outputs (CKA)' });
        const numbers = await row
          .locator('data')
          .evaluateAll((elements) => elements.map((element) => Number(element.getAttribute('value'))));
        const similarity = await studio.similarity('cka');
        const sign = reference(name).metric === 'accuracy' ? -1 : 1;
        const rho = rankCorrelation(
          rows.map(({ first, last }) => windowMean(similarity, first, last)),
          rows.map(({ value }) => sign * value),
        );
        expect(numbers[0]).toBeCloseTo(rho, 6);
        expect(numbers[1]).toBe(windowCount);
      });

      test('picks a window from the table', async () => {
        const [best] = rows;
        await studio.page.getByRole('button', { name: `Pick window ${nameOf(best)}`, exact: true }).click();
        await expect(
          studio.page.getByRole('button', { name: `Remove window ${nameOf(best)}`, exact: true }),
        ).toBeVisible();
        const { bytes } = await studio.summary();
        expect((await studio.merge()).bytesSaved).toBe(bytes - best.bytesAfter);
        expect(studio.consoleErrors).toEqual([]);
      });
    });
}
