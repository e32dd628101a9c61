/** What is not a model ends in a sentence; the page stays usable and the model that was open stays open. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { launchStudio, type Studio } from './studio.ts';
import { dynamoModel } from './support/fixtures.ts';
import { scratchFolder } from './support/scratch.ts';

const folder = scratchFolder();

/** A real PNG of one pixel. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const model = readFileSync(dynamoModel('digits-vit'));

const inputs: readonly { readonly what: string; readonly file: string; readonly bytes: Buffer }[] = [
  { what: 'an image', file: 'holiday.png', bytes: png },
  { what: 'an image named as a model', file: 'holiday.onnx', bytes: png },
  { what: 'an empty file', file: 'empty.onnx', bytes: Buffer.alloc(0) },
  { what: 'a truncated model', file: 'truncated.onnx', bytes: model.subarray(0, model.length >> 1) },
  { what: 'a model cut in its first bytes', file: 'stub.onnx', bytes: model.subarray(0, 40) },
  { what: 'a text file', file: 'notes.txt', bytes: Buffer.from('Not a model, only words.\n'.repeat(20)) },
  {
    what: 'text named as a model',
    file: 'notes.onnx',
    bytes: Buffer.from('Not a model, only words.\n'.repeat(20)),
  },
];

test.describe('bad input', () => {
  let studio: Studio;
  test.beforeAll(async () => {
    studio = await launchStudio({ gpu: 'off' });
    await studio.openSample('digits-vit');
  });
  test.afterAll(() => studio?.close());

  for (const { what, file, bytes } of inputs) {
    test(`${what} gives a sentence and keeps the open model`, async () => {
      const before = await studio.summary();
      const path = join(folder, file);
      writeFileSync(path, bytes);
      await expect(studio.openModel([path])).rejects.toThrow(/\S+ \S+/);
      const [sentence, ...more] = await studio.errors();
      expect(more).toEqual([]);
      expect(sentence, 'a sentence for people').toMatch(/^[A-Z“‘"'].{15,400}[.!]$/s);
      expect(sentence).not.toMatch(/undefined|null|NaN|\[object|TypeError|RangeError|at .*:\d+:\d+/);
      expect(await studio.summary()).toEqual(before);
      expect(studio.consoleErrors).toEqual([]);
    });
  }

  test('a file dropped on the page is opened as well as a picked one', async () => {
    const { page } = studio;
    const transfer = await page.evaluateHandle(
      (bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], 'holiday.png', { type: 'image/png' }));
        return data;
      },
      [...png],
    );
    const input = page.getByLabel('Model files', { exact: true });
    for (const kind of ['dragenter', 'dragover', 'drop']) {
      // From the input upwards: the zone is whatever holds it.
      await input.dispatchEvent(kind, { dataTransfer: transfer });
    }
    await expect(page.getByRole('alert')).toHaveCount(1);
    expect((await studio.summary()).groups).toHaveLength(1);
  });

  test('the page is usable afterwards', async () => {
    await studio.openSample('shakespeare-gpt2');
    expect(await studio.errors()).toEqual([]);
    expect((await studio.summary()).groups[0].dModel).toBe(128);
  });
});
