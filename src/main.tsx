/** Starts the page: the shell is painted first, and only then is the worker loaded and the machine probed. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { browserFiles } from './store/files.ts';
import { createWorkerApi } from './store/lazy-api.ts';
import { parameters } from './store/parameters.ts';
import { browserPage, startServiceWorker } from './store/service-worker.ts';
import { createStudioStore } from './store/studio.ts';
import { followTheme } from './store/theme.ts';
import { App } from './ui/app.tsx';

const root = document.getElementById('root');
if (!root) throw new Error('The page has no #root to render into.');

const store = createStudioStore(createWorkerApi(parameters().threads), browserFiles);
followTheme(store);
createRoot(root).render(
  <StrictMode>
    <App store={store} />
  </StrictMode>,
);

// Two frames: the first has painted by the time the second is asked for.
requestAnimationFrame(() => requestAnimationFrame(() => void store.getState().probe(parameters().gpu)));
// Only what was built has one: sources served by Vite change under it.
if (import.meta.env.PROD) void startServiceWorker(store, browserPage());
