/** The store: the facts of the page and the actions on them, composed from one slice a file. No React in here. */
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { StudioApi } from '../worker/api.ts';
import { createCompareActions } from './compare.ts';
import type { FileDoor, SliceContext } from './context.ts';
import { createDownloadActions } from './download.ts';
import { createExampleActions } from './examples.ts';
import { initialFacts } from './facts.ts';
import { createHistoryActions, createHistoryKeeper } from './history.ts';
import { createErrorList, createJobRunner } from './jobs.ts';
import { createMergeActions } from './merge.ts';
import { createOpenActions } from './open.ts';
import { createPlanActions } from './plan.ts';
import { createRecipeActions } from './recipe.ts';
import { createRecoverActions } from './recover.ts';
import { createReportActions } from './report-save.ts';
import { createSeeActions } from './see.ts';
import { createSessionKeeper } from './session-keeper.ts';
import type { SessionPlace } from './session-place.ts';
import { createSetActions, createSetsChange } from './sets.ts';
import { createSweepActions } from './sweep.ts';
import { createTourActions } from './tour.ts';
import type { StudioState } from './types.ts';
import { createVariantKeeper } from './variant.ts';

export type StudioStore = StoreApi<StudioState>;

/** @param loadPlace where the session is kept; absent: nowhere */
export function createStudioStore(
  api: StudioApi,
  files: FileDoor,
  loadPlace?: () => Promise<SessionPlace>,
): StudioStore {
  const store = createStore<StudioState>()((setState, get) => {
    const set = (part: Partial<StudioState>) => setState(part);
    const fail = createErrorList(set, get);
    const jobs = createJobRunner(set, get, fail, () => void context.session.engineStopped());
    const tools = { api, files, set, get, jobs, fail };
    const variant = createVariantKeeper(tools);
    const context: SliceContext = {
      ...tools,
      variant,
      session: createSessionKeeper(tools, variant, loadPlace),
      changeSets: createSetsChange(tools),
    };
    return {
      ...initialFacts,
      ...createOpenActions(context),
      ...createSeeActions(context),
      ...createSetActions(context),
      ...createSweepActions(context),
      ...createPlanActions(context),
      ...createMergeActions(context),
      ...createRecoverActions(context),
      ...createCompareActions(context),
      ...createExampleActions(context),
      ...createDownloadActions(context),
      ...createTourActions(context),
      ...createRecipeActions(context),
      ...createReportActions(context),
      ...createHistoryActions(context),
      lookForSession: () => context.session.look(),
      forgetSession: () => context.session.forget(),
      replaceSession: () => context.session.replaced(),
      cancel: () => jobs.cancel(),
      dismiss: (id) => set({ errors: get().errors.filter((error) => error.id !== id) }),
      setTheme: (theme) => set({ view: { ...get().view, theme } }),
    };
  });
  store.subscribe(createHistoryKeeper((part) => store.setState(part)));
  return store;
}
