/** What the service worker keeps, gives and drops, over a cache and a network of our own. */
import { expect, test } from 'vitest';
import type { OfflinePlan } from './plan.ts';
import { createShelf } from './shelf.ts';

const scope = 'https://host.example/some/where/';
const headers = { 'Cross-Origin-Embedder-Policy': 'require-corp' };

function planOf(hash: string): OfflinePlan {
  const files = [
    { path: 'index.html', hash, part: 'page' },
    { path: 'assets/page-1a.js', hash: '1a', part: 'page' },
    { path: 'assets/runtime.wasm', hash: '2b', part: 'cpu' },
    { path: 'samples/a b/model.onnx', hash: '3c', part: 'sample' },
  ] as const;
  return { files, headers };
}

/** A cache by address, and a host that answers with the path until it is switched off. */
function tools() {
  const kept = new Map<string, Response>();
  const asked: string[] = [];
  const host = { on: true, status: 200 };
  const storage = { full: false, forbidden: false };
  const addressOf = (key: RequestInfo | URL) => (key instanceof Request ? key.url : String(key));
  const cache = {
    match: async (key: RequestInfo | URL, { ignoreSearch }: CacheQueryOptions = {}) => {
      const found = ignoreSearch ? [...kept.keys()].find((url) => url.split('?')[0] === key) : addressOf(key);
      return kept.get(found ?? '')?.clone();
    },
    put: async (key: RequestInfo | URL, response: Response) => {
      if (storage.full) throw new DOMException('Quota exceeded.', 'QuotaExceededError');
      kept.set(addressOf(key), response);
    },
    keys: async () => [...kept.keys()].map((url) => new Request(url)),
    delete: async (key: RequestInfo | URL) => kept.delete(addressOf(key)),
  };
  return {
    kept,
    asked,
    host,
    storage,
    scope,
    cache: async () => {
      if (storage.forbidden) throw new DOMException('The operation is insecure.', 'SecurityError');
      return cache;
    },
    fetch: async ({ url }: Request) => {
      if (!host.on) throw new TypeError('no network');
      asked.push(url.slice(scope.length));
      return new Response(`at ${url}`, { status: host.status, headers: { Vary: 'Origin' } });
    },
  };
}

const request = (path: string) => new Request(scope + path);

test('the page is kept at once, the rest when it is asked for; every answer has the headers', async () => {
  const site = tools();
  const shelf = createShelf(planOf('v1'), site);
  await shelf.keep(['page']);
  expect(site.asked.sort()).toEqual(['assets/page-1a.js', 'index.html']);
  await shelf.answer(request('samples/a%20b/model.onnx'));
  site.host.on = false;
  for (const path of ['', 'index.html', '?gpu=off', 'assets/page-1a.js', 'samples/a%20b/model.onnx']) {
    const answer = await shelf.answer(request(path));
    expect(answer.headers.get('Cross-Origin-Embedder-Policy'), path).toBe('require-corp');
    expect(await answer.text()).toContain(scope);
  }
  await expect(shelf.answer(request('assets/runtime.wasm'))).rejects.toThrow('no network');
  await expect(shelf.answer(request('elsewhere'))).rejects.toThrow('no network');
});

test('what is no file of the site passes with the headers and is not kept', async () => {
  const site = tools();
  const answer = await createShelf(planOf('v1'), site).answer(request('elsewhere'));
  expect(answer.headers.get('Cross-Origin-Embedder-Policy')).toBe('require-corp');
  expect(site.kept.size).toBe(0);
});

test('a host’s word in place of a file is not kept for it', async () => {
  const site = tools();
  site.host.status = 503;
  const shelf = createShelf(planOf('v1'), site);
  expect((await shelf.answer(request('assets/runtime.wasm'))).status).toBe(503);
  await expect(shelf.keep(['page'])).rejects.toThrow('503');
  expect(site.kept.size).toBe(0);
});

test('a new version fetches what changed, gives what a page of the old still asks for, and drops that last', async () => {
  const site = tools();
  await createShelf(planOf('v1'), site).keep(['page', 'cpu']);
  site.asked.length = 0;
  const { files } = planOf('v2');
  const next = createShelf({ headers, files: files.filter(({ hash }) => hash !== '2b') }, site);
  await next.keep(['page', 'cpu']);
  expect(site.asked).toEqual(['index.html']);
  site.host.on = false;
  expect(await (await next.answer(request('assets/runtime.wasm'))).text()).toContain('runtime.wasm');
  await next.clean();
  await expect(next.answer(request('assets/runtime.wasm'))).rejects.toThrow('no network');
  expect([...site.kept.keys()].map((url) => url.slice(scope.length)).sort()).toEqual([
    'assets/page-1a.js?kept=1a',
    'index.html?kept=v2',
  ]);
});

test('a storage that is full or forbidden: said, and the files come from the network', async () => {
  const site = tools();
  const shelf = createShelf(planOf('v1'), site);
  site.storage.full = true;
  expect(await shelf.keep(['page', 'cpu'])).toBe(false);
  const answer = await shelf.answer(request('assets/runtime.wasm'));
  expect(await answer.text()).toContain('runtime.wasm');
  expect(site.kept.size).toBe(0);
  site.storage.forbidden = true;
  for (const path of ['', 'assets/page-1a.js', 'elsewhere'])
    expect((await shelf.answer(request(path))).headers.get('Cross-Origin-Embedder-Policy')).toBe(
      'require-corp',
    );
  await expect(shelf.keep(['page'])).rejects.toThrow('insecure');
  Object.assign(site.storage, { full: false, forbidden: false });
  expect(await shelf.keep(['page', 'cpu'])).toBe(true);
  expect(site.kept.size).toBe(3);
});
