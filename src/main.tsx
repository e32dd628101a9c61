/** Starts the page: the shell is painted first, and only then is the worker loaded and the machine probed. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { browserFiles } from './store/files.ts';
import { createWorkerApi } from './store/lazy-api.ts';
import { parameters } from './store/parameters.ts';
import { browserPage, startServiceWorker } from './store/service-worker.ts';
import type { SessionPlace } from './store/session-place.ts';
import { createStudioStore } from './store/studio.ts';
import { followTheme } from './store/theme.ts';
import { App } from './ui/app.tsx';

const root = document.getElementById('root');
if (!root) throw new Error('The page has no #root to render into.');

const api = createWorkerApi(parameters().threads);
let place: Promise<SessionPlace> | null = null;
const loadPlace = () => {
  place ??= import('./store/session-place.ts').then(({ browserPlace }) => browserPlace());
  return place;
};
const store = createStudioStore(api, browserFiles, loadPlace);
followTheme(store);
createRoot(root).render(
  <StrictMode>
    <App store={store} />
  </StrictMode>,
);

// Two frames: the first has painted by the time the second is asked for.
requestAnimationFrame(() =>
  requestAnimationFrame(() => {
    void store.getState().probe(parameters().gpu);
    void store.getState().takeLink(location.hash);
    void keepSessions();
  }),
);
window.addEventListener('hashchange', () => void store.getState().takeLink(location.hash));
// A link that was answered does not ask again after a reload.
store.subscribe(({ recipe }, before) => {
  if (before.recipe.asking?.from === 'link' && !recipe.asking)
    history.replaceState(null, '', location.pathname + location.search);
});

async function keepSessions(): Promise<void> {
  await store.getState().lookForSession();
  const { keepSession } = await import('./store/session-keeping.ts');
  const { flush } = keepSession(store, api, await loadPlace());
  window.addEventListener('pagehide', () => void flush());
}

// Only what was built has one: sources served by Vite change under it.
if (import.meta.env.PROD) void startServiceWorker(store, browserPage());
