/** IndexedDB in the browser: what is kept comes back as it was, over connections. */
import { expect, test } from 'vitest';
import type { SessionSnapshot } from './session.ts';
import { browserPlace } from './session-place.ts';

test('keeps typed arrays and NaN, until it is cleared', async () => {
  const name = `test-${crypto.randomUUID()}`;
  expect(await browserPlace(name).load()).toBeUndefined();
  const snapshot = { version: 1, values: Float64Array.of(1, Number.NaN, 3) } as unknown as SessionSnapshot;
  await browserPlace(name).save(snapshot);
  const loaded = await browserPlace(name).load();
  expect(loaded).toEqual(snapshot);
  expect((loaded as { values: unknown }).values).toBeInstanceOf(Float64Array);
  await browserPlace(name).clear();
  expect(await browserPlace(name).load()).toBeUndefined();
  indexedDB.deleteDatabase(name);
});

test('says it in a sentence where nothing can be kept', async () => {
  const place = browserPlace(`test-${crypto.randomUUID()}`);
  const snapshot = { run: () => 1 } as unknown as SessionSnapshot;
  await expect(place.save(snapshot)).rejects.toThrow(
    'The session cannot be kept for a reload, because this browser does not let the page keep anything. Save the recipe and the report before you close the page.',
  );
});
