/**
 * The service worker: gives every answer the headers of isolation and of the content policy, so that threads work on
 * hosts that send none and the policy holds in workers too (a page's <meta> does not reach them), and opens the page
 * without a network.
 *
 * A new version waits until no page of the old one is open. A page that is alone and loads again is no longer needed:
 * it is answered by the new version. Nobody's work is ever interrupted.
 */
import type { OfflinePlan, ToServiceWorker } from './plan.ts';
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

self.addEventListener('install', (event) => event.waitUntil(shelf.keep(['page'])));

self.addEventListener('activate', (event) =>
  event.waitUntil(
    // The page of a first visit is taken over as well.
    shelf.clean().then(() => self.clients.claim()),
  ),
);

self.addEventListener('message', (event) => {
  const message = event.data as ToServiceWorker;
  if (message.type === 'take-over') event.waitUntil(self.skipWaiting());
  // Without a network there is nothing to keep; the next visit asks again.
  else event.waitUntil(shelf.keep(message.parts).catch(() => undefined));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(scope)) return;
  event.respondWith(request.mode === 'navigate' ? navigate(request) : shelf.answer(request));
});

/** A page that loads. The one before it in the same tab still counts as open. */
async function navigate(request: Request): Promise<Response> {
  const { waiting } = self.registration;
  if (waiting && (await self.clients.matchAll({ type: 'window' })).length <= 1) {
    waiting.postMessage({ type: 'take-over' } satisfies ToServiceWorker);
    return new Response('', { headers: { Refresh: '0', 'Content-Type': 'text/html' } });
  }
  return shelf.answer(request);
}
