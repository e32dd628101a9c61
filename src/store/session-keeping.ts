/**
 * Keeps the session up to date while the page is open: a snapshot soon after results change, and when the page goes.
 *
 * Loaded after the page is painted. Windows that were scored are asked of the worker beside what runs, so that a sweep
 * is kept while it goes; the recipe is asked for between jobs only. A session that waits for its model is not written
 * over until something was made of another one. Known limits: what the last second brought may be lost where the page
 * is killed; of two pages the one that wrote last is kept.
 */
import type { StudioApi } from '../worker/api.ts';
import { type SessionSnapshot, sessionOf, worthKeeping } from './session.ts';
import { createSessionWriter, type SessionPlace } from './session-place.ts';
import type { StudioStore } from './studio.ts';
import type { MergeResult } from './types.ts';

/** The facts that are kept. */
const PARTS = [
  'model',
  'data',
  'similarity',
  'picks',
  'sweeps',
  'plan',
  'merge',
  'metric',
  'evaluation',
  'tried',
  'view',
] as const;

/** @returns what ends it, and what writes at once (for the page's end) */
export function keepSession(
  store: StudioStore,
  api: StudioApi,
  place: SessionPlace,
  wait?: number,
): { readonly flush: () => Promise<void>; readonly stop: () => void } {
  let recipe: { readonly of: MergeResult; readonly json: string } | null = null;

  const recipeNow = async (): Promise<string | null> => {
    const { job, merge } = store.getState();
    const { result, asked, held } = merge;
    if (!result) return null;
    if (recipe?.of === result) return recipe.json;
    if (job || asked === null || held !== asked) return null;
    try {
      const { json } = await api.recipe([]);
      recipe = { of: result, json };
      return json;
    } catch {
      // The plan is kept all the same, and brings the merge back with its data.
      return null;
    }
  };

  const make = async (): Promise<SessionSnapshot | null> => {
    const { model, job, session } = store.getState();
    if (!model || job?.step === 'open' || session.was?.stage === 'data') return null;
    if (!worthKeeping(store.getState())) return null;
    const identity = await api.identity().catch(() => null);
    // A worker that died, or a file that changed: that is told where it is used.
    if (!identity) return null;
    const { files, data } = identity;
    const sweepSeed = await api.sweepSeed().catch(() => null);
    const recipeJson = await recipeNow();
    const now = store.getState();
    // Another model was opened meanwhile: the hashes may be of either.
    if (now.model !== model || now.job?.step === 'open') return null;
    if (now.session.was?.stage === 'model') now.replaceSession();
    return sessionOf(now, {
      savedAt: Date.now(),
      files,
      dataKey: data?.key ?? null,
      sweepSeed,
      recipe: now.merge.result === null ? null : recipeJson,
      sample: now.session.sample,
    });
  };

  const writer = createSessionWriter(
    place,
    make,
    (sentence) => store.getState().refuseFiles('open', sentence),
    wait,
  );
  const stop = store.subscribe((now, before) => {
    const changed = PARTS.some((part) => now[part] !== before[part]);
    if (changed || (before.job && !now.job)) writer.touch();
  });
  return { flush: () => writer.flush(), stop };
}
