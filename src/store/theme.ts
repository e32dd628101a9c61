/** Light or dark: the system's choice until the person makes one, which is then remembered. */
import type { StudioStore } from './studio.ts';
import type { Theme } from './types.ts';

const KEY = 'layerfold-theme';

function remembered(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null; // Storage may be forbidden; the system's choice then holds.
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Forbidden: the choice holds until the page is closed.
  }
}

/** Keeps `<html data-theme>` and the store in step. Call once, before the first paint. */
export function followTheme(store: StudioStore): void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const ofSystem = (): Theme => (system.matches ? 'dark' : 'light');
  let following = remembered() === null;
  const apply = () => {
    document.documentElement.dataset.theme = store.getState().view.theme;
  };
  store.getState().setTheme(remembered() ?? ofSystem());
  apply();
  let setting = false;
  system.addEventListener('change', () => {
    if (!following) return;
    setting = true;
    store.getState().setTheme(ofSystem());
    setting = false;
  });
  store.subscribe((state, before) => {
    if (state.view.theme === before.view.theme) return;
    apply();
    if (setting) return;
    following = false;
    remember(state.view.theme);
  });
}
