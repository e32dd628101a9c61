/** How far the page is: which of the six steps are done, and which one is next. */
import { mergeIsStale } from './merge.ts';
import type { Step, StudioFacts } from './types.ts';

export const STEPS: readonly { readonly id: Step; readonly name: string }[] = [
  { id: 'open', name: 'Open' },
  { id: 'calibrate', name: 'Calibrate' },
  { id: 'see', name: 'See' },
  { id: 'merge', name: 'Merge' },
  { id: 'compare', name: 'Compare' },
  { id: 'download', name: 'Download' },
];

/** Steps done, as a space-separated string: the same for the same state, so that a selector may return it. */
export function doneSteps(state: StudioFacts): string {
  const { model, similarity, picks, merge, evaluation, status } = state;
  const done: Record<Step, boolean> = {
    open: model !== null,
    calibrate: Object.keys(similarity.byGroup).length > 0,
    see: picks.windows.length > 0,
    merge: merge.result !== null && !mergeIsStale(state),
    compare: evaluation !== null,
    download: status?.kind === 'saved',
  };
  return STEPS.filter(({ id }) => done[id])
    .map(({ id }) => id)
    .join(' ');
}

export function nextStep(done: string): Step {
  const ids = done.split(' ');
  return STEPS.find(({ id }) => !ids.includes(id))?.id ?? 'download';
}
