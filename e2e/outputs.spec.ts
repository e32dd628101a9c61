/** Original and merged side by side: the text that the page shows is what onnxruntime-node writes from the files. */
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { dynamoModel, reference } from './support/fixtures.ts';
import { writeGreedily } from './support/oracle.ts';
import { scratchFolder } from './support/scratch.ts';
import { test, tidy } from './support/shared-studio.ts';

test('both models write what onnxruntime-node writes', async ({ studioOf }) => {
  const name = 'shakespeare-gpt2';
  const prompt = 'ROMEO:';
  const tokens = 200;
  const [first, last] = reference(name).window;
  const path = join(scratchFolder(), 'merged.onnx');
  const studio = await studioOf(name);
  await tidy(studio, name);
  await studio.pickWindow(first, last);
  await studio.merge();
  await studio.download(path);
  const { original, merged } = await studio.compareOutputs({ prompt, tokens });
  expect(original).toHaveLength(tokens);
  expect(original).toBe(await writeGreedily(dynamoModel(name), name, prompt, tokens));
  expect(merged).toBe(await writeGreedily(path, name, prompt, tokens));
  expect(merged).not.toBe(original);

  const settings = { prompt, tokens: 20, temperature: 0.8 };
  const seeded = await studio.compareOutputs({ ...settings, seed: 3 });
  expect(await studio.compareOutputs({ ...settings, seed: 3 }), 'the same seed').toEqual(seeded);
  expect(await studio.compareOutputs({ ...settings, seed: 4 }), 'another seed').not.toEqual(seeded);

  await expect(studio.compareOutputs({ prompt: '', tokens })).rejects.toThrow(/prompt/);
  expect(studio.consoleErrors).toEqual([]);
});

test('both models guess on images', async ({ studioOf }) => {
  const name = 'digits-vit';
  const studio = await studioOf(name);
  const { page } = studio;
  await tidy(studio, name);
  await studio.pickWindow(0, 3);
  await studio.merge();
  await page.getByRole('button', { name: 'Compare outputs', exact: true }).click();
  const images = page.getByRole('list', { name: 'Predictions on images', exact: true });
  await expect(images.getByRole('listitem')).toHaveCount(12, { timeout: 60_000 });
  await expect(images.getByRole('img').first()).toBeVisible();
  expect(await studio.errors()).toEqual([]);
  expect(studio.consoleErrors).toEqual([]);
});
