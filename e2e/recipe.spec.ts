/**
 * A recipe makes the same file again in a fresh profile, a link asks for its model first, a report opens by itself, and
 * a page that was loaded again in the middle of a sweep goes on where it was.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { walkOnnx } from './support/onnx-walk.ts';
import { quickModel } from './support/quick-model.ts';
import { scratchFolder } from './support/scratch.ts';
import { withStudio } from './support/with-studio.ts';

const folder = scratchFolder();
const at = (name: string) => join(folder, name);

test('a recipe gives the same file in a fresh profile, as a file and as a link', async () => {
  const files = quickModel();
  let link = '';
  await withStudio(async (studio) => {
    await studio.openModel(files);
    await studio.pickWindow(4, 5);
    await studio.merge({ reference: 'last' });
    await studio.download(at('merged.onnx'));
    await studio.download(at('plain.layerfold.json'), { format: 'recipe' });
    link = await studio.shareLink();
    await studio.saveReport(at('report.html'), 'HTML');
    await studio.saveReport(at('report.md'), 'Markdown');
  });
  const merged = readFileSync(at('merged.onnx'));
  expect(JSON.parse(readFileSync(at('plain.layerfold.json'), 'utf8')).permutations).toHaveLength(1);
  for (const report of ['report.html', 'report.md'])
    expect(readFileSync(at(report), 'utf8')).toContain('layerfold-recipe');

  await withStudio(async (studio) => {
    await studio.openModel(files);
    await studio.loadRecipe(at('plain.layerfold.json'));
    await studio.download(at('again.onnx'));
    expect(readFileSync(at('again.onnx')).equals(merged)).toBe(true);
    // The recipe of the recipe is the recipe.
    await studio.download(at('again.layerfold.json'), { format: 'recipe' });
    const [first, second] = ['plain', 'again'].map((name) =>
      JSON.parse(readFileSync(at(`${name}.layerfold.json`), 'utf8')),
    );
    expect(second.plan).toEqual(first.plan);
    expect(second.permutations).toEqual(first.permutations);

    await studio.page.evaluate((hash) => {
      location.hash = hash;
    }, new URL(link).hash);
    const card = studio.page.getByRole('region', { name: 'Recipe to apply', exact: true });
    await expect(card).toContainText('model.onnx');
    await studio.clearWindows();
    await studio.applyRecipe();
    await expect(card).toHaveCount(0);
    await studio.download(at('linked.onnx'));
    // Aligned anew, on the same data.
    expect(readFileSync(at('linked.onnx')).equals(merged)).toBe(true);
  });
});

/** Largest difference between tensors of the same name, relative to the largest value of the tensor. */
function furthest(path: string, wantedPath: string): { tensor: string; difference: number } {
  const [given, wanted] = [path, wantedPath].map((file) => walkOnnx(file).tensors);
  expect(given.map(({ name, dims }) => [name, dims])).toEqual(wanted.map(({ name, dims }) => [name, dims]));
  let worst = { tensor: 'none', difference: 0 };
  wanted.forEach(({ name, floats }, at) => {
    const largest = floats.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    given[at].floats.forEach((value, k) => {
      const difference = Math.abs(value - floats[k]) / (largest || 1);
      if (!(difference <= worst.difference)) worst = { tensor: name, difference };
    });
  });
  return worst;
}

test('a recipe with recovery is fitted again in a fresh profile, to within 1e-4', async () => {
  const files = quickModel();
  let score = Number.NaN;
  await withStudio(async (studio) => {
    await studio.openModel(files);
    await studio.pickWindow(1, 4);
    await studio.merge();
    await studio.download(at('plain.onnx'));
    const rungs = await studio.recover({ rungs: ['R2', 'R3'] });
    expect(rungs.map(({ rung, kept }) => [rung, kept])).toEqual([
      ['R2', true],
      ['R3', true],
    ]);
    score = (await studio.recovered()).report.recovered;
    await studio.download(at('recovered.onnx'));
    await studio.download(at('recovered.layerfold.json'), { format: 'recipe' });
  });
  await withStudio(async (studio) => {
    await studio.openModel(files);
    await studio.loadRecipe(at('recovered.layerfold.json'));
    await studio.download(at('fitted.onnx'));
    const { tensor, difference } = furthest(at('fitted.onnx'), at('recovered.onnx'));
    expect(difference, tensor).toBeLessThan(1e-4);
    const { merged } = await studio.evaluate();
    expect(Math.abs(merged / score - 1)).toBeLessThan(1e-4);
  });
  // Recovery is in the file: it holds more than the merge alone.
  expect(readFileSync(at('recovered.onnx')).length).toBeGreaterThan(readFileSync(at('plain.onnx')).length);
});

test('a reload in the middle of a sweep loses nothing', async () => {
  await withStudio(async (studio) => {
    const { page } = studio;
    // Of the samples the slower one: there is time for the other page and the reload before the sweep is over.
    await studio.openSample('digits-vit');
    await studio.chooseMerge({ method: 'vanilla' });
    await studio.fillSweep(2, 2);
    await page.getByRole('button', { name: 'Sweep all windows', exact: true }).click();
    const rows = page.getByRole('table', { name: 'Sweep results', exact: true }).getByRole('row');
    await expect.poll(() => rows.count(), { timeout: 120_000 }).toBeGreaterThan(2);
    // A second page of the same profile looks on, and leaves it alone.
    const other = await page.context().newPage();
    // The session is written a second after the first window.
    await expect(async () => {
      await other.goto(page.url());
      await other.getByRole('region', { name: 'Last session', exact: true }).waitFor({ timeout: 5_000 });
    }).toPass({ timeout: 60_000 });
    await other.close();
    await page.reload();
    expect(await studio.lastSession()).toMatch(/scored windows? of a sweep that was not finished/);
    await page.getByRole('button', { name: 'Go on with digits-vit', exact: true }).click();
    await expect.poll(() => rows.count(), { timeout: 60_000 }).toBeGreaterThan(2);
    await expect(page.getByRole('region', { name: 'Last session', exact: true })).toHaveCount(0);
    const kept = (await studio.sweepRows()).length;
    const all = await studio.sweepRange(2, 2);
    expect(all).toHaveLength(11);
    // What was scored before the reload is not run again.
    expect(all.filter(({ blockRuns }) => blockRuns === 0).length).toBeGreaterThanOrEqual(kept);
  });
});
