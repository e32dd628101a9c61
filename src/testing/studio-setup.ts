/** A store on the fake API and files that stay in memory: what the store's tests start from. */
import type { FileDoor } from '../store/context.ts';
import type { SessionPlace } from '../store/session-place.ts';
import { createStudioStore } from '../store/studio.ts';
import { createFakeApi, type FakeOptions } from './fake-api.ts';

export function studio(options: FakeOptions = {}, loadPlace?: () => Promise<SessionPlace>) {
  const api = createFakeApi(options);
  const fetched: string[] = [];
  const copied: string[] = [];
  const saved: { name: string; blob: Blob }[] = [];
  const door: FileDoor = {
    async fetchSample(sample, file) {
      fetched.push(`${sample}/${file}`);
      return new File(['x'], file);
    },
    choosePlace: async () => null,
    copyText: async (text) => {
      copied.push(text);
      return true;
    },
    browserName: () => 'Test Browser 1.0',
    pageAddress: () => 'https://example.org/layerfold/',
    saveAsLink: (blob, name) => saved.push({ name, blob }),
  };
  const store = createStudioStore(api, door, loadPlace);
  return { api, store, door, fetched, saved, copied, now: () => store.getState() };
}

export async function opened(options: FakeOptions = {}) {
  const all = studio(options);
  await all.now().openSample('shakespeare-gpt2');
  return all;
}

/** With the sample open and layers 4–7 merged. */
export async function merged(options: FakeOptions = {}) {
  const all = await opened(options);
  all.now().pickWindow(4, 7);
  await all.now().runMerge();
  return all;
}
