/**
 * Storage that is full and memory that runs out, each made to fail where the browser would: a sentence says what to do,
 * what was made stays, and the next try works.
 */
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';
import { quickModel } from './support/quick-model.ts';

test('storage that is full and memory that runs out are told with a remedy, and work goes on', async () => {
  const studio = await launchStudio({ gpu: 'off' });
  const { page } = studio;
  const inWorkers = (fault: () => void) =>
    Promise.all(page.workers().map((worker) => worker.evaluate(fault)));
  try {
    await studio.openModel(quickModel());

    // The heap of the runtime cannot grow; what it throws of that is a bare number.
    await inWorkers(() => {
      const { prototype } = WebAssembly.Memory;
      const { grow } = prototype;
      prototype.grow = () => {
        throw new RangeError('WebAssembly.Memory.grow(): Unable to grow instance memory');
      };
      Object.assign(self, { mend: () => Object.assign(prototype, { grow }) });
    });
    await expect(studio.measure()).rejects.toThrow(
      /^There was not enough memory to .*: the runtime can use at most 4 GB\. Close other tabs/,
    );
    await inWorkers(() => (self as unknown as { mend(): void }).mend());
    await studio.measure();
    const measured = await studio.similarity('cka');

    // No room for the session when picks change: told once, and no job fails for it.
    await studio.pickWindow(1, 4);
    await page.evaluate(() => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException('The quota has been exceeded.', 'QuotaExceededError');
      };
    });
    await page.getByRole('button', { name: 'Undo', exact: true }).click();
    const alert = page.getByRole('alert').filter({ hasText: 'storage is full' });
    await expect(alert).toContainText('Save the recipe and the report before you close the page.', {
      timeout: 30_000,
    });
    await alert.getByRole('button', { name: 'Dismiss', exact: true }).click();

    await page.getByRole('button', { name: 'Redo', exact: true }).click();

    // One allocation fails where the weights are read.
    await inWorkers(() => {
      const { prototype } = Blob;
      const { arrayBuffer } = prototype;
      prototype.arrayBuffer = async () => {
        prototype.arrayBuffer = arrayBuffer;
        throw new RangeError('Array buffer allocation failed');
      };
    });
    await expect(studio.merge()).rejects.toThrow(
      /^There was not enough memory for this step; what is shown stays\. Close other tabs/,
    );
    expect(await studio.similarity('cka')).toEqual(measured);
    expect((await studio.merge()).bytesSaved).toBeGreaterThan(0);
    expect((await studio.evaluate()).merged).toBeGreaterThan(0);
    expect(await studio.errors()).toEqual([]);
  } finally {
    await studio.close();
  }
});
