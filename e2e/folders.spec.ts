/** A model that comes as a folder of several files: its files told apart, windows picked in both stacks. */
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { projectRoot } from './server.ts';
import { launchStudio } from './studio.ts';

const folder = join(projectRoot, 'src/testing/models/marian-pair');

test('a folder of encoder and decoder opens whole, and both stacks can be picked', async () => {
  const studio = await launchStudio({ gpu: 'off' });
  try {
    const { page } = studio;
    const input = page.getByLabel('Model folder', { exact: true });
    await input.setInputFiles(folder);
    const files = page.getByRole('list', { name: 'Opened files', exact: true }).getByRole('listitem');
    await expect(files).toHaveCount(3);
    await expect(files.nth(0)).toContainText('encoder_model.onnx');
    await expect(files.nth(0)).toContainText('Encoder');
    await expect(files.nth(1)).toContainText('decoder_model.onnx');
    await expect(files.nth(2)).toContainText('Decoder with a cache');

    const [encoder, decoder] = (await studio.summary()).groups.map(({ name }) => name);
    await studio.pickWindow(0, 1, encoder);
    await studio.pickWindow(0, 1, decoder);
    const picked = page.getByRole('list', { name: 'Picked windows', exact: true }).getByRole('listitem');
    await expect(picked.nth(0)).toContainText('of encoder');
    await expect(picked.nth(1)).toContainText('of decoder');

    const formats = page.getByRole('radiogroup', { name: 'File format', exact: true });
    await formats.getByRole('radio', { name: 'ONNX', exact: true }).focus();
    await page.keyboard.press('ArrowDown');
    await expect(page.getByRole('button', { name: 'Download half precision', exact: true })).toBeVisible();
    await expect(page.getByRole('region', { name: 'Download', exact: true })).toContainText(
      'model-float16.zip',
    );
    expect(await studio.errors()).toEqual([]);

    // Last: Playwright cannot fill an input whose chooser it holds open.
    // Listening begins in the browser a message later: a key pressed before that opens a chooser that nobody sees.
    await expect(async () => {
      await input.focus();
      const chooser = page.waitForEvent('filechooser', { timeout: 5000 });
      await page.evaluate(() => document.activeElement?.id);
      await page.keyboard.press('Enter');
      await chooser;
    }).toPass({ timeout: 40_000 });
  } finally {
    await studio.close();
  }
});
