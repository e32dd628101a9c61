/**
 * Where a paused tuning outlives the page: IndexedDB, in a database of its own beside the session's, so that forgetting
 * the session and losing a large checkpoint to a full disk are two things.
 */
import { createStore, del, get, set } from 'idb-keyval';
import type { TunePlace } from '../pipeline/tune-checkpoint.ts';

const KEY = 'tuning';

/** @param name of the database */
export function tunePlace(name = 'layerfold-tuning'): TunePlace {
  let opened: ReturnType<typeof createStore> | undefined;
  // Opened when first used: storage may be forbidden.
  const place = () => {
    opened ??= createStore(name, 'kept');
    return opened;
  };
  return {
    load: () => attempt(() => get(KEY, place())),
    save: (checkpoint) => attempt(() => set(KEY, checkpoint, place())),
    clear: () => attempt(() => del(KEY, place())),
  };
}

/** Without storage, or without room, a tuning goes on in this page only. */
async function attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch {
    return undefined;
  }
}
