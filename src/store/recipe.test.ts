/** Recipes on the page: saved, shared, loaded, and asked for; the format itself is tested beside src/recipe. */
import { describe, expect, test } from 'vitest';
import { parseRecipe } from '../recipe/recipe.ts';
import { opened, studio } from '../testing/studio-setup.ts';

async function merged() {
  const all = await opened();
  const { now } = all;
  now().pickWindow(4, 7);
  now().setReference('middle');
  await now().runMerge();
  return all;
}

/** The recipe file of a merge, from another page. */
async function savedRecipe(): Promise<File> {
  const { now, saved } = await merged();
  await now().saveRecipe();
  return new File([saved[0].blob], saved[0].name);
}

describe('saving and sharing', () => {
  test('the file is named by the merge and is a recipe of it', async () => {
    const file = await savedRecipe();
    expect(file.name).toBe('model-merged-4-7.layerfold.json');
    const { plan } = parseRecipe(await file.text());
    expect(plan.sets).toEqual([{ groupId: 'decoder', layers: [4, 5, 6, 7] }]);
    expect(plan.reference).toBe('middle');
  });

  test('the link is copied, shown, and gone with another merge', async () => {
    const { now, copied } = await merged();
    await now().shareRecipe();
    expect(copied).toHaveLength(1);
    expect(copied[0]).toMatch(/^https:\/\/example\.org\/layerfold\/#recipe=[\w-]+$/);
    expect(now().recipe.link?.text).toBe(copied[0]);
    expect(now().recipe.link?.of).toBe(now().merge.result);
    now().pickInstead('decoder', 1, 2);
    await now().runMerge();
    expect(now().recipe.link?.of).not.toBe(now().merge.result);
  });

  test('there is none before a merge, in a sentence', async () => {
    const { now, saved } = await opened();
    await now().saveRecipe();
    await now().shareRecipe();
    expect(saved).toEqual([]);
    expect(now().errors.map(({ sentence }) => sentence)).toEqual([
      'Nothing is merged, so there is no recipe yet: merge layers first.',
    ]);
  });
});

describe('loading', () => {
  test('carries it out, with its picks and options', async () => {
    const file = await savedRecipe();
    const { now, api } = await opened();
    await now().loadRecipe(file);
    expect(now().errors).toEqual([]);
    expect(now().picks.sets).toEqual([{ groupId: 'decoder', layers: [4, 5, 6, 7] }]);
    expect(now().merge.reference).toBe('middle');
    expect(now().merge.held).toBe(now().merge.asked);
    expect(api.variant()?.sets).toEqual(now().picks.sets);
    expect(now().status?.text).toMatch(/^Merged by the recipe: .*4–7/);
  });

  test('is carried out again with its permutations, not by its plan, after baselines', async () => {
    const file = await savedRecipe();
    const { now, api } = await opened();
    await now().loadRecipe(file);
    await now().runBaselines();
    const merges = api.calls.filter((call) => call === 'mergeRecipe');
    expect(merges).toHaveLength(2);
    expect(now().merge.held).toBe(now().merge.asked);
  });

  test('can be dropped among the model’s files, or alone', async () => {
    const file = await savedRecipe();
    const { now, api } = studio();
    // The fake’s hash is of name and size: the sample’s file.
    await now().openFiles([new File(['x'], 'model.onnx'), file]);
    expect(now().errors).toEqual([]);
    expect(api.calls.filter((call) => call === 'open')).toHaveLength(1);
    expect(now().merge.result?.plan.sets[0].layers).toEqual([4, 5, 6, 7]);
    now().clearWindows();
    await now().addData([file]);
    expect(now().merge.result?.plan.sets[0].layers).toEqual([4, 5, 6, 7]);
    expect(api.calls).not.toContain('addData');
  });

  test('says which model it is for where another is open, and leaves the merge', async () => {
    const text = await (await savedRecipe()).text();
    const other = new File(
      [text.replace(/"sha256": "[0-9a-f]+"/, `"sha256": "${'0'.repeat(64)}"`)],
      'r.json',
    );
    const { now } = await merged();
    const { result } = now().merge;
    await now().loadRecipe(other);
    expect(now().errors[0].sentence).toContain(`SHA-256 ${'0'.repeat(64)}`);
    expect(now().merge.result).toBe(result);
  });

  test('cancelled, the merge before it holds', async () => {
    const file = await savedRecipe();
    const { now } = await opened({ delay: 300 });
    const loading = now().loadRecipe(file);
    await expect.poll(() => now().job?.label).toMatch(/^Merging by the recipe/);
    now().cancel();
    await loading;
    expect(now().merge.result).toBeNull();
    expect(now().status?.text).toBe('Cancelled. The model is unchanged.');
  });
});

describe('a link', () => {
  test('asks for its model, does nothing by itself, and is applied when told', async () => {
    const { now: sender, copied } = await merged();
    await sender().shareRecipe();
    const { now, api } = studio();
    await now().takeLink(new URL(copied[0]).hash);
    const { asking } = now().recipe;
    expect(asking?.from).toBe('link');
    expect(asking?.files[0].name).toBe('model.onnx');
    expect(asking?.what).toContain('4–7');
    await now().openSample('shakespeare-gpt2');
    expect(api.calls).not.toContain('mergeRecipe');
    await now().applyRecipe();
    expect(now().merge.result?.plan.sets[0].layers).toEqual([4, 5, 6, 7]);
    expect(now().recipe.asking).toBeNull();
  });

  test('that is damaged is a sentence, and one that is none is nothing', async () => {
    const { now } = studio();
    await now().takeLink('#open');
    expect(now().errors).toEqual([]);
    await now().takeLink('#recipe=AAAA');
    expect(now().errors[0].sentence).toMatch(/^The recipe in this link is damaged/);
    expect(now().recipe.asking).toBeNull();
  });
});

describe('the report', () => {
  test('is saved as HTML and as Markdown, of the merge that is shown', async () => {
    const { now, saved } = await merged();
    await now().evaluate();
    await now().saveReport('html');
    await now().saveReport('markdown');
    expect(now().errors).toEqual([]);
    expect(saved.map(({ name }) => name)).toEqual([
      'model-merged-4-7-report.html',
      'model-merged-4-7-report.md',
    ]);
    for (const { blob } of saved) {
      const text = await blob.text();
      expect(text).toContain('model.onnx');
      expect(text).toContain('layerfold-recipe');
      expect(text).toContain('Test Browser 1.0');
    }
    expect(await saved[0].blob.text()).toMatch(/^<!doctype html>/i);
  });
});
