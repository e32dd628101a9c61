/**
 * Recovery in the page, on the calibration split alone: what R3 brings, that the rungs never make the select split
 * worse, that a saved file is worth in onnxruntime-node what the page showed and as large as it said, undo, and cancel.
 * The figures of the whole ladder take minutes: `npm run bench:recover` prints them.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { launchStudio, type RungRow, type Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { dynamoModel, reference } from './support/fixtures.ts';
import { checkerComplaint, checkerPython, scoreFile } from './support/oracle.ts';
import { quickModel } from './support/quick-model.ts';
import { scratchFolder } from './support/scratch.ts';
import { test, tidy } from './support/shared-studio.ts';

const name = 'shakespeare-gpt2';
const folder = scratchFolder();

/** Each rung starts where the one before it ended, and none ends worse than it began. */
function expectGated(rows: readonly RungRow[]): void {
  for (const [index, { before, score, kept, rung }] of rows.entries()) {
    expect(score, rung).toBeLessThanOrEqual(before);
    if (!kept) expect(score, rung).toBe(before);
    if (index > 0) expect(before, rung).toBe(rows[index - 1].score);
  }
}

test.describe
  .serial(`the recovery of ${name}`, () => {
    test.setTimeout(300_000);
    const truth = reference(name);
    const [first, last] = truth.window;
    const original = statSync(dynamoModel(name)).size;
    let studio: Studio;
    let plain: { merged: number; bytes: number };

    test.beforeAll(async ({ studioOf }) => {
      studio = await studioOf(name);
      await tidy(studio, name);
      await studio.pickWindow(first, last);
      const { bytesSaved } = await studio.merge();
      const { merged } = await studio.evaluate();
      plain = { merged, bytes: original - bytesSaved };
    });

    test('refitting the down-projection wins most of the loss back', async () => {
      const rows = await studio.recover({ rungs: ['R3'] });
      expect(rows.map(({ rung, kept }) => [rung, kept])).toEqual([['R3', true]]);
      expectGated(rows);
      const { select, report, bytesAdded } = await studio.recovered();
      expect(rows[0].before).toBe(select.merged);
      expect(rows[0].score).toBe(select.recovered);
      expect(report.merged).toBe(plain.merged);
      const { merged } = await studio.evaluate();
      expect(merged).toBe(report.recovered);
      expect(merged).toBeLessThanOrEqual(5.24);
      expect(bytesAdded).toBe(rows[0].addedBytes);
    });

    test('is in the file that is saved', async () => {
      const { report, bytesAfter, bytesAdded } = await studio.recovered();
      const path = join(folder, 'recovered.onnx');
      const { bytes } = await studio.download(path);
      expect(bytes).toBe(bytesAfter);
      expect(bytes).toBe(plain.bytes + bytesAdded);
      expect(relativeDifference(await scoreFile(path, name), report.recovered)).toBeLessThan(1e-4);
      if (checkerPython) expect(checkerComplaint(path)).toBeNull();
    });

    test('goes on from there, and never makes the select split worse', async () => {
      const before = await studio.recovered();
      const rows = await studio.recover({ rungs: ['R2', 'R4'] });
      expect(rows.map(({ rung }) => rung)).toEqual(['R2', 'R4']);
      expectGated(rows);
      expect(rows[0].before).toBe(before.select.recovered);
      const { select, report } = await studio.recovered();
      expect(select.merged).toBe(before.select.merged);
      const path = join(folder, 'further.onnx');
      const { bytes } = await studio.download(path);
      expect(bytes).toBe((await studio.recovered()).bytesAfter);
      expect(relativeDifference(await scoreFile(path, name), report.recovered)).toBeLessThan(1e-4);
      if (checkerPython) expect(checkerComplaint(path)).toBeNull();
    });

    test('is kept among the variants tried, by name, and comes back', async () => {
      await studio.evaluate();
      const { report } = await studio.recovered();
      const names = (await studio.variantsTried()).map((variant) => variant.name);
      expect(names.filter((variant) => / \+ R3/.test(variant)).length).toBeGreaterThanOrEqual(2);
      const again = studio.page
        .getByRole('table', { name: 'Variants tried', exact: true })
        .getByRole('row')
        .filter({ hasText: '+ R3' })
        .last()
        .getByRole('button', { name: 'Use again', exact: true });
      await again.click();
      await expect(studio.page.getByRole('status').filter({ hasText: 'merged again' })).toBeVisible();
      expect((await studio.evaluate()).merged).toBe(report.recovered);
    });

    test('is undone, back to the merge', async () => {
      await studio.undoRecovery();
      expect((await studio.evaluate()).merged).toBe(plain.merged);
      const path = join(folder, 'undone.onnx');
      expect((await studio.download(path)).bytes).toBe(plain.bytes);
      await expect(studio.page.getByText('There is no run to undo yet.', { exact: true })).toBeVisible();
    });
  });

test.describe
  .serial('the recovery of a gated model', () => {
    let studio: Studio;
    test.beforeAll(async () => {
      studio = await launchStudio({ gpu: 'off' });
      await studio.openModel(quickModel());
      await studio.pickWindow(1, 4);
      await studio.merge();
    });
    test.afterAll(() => studio.close());

    test('keeps what it had when it is cancelled', async () => {
      const { page } = studio;
      await studio.chooseRecovery({ rungs: ['R3', 'R6'], steps: 50_000 });
      await page.getByRole('button', { name: 'Recover', exact: true }).click();
      await page.getByRole('table', { name: 'Rungs tried', exact: true }).waitFor();
      await page.getByRole('button', { name: 'Cancel', exact: true }).click();
      await expect(
        page.getByRole('status').filter({ hasText: 'Cancelled. What was gained so far is kept.' }),
      ).toBeVisible({ timeout: 60_000 });
      const { select, report } = await studio.recovered();
      expect(select.recovered).toBeLessThan(select.merged);
      expect((await studio.evaluate()).merged).toBe(report.recovered);
      expect(await studio.errors()).toEqual([]);
      expect(studio.consoleErrors).toEqual([]);
    });

    test('ranks proposals by what refitting gives, and takes one in one go', async () => {
      const plans = await studio.plan(1, { recover: true });
      const scores = plans.map(({ recovered }) => recovered ?? Number.NaN);
      expect(scores).toEqual([...scores].sort((a, b) => a - b));
      for (const { score, recovered } of plans) expect(recovered).toBeLessThanOrEqual(score);
      // Where refitting does not help on select, the proposal stays as merged, and there is nothing to undo.
      const helped = plans.findIndex(({ score, recovered }) => recovered! < score);
      expect(helped).toBeGreaterThanOrEqual(0);
      await studio.applyPlan(helped);
      const { merged } = await studio.evaluate();
      await studio.undoRecovery();
      expect((await studio.evaluate()).merged).toBeGreaterThan(merged);
    });

    test('refuses what was left out, in a sentence', async () => {
      await studio.merge({ method: 'ffn-drop' });
      await expect(
        studio.page.getByText('FFNs or layers that were left out have no weights to refit', { exact: false }),
      ).toBeVisible();
    });
  });
