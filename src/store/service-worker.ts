/**
 * Starts the service worker of the built page (src/offline/): isolation on hosts that send no headers, and opening
 * without a network.
 *
 * A page's first visit to such a host is not isolated, so threads do not work in it. It loads again, once, when the
 * service worker has taken over and nobody has touched the page yet; otherwise it goes on with one thread, and the
 * next visit is isolated. Without service workers (plain http, some private windows) it stays so; the engine's summary
 * tells the reason.
 */
import type { FromServiceWorker, Part, ToServiceWorker } from '../offline/plan.ts';
import type { StudioStore } from './studio.ts';

/** What it is told by and does to the browser; tests give their own. */
export interface PageDoor {
  readonly isolated: boolean;
  readonly hostname: string;
  /** Absent where the browser offers none here. */
  readonly workers:
    | Pick<ServiceWorkerContainer, 'controller' | 'register' | 'ready' | 'addEventListener'>
    | undefined;
  /** Survives loading again, and not the tab. Null where it is blocked: then nothing is loaded again. */
  readonly memory: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;
  /** True once somebody pressed, typed or dragged something into the page. */
  touched(): boolean;
  reload(): void;
  /** Calls when there is time. */
  whenIdle(act: () => void): void;
}

const tried = 'layerfold:loaded-again';

const NO_ROOM =
  'The page cannot be opened without a network the next time, because this browser’s storage is full: delete what other sites keep in it, in its settings, and load the page again. Everything else works.';

export async function startServiceWorker(store: StudioStore, page: PageDoor): Promise<void> {
  const { workers, memory } = page;
  if (page.isolated) memory?.removeItem(tried);
  if (!workers) return;
  // The project's own server sends the headers, and its port is soon another project's.
  const local = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(page.hostname);
  if (local && page.isolated && !workers.controller) return;
  try {
    const { waiting } = await workers.register('./sw.js', { scope: './', updateViaCache: 'none' });
    // A new version came during the visit before.
    if (waiting && isFresh(store, page)) {
      const taken = takenOver(workers);
      waiting.postMessage({ type: 'take-over' } satisfies ToServiceWorker);
      if ((await taken) && loadAgain(store, page)) return;
    }
    const { active } = await workers.ready;
    if (!workers.controller) await takenOver(workers);
    if (!page.isolated && loadAgain(store, page)) return;
    workers.addEventListener('message', ({ data }) => {
      if ((data as FromServiceWorker | null)?.type === 'no-room')
        store.getState().refuseFiles('open', NO_ROOM);
    });
    afterProbe(store, () => page.whenIdle(() => keep(active, partsFor(store))));
  } catch {
    // Blocked, or without a network on a first visit: the page works without.
  }
}

/** Nobody has touched the page, and there is no work in it. */
function isFresh(store: StudioStore, { touched }: PageDoor): boolean {
  const { model, job, errors } = store.getState();
  return !touched() && !model && !job && errors.length === 0;
}

/** True where the page is loaded again: at most once in a row, and only a fresh one. */
function loadAgain(store: StudioStore, page: PageDoor): boolean {
  const { memory, reload } = page;
  if (!memory || memory.getItem(tried) || !isFresh(store, page)) return false;
  memory.setItem(tried, '1');
  reload();
  return true;
}

/**
 * Whether another service worker takes hold of this page, soon. It need not: a page loaded past it (Shift and reload)
 * stays without, and a new version leaves the pages of the old alone.
 */
function takenOver(workers: NonNullable<PageDoor['workers']>): Promise<boolean> {
  return new Promise((resolve) => {
    workers.addEventListener('controllerchange', () => resolve(true), { once: true });
    setTimeout(() => resolve(false), 15_000);
  });
}

/** The engine decides which runtime this machine needs. */
function afterProbe(store: StudioStore, act: () => void): void {
  const decided = () => ['ready', 'failed'].includes(store.getState().engine.status);
  if (decided()) {
    act();
    return;
  }
  const stop = store.subscribe(() => {
    if (!decided()) return;
    stop();
    act();
  });
}

function partsFor(store: StudioStore): Part[] {
  return store.getState().engine.summary?.inference === 'webgpu' ? ['cpu', 'gpu'] : ['cpu'];
}

function keep(worker: ServiceWorker | null, parts: Part[]): void {
  worker?.postMessage({ type: 'keep', parts } satisfies ToServiceWorker);
}

/** The door to this browser. */
export function browserPage(): PageDoor {
  let touches = 0;
  for (const kind of ['pointerdown', 'keydown', 'dragenter'])
    addEventListener(kind, () => touches++, { capture: true, once: true });
  let memory: Storage | null = null;
  try {
    memory = sessionStorage;
  } catch {
    // Blocked by the browser's settings.
  }
  const saving = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true;
  return {
    isolated: crossOriginIsolated,
    hostname: location.hostname,
    workers: (navigator as Partial<Navigator>).serviceWorker,
    memory,
    touched: () => touches > 0,
    reload: () => location.reload(),
    whenIdle: (act) => {
      if (saving) return;
      if ('requestIdleCallback' in window) requestIdleCallback(() => act());
      else setTimeout(act, 2_000);
    },
  };
}
