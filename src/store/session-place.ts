/**
 * Where the session is kept: IndexedDB in the page, anything else in tests; and the writer that keeps it up to date.
 *
 * Why IndexedDB: matrices and permutations outgrow localStorage, and it clones typed arrays as they are.
 */
import { createStore, del, get, set } from 'idb-keyval';
import { isMemoryFailure } from '../worker/platform-errors.ts';
import type { SessionSnapshot } from './session.ts';

export interface SessionPlace {
  /** What was kept, unchecked; undefined where nothing was, or where nothing may be kept. */
  load(): Promise<unknown>;
  /** @throws Error with a sentence where it cannot be kept */
  save(snapshot: SessionSnapshot): Promise<void>;
  clear(): Promise<void>;
}

const KEY = 'session';

function whyNot(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: '', message: '' };
  if (name === 'QuotaExceededError')
    return 'this browser’s storage is full: delete what other sites keep in it, in its settings';
  return isMemoryFailure(message)
    ? 'there is not enough memory to copy it: close other tabs'
    : 'this browser does not let the page keep anything';
}

/** @param name of the database */
export function browserPlace(name = 'layerfold'): SessionPlace {
  const store = () => createStore(name, 'kept');
  let opened: ReturnType<typeof store> | undefined;
  // Opened when first used: storage may be forbidden, which then is said where it matters.
  const place = () => {
    opened ??= store();
    return opened;
  };
  return {
    async load() {
      try {
        return await get(KEY, place());
      } catch {
        return undefined;
      }
    },
    async save(snapshot) {
      try {
        await set(KEY, snapshot, place());
      } catch (error) {
        throw new Error(
          `The session cannot be kept for a reload, because ${whyNot(error)}. Save the recipe and the report before you close the page.`,
          { cause: error },
        );
      }
    },
    async clear() {
      await del(KEY, place()).catch(() => {});
    },
  };
}

export interface SessionWriter {
  /** Something changed: writes soon, together with what changes until then. */
  touch(): void;
  /** Writes at once what is not written yet (the page is about to go). */
  flush(): Promise<void>;
}

/**
 * @param make the snapshot as things stand; null: nothing to keep
 * @param failed is told a sentence, once until a write succeeds again
 * @param wait milliseconds
 */
export function createSessionWriter(
  place: SessionPlace,
  make: () => Promise<SessionSnapshot | null>,
  failed: (sentence: string) => void,
  wait = 1000,
): SessionWriter {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dirty = false;
  let complained = false;
  /** One write after the other, so that an older one never ends last. */
  let writing: Promise<void> = Promise.resolve();
  const write = async () => {
    if (!dirty) return;
    dirty = false;
    try {
      const snapshot = await make();
      if (snapshot) await place.save(snapshot);
      complained = false;
    } catch (error) {
      if (!complained) failed(error instanceof Error ? error.message : String(error));
      complained = true;
    }
  };
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(write);
    return writing;
  };
  return {
    touch() {
      dirty = true;
      // Not put off again by every change: a sweep that never rests is kept too.
      timer ??= setTimeout(flush, wait);
    },
    flush,
  };
}
