/** How far the page is: which of the steps are done, and which one is next. Sweep, plan and recover are optional. */
import { mergeIsStale } from './merge.ts';
import type { Step, StudioFacts } from './types.ts';

export interface StepFacts {
  readonly id: Step;
  readonly name: string;
  /** As it stands before the heading. */
  readonly mark: string;
  /** Never waited for. */
  readonly optional?: boolean;
}

export const STEPS: readonly StepFacts[] = [
  { id: 'open', name: 'Open', mark: '1' },
  { id: 'calibrate', name: 'Calibrate', mark: '2' },
  { id: 'see', name: 'See', mark: '3' },
  { id: 'sweep', name: 'Sweep', mark: '3a', optional: true },
  { id: 'plan', name: 'Plan', mark: '3b', optional: true },
  { id: 'merge', name: 'Merge', mark: '4' },
  { id: 'recover', name: 'Recover', mark: '5', optional: true },
  { id: 'compare', name: 'Compare', mark: '6' },
  { id: 'download', name: 'Download', mark: '7' },
];

/** Steps done, as a space-separated string: the same for the same state, so that a selector may return it. */
export function doneSteps(state: StudioFacts): string {
  const { model, similarity, picks, sweeps, plan, merge, evaluation, status } = state;
  const done: Record<Step, boolean> = {
    open: model !== null,
    // Merging aligns pairs, and by weights needs no data: that is not measuring.
    calibrate: similarity.seconds !== null,
    see: picks.sets.length > 0,
    sweep: Object.values(sweeps).some(({ finished }) => finished !== null),
    plan: plan !== null,
    merge: merge.result !== null && !mergeIsStale(state),
    recover: (merge.asked?.recovery ?? []).length > 0,
    compare: evaluation !== null,
    download: status?.kind === 'saved',
  };
  return STEPS.filter(({ id }) => done[id])
    .map(({ id }) => id)
    .join(' ');
}

/** The step after the last that is done: what was passed over is not asked for again. */
export function nextStep(done: string): Step {
  const ids = done.split(' ');
  const last = STEPS.findLastIndex(({ id, optional }) => !optional && ids.includes(id));
  return STEPS.find(({ optional }, at) => !optional && at > last)?.id ?? 'download';
}
