/**
 * Baselines at the same number of removed FFNs are real variants: each is scored against the reference where it has
 * one, saved, really smaller, and worth in onnxruntime-node what the page showed.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { launchStudio, type MergeMethod, type Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { dynamoModel, reference, sampleNames } from './support/fixtures.ts';
import { checkerComplaint, checkerPython, scoreFile } from './support/oracle.ts';
import { scratchFolder } from './support/scratch.ts';

const folder = scratchFolder();

/** By their names in the reference, which has no random windows and no dropped layers. */
const baselines: readonly { readonly method: MergeMethod; readonly key?: string }[] = [
  { method: 'vanilla', key: 'vanilla' },
  { method: 'copy', key: 'copy-the-anchor (first)' },
  { method: 'ffn-drop', key: 'ffn drop (all of the window but its first)' },
  { method: 'random' },
  { method: 'layer-drop' },
];

for (const name of sampleNames) {
  test.describe(`the baselines of ${name}`, () => {
    const truth = reference(name);
    const [first, last] = truth.window;
    const removed = last - first;
    const ffnParameters = 2 * truth.d_model * truth.d_ff + truth.d_model + truth.d_ff;
    const original = statSync(dynamoModel(name)).size;
    const scores = new Map<MergeMethod, number>();
    let studio: Studio;

    test.beforeAll(async () => {
      studio = await launchStudio({ gpu: 'off' });
      await studio.openSample(name);
      await studio.pickWindow(first, last);
    });
    test.afterAll(() => studio?.close());

    for (const { method, key } of baselines) {
      test(`${method} is a variant that can be scored and saved`, async () => {
        const seed = method === 'random' ? { seed: 1 } : {};
        const { parametersSaved, bytesSaved } = await studio.merge({ method, ...seed });
        const { merged } = await studio.evaluate();
        scores.set(method, merged);
        if (key) expect(relativeDifference(merged, truth.merged[key].report)).toBeLessThan(0.005);

        const path = join(folder, `${name}-${method}.onnx`);
        const { bytes } = await studio.download(path);
        expect(bytes).toBe(original - bytesSaved);
        if (method === 'layer-drop') expect(parametersSaved).toBeGreaterThan(removed * ffnParameters);
        else expect(parametersSaved).toBe(removed * ffnParameters);
        // The graph changes by some hundreds of bytes either way.
        expect(Math.abs(bytesSaved - 4 * parametersSaved)).toBeLessThan(parametersSaved * 0.02);
        expect(relativeDifference(await scoreFile(path, name), merged)).toBeLessThan(1e-4);
        if (checkerPython) expect(checkerComplaint(path)).toBeNull();
      });
    }

    test('one button scores them all', async () => {
      await studio.runBaselines();
      const tried = await studio.variantsTried();
      for (const [method, score] of scores) {
        const same = tried.filter(({ values }) => relativeDifference(values[2], score) < 1e-6);
        expect(same.length, method).toBeGreaterThan(0);
      }
      expect(tried.filter(({ name: settings }) => /random/i.test(settings)).length).toBeGreaterThanOrEqual(3);
      for (const { name: settings, values } of tried) {
        expect(values[0], `${settings}: FFNs removed`).toBe(removed);
        expect(values[1], `${settings}: size`).toBeLessThan(original);
      }
      expect(studio.consoleErrors).toEqual([]);
    });
  });
}
