/** Opening reads the graph and leaves the weights on disk: 1.5 GB cost the renderers less than 100 MB. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';
import { writeBigModel } from './support/big-model.ts';
import { rendererBytes } from './support/renderer-memory.ts';
import { scratchFolder } from './support/scratch.ts';

const shape = { layers: 3, dModel: 4096, dFf: 16384 };
const limit = 100e6;
/** Content hashing may run after the summary: it counts as well. */
const settleMs = 5_000;

test('a model of 1.5 GB opens in little memory', async () => {
  test.skip(process.platform !== 'linux', 'reads memory from /proc');
  const path = join(scratchFolder(), 'big.onnx');
  const bytes = await writeBigModel(path, shape);
  expect(bytes).toBeGreaterThan(1.5e9);
  const studio = await launchStudio({ gpu: 'off' });
  let highest = 0;
  const sampler = setInterval(() => {
    highest = Math.max(highest, rendererBytes());
  }, 100);
  try {
    // The sample first: the worker and its code are in memory before the growth is measured.
    await studio.openSample('digits-vit');
    const before = rendererBytes();
    expect(before, 'the renderers are seen').toBeGreaterThan(20e6);
    highest = before;
    const begun = Date.now();
    await studio.openModel([path]);
    const summary = await studio.summary();
    const seconds = (Date.now() - begun) / 1000;
    expect(summary.bytes).toBe(bytes);
    expect(summary.parameters).toBe(shape.layers * 2 * shape.dModel * shape.dFf);
    expect(summary.groups.map(({ layers, dModel, dFf }) => ({ layers, dModel, dFf }))).toEqual([shape]);
    await studio.page.waitForTimeout(settleMs);
    const growth = highest - before;
    console.log(
      `  ${(bytes / 1e9).toFixed(2)} GB opened in ${seconds.toFixed(1)} s, renderers grew by ${(growth / 1e6).toFixed(0)} MB`,
    );
    expect(growth).toBeLessThan(limit);
    expect(studio.consoleErrors).toEqual([]);
  } finally {
    clearInterval(sampler);
    await studio.close();
    rmSync(path, { force: true });
  }
});
