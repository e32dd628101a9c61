/**
 * The service worker: gives every answer the headers of isolation and of the content policy, so that threads work on
 * hosts that send none and the policy holds in workers too (a page's <meta> does not reach them), and opens the page
 * without a network.
 *
 * A new version waits until no page of the old one is open, or until the only one has just been loaded, asks for it,
 * and loads again. Nobody's work is ever interrupted.
 */
import type { FromServiceWorker, OfflinePlan, Part, ToServiceWorker } from './plan.ts';
import { createShelf } from './shelf.ts';

declare const self: ServiceWorkerGlobalScope;
/** Replaced by the build. */
declare const __LAYERFOLD_OFFLINE_PLAN__: OfflinePlan;

const { scope } = self.registration;
const shelf = createShelf(__LAYERFOLD_OFFLINE_PLAN__, {
  scope,
  cache: () => caches.open(`layerfold ${scope}`),
  fetch: (request) => fetch(request),
});

// Without room it still isolates the page: only opening without a network is lost.
self.addEventListener('install', (event) => event.waitUntil(shelf.keep(['page'])));

// The page of a first visit is taken over as well.
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('message', (event) => {
  const message = event.data as ToServiceWorker;
  event.waitUntil(message.type === 'take-over' ? takeOver() : keep(message.parts, event.source));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method === 'GET' && request.url.startsWith(scope)) event.respondWith(shelf.answer(request));
});

/** Pages open, of any version. */
async function pages(): Promise<number> {
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return windows.filter(({ url }) => url.startsWith(scope)).length;
}

/** A page that is just being loaded again is not counted for a moment: so it is asked twice. */
async function takeOver(): Promise<void> {
  if ((await pages()) > 1) return;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  if ((await pages()) <= 1) await self.skipWaiting();
}

async function keep(parts: readonly Part[], page: ExtendableMessageEvent['source']): Promise<void> {
  try {
    // Alone, the page that asks is of this version: nobody needs the files of another.
    if ((await pages()) <= 1) await shelf.clean();
    // The page itself comes first: a first visit may have found no room for it.
    const all = await shelf.keep(['page', ...parts]);
    if (!all) page?.postMessage({ type: 'no-room' } satisfies FromServiceWorker);
  } catch {
    // Without a network there is nothing to keep; the next visit asks again.
  }
}
