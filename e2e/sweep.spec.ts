/**
 * The sweep against the reference's, for both samples; cancelled and resumed, counted in the blocks of the model that
 * were run for each window; what its result is good for; and the proposals of several small groups that are made of
 * it, also asked for by size. In one file, so that one worker sweeps for all.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { PlanRow, Studio, SweepRow } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { dynamoModel, reference, type SampleName } from './support/fixtures.ts';
import { scoreFile } from './support/oracle.ts';
import { rankCorrelation, windowMean } from './support/ranks.ts';
import { scratchFolder } from './support/scratch.ts';
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

test.describe
  .serial('the plan of shakespeare-gpt2', () => {
    // Windows of up to four layers are known from the sweep; proposals are scored whole.
    test.setTimeout(300_000);
    const name = 'shakespeare-gpt2';
    const removed = 4;
    let studio: Studio;
    let plans: PlanRow[];
    test.beforeAll(async ({ studioOf }) => {
      studio = await studioOf(name);
      await tidy(studio, name);
    });

    test('proposes disjoint groups that remove as many FFNs as asked, best first', async () => {
      plans = await studio.plan(removed);
      expect(plans.length).toBeGreaterThan(1);
      expect(plans.length).toBeLessThanOrEqual(10);
      expect(plans.map(({ score }) => score)).toEqual(plans.map(({ score }) => score).sort((a, b) => a - b));
      const { layers } = reference(name);
      for (const { groups, estimate } of plans) {
        expect(Number.isFinite(estimate)).toBe(true);
        expect(groups.reduce((sum, [first, last]) => sum + last - first, 0)).toBe(removed);
        const covered = groups.flatMap(([first, last]) =>
          Array.from({ length: last - first + 1 }, (_, k) => first + k),
        );
        expect(new Set(covered).size).toBe(covered.length);
        expect(covered.every((layer) => layer >= 0 && layer < layers)).toBe(true);
      }
      expect(new Set(plans.map(({ groups }) => JSON.stringify(groups))).size).toBe(plans.length);
    });

    test('is at least as good on the report split as the best single window of 5', async () => {
      await studio.usePlan(plans[0].groups);
      await studio.merge();
      const planned = await studio.evaluate();

      const [best] = await studio.sweep(removed + 1);
      await studio.clearWindows();
      await studio.pickWindow(best.first, best.last);
      await studio.merge();
      const single = await studio.evaluate();
      expect(planned.original).toBe(single.original);
      expect(planned.merged).toBeLessThanOrEqual(single.merged);
    });

    test('gives the best variant of at most the size asked for', async () => {
      const percent = 30;
      await studio.useBestOfSize(percent);
      const { merged } = await studio.evaluate();
      const path = join(scratchFolder(), 'sized.onnx');
      const { bytes } = await studio.download(path);
      const original = statSync(dynamoModel(name)).size;
      expect(bytes).toBeLessThanOrEqual(original * (1 - percent / 100));
      // One FFN less would not have been enough: no more than needed is given up.
      const { d_model: width, d_ff: units } = reference(name);
      expect(bytes + 4 * (2 * width * units + width + units)).toBeGreaterThan(original * (1 - percent / 100));
      expect(relativeDifference(await scoreFile(path, name), merged)).toBeLessThan(1e-4);
    });

    test('says so where a size cannot be reached', async () => {
      await expect(studio.useBestOfSize(90)).rejects.toThrow(/% smaller/);
      expect(studio.consoleErrors).toEqual([]);
    });
  });
