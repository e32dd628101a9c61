/** The store: the facts of the page and the actions on them, composed from one slice a file. No React in here. */
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { StudioApi } from '../worker/api.ts';
import { initialFacts } from './facts.ts';
import { createErrorList, createJobRunner } from './jobs.ts';
import { createMergeActions } from './merge.ts';
import { createOpenActions } from './open.ts';
import { createSeeActions } from './see.ts';
import type { FileDoor, SliceContext, StudioState } from './types.ts';
import { createWindowActions } from './windows.ts';

export type StudioStore = StoreApi<StudioState>;

export function createStudioStore(api: StudioApi, files: FileDoor): StudioStore {
  return createStore<StudioState>()((setState, get) => {
    const set = (part: Partial<StudioState>) => setState(part);
    const fail = createErrorList(set, get);
    const jobs = createJobRunner(set, get, fail);
    const context: SliceContext = { api, files, set, get, jobs, fail };
    return {
      ...initialFacts,
      ...createOpenActions(context),
      ...createSeeActions(context),
      ...createWindowActions(context),
      ...createMergeActions(context),
      cancel: () => jobs.cancel(),
      dismiss: (id) => set({ errors: get().errors.filter((error) => error.id !== id) }),
      setTheme: (theme) => set({ view: { ...get().view, theme } }),
    };
  });
}
