/**
 * Baselines at the same number of removed FFNs are real variants: each is scored against the reference where it has
 * one, saved, really smaller, and worth in onnxruntime-node what the page showed.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { MergeMethod, MergeOptions, Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { dynamoModel, reference, sampleNames } from './support/fixtures.ts';
import { checkerComplaint, checkerPython, scoreFile } from './support/oracle.ts';
import { scratchFolder } from './support/scratch.ts';
import { test, tidy } from './support/shared-studio.ts';

const folder = scratchFolder();

/** By their names in the reference, which has no random windows and no dropped layers. */
const inReference: readonly { readonly method: MergeMethod; readonly key: string }[] = [
  { method: 'vanilla', key: 'vanilla' },
  { method: 'copy', key: 'copy-the-anchor (first)' },
  { method: 'ffn-drop', key: 'ffn drop (all of the window but its first)' },
];

for (const name of sampleNames) {
  test.describe(`the baselines of ${name}`, () => {
    const truth = reference(name);
    const [first, last] = truth.window;
    let studio: Studio;
    test.beforeAll(async ({ studioOf }) => {
      studio = await studioOf(name);
      await tidy(studio, name);
      await studio.pickWindow(first, last);
    });

    for (const { method, key } of inReference) {
      test(`${method} costs what the reference says`, async () => {
        await studio.merge({ method });
        const { merged } = await studio.evaluate();
        expect(relativeDifference(merged, truth.merged[key].report)).toBeLessThan(0.005);
        expect(studio.consoleErrors).toEqual([]);
      });
    }
  });
}

test.describe('the files of the baselines of shakespeare-gpt2', () => {
  // Dropping layers tries each of them.
  test.setTimeout(300_000);
  const name = 'shakespeare-gpt2';
  const truth = reference(name);
  const [first, last] = truth.window;
  const ffnParameters = 2 * truth.d_model * truth.d_ff + truth.d_model + truth.d_ff;
  const original = statSync(dynamoModel(name)).size;
  let studio: Studio;

  test.beforeAll(async ({ studioOf }) => {
    studio = await studioOf(name);
    await tidy(studio, name);
    await studio.pickWindow(first, last);
  });

  /** Merges and saves; the file must be as small as promised and worth what the page shows. */
  async function expectRealVariant(options: MergeOptions, removed: number): Promise<number> {
    const { parametersSaved, bytesSaved } = await studio.merge(options);
    const { merged } = await studio.evaluate();
    const path = join(folder, `${options.method}-${options.seed ?? ''}.onnx`);
    expect((await studio.download(path)).bytes).toBe(original - bytesSaved);
    expect(bytesSaved).toBeGreaterThan(parametersSaved * 4 - 4096);
    expect(relativeDifference(await scoreFile(path, name), merged)).toBeLessThan(1e-4);
    if (checkerPython) expect(checkerComplaint(path)).toBeNull();
    const tied = options.method !== 'ffn-drop' && options.method !== 'layer-drop';
    if (tied) expect(parametersSaved).toBe(removed * ffnParameters);
    // What feeds a dropped sublayer goes with it.
    else expect(parametersSaved).toBeGreaterThan(removed * ffnParameters);
    return merged;
  }

  for (const method of ['vanilla', 'copy', 'ffn-drop'] as const) {
    test(method, () => expectRealVariant({ method }, last - first));
  }

  test('random windows, by their seed', async () => {
    const [one, two] = [{ method: 'random', seed: 1 } as const, { method: 'random', seed: 2 } as const];
    const score = await expectRealVariant(one, last - first);
    const other = await expectRealVariant(two, last - first);
    expect(other).not.toBe(score);
    await studio.merge(one);
    expect((await studio.evaluate()).merged).toBe(score);
  });

  test('layers dropped, and one button that scores all baselines', async () => {
    // One FFN less: the least that there is to try.
    await studio.clearWindows();
    await studio.pickWindow(first, first + 1);
    const score = await expectRealVariant({ method: 'layer-drop' }, 1);
    const before = await studio.variantsTried();
    await studio.runBaselines();
    const tried = await studio.variantsTried();
    const added = tried.slice(before.length);
    // Seven, of which the dropped layers were there.
    expect(added).toHaveLength(6);
    for (const { name: settings, values } of added) {
      expect(values[0], `${settings}: FFNs removed`).toBe(1);
      expect(values[1], `${settings}: size`).toBeLessThan(original);
      expect(values[2], `${settings}: score`).toBeGreaterThan(truth.original.report * 0.99);
    }
    expect(added.filter(({ name: settings }) => /random/i.test(settings))).toHaveLength(3);
    expect(before[before.length - 1].values[2]).toBe(score);
    expect(studio.consoleErrors).toEqual([]);
  });
});
