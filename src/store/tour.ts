/**
 * The guided tour: a few steps, each of which waits for something to be true of the page, not for time to pass. Where
 * the tour stands is not kept but read off the facts (the first step that is neither done nor skipped), so that it
 * follows whatever the person does, also out of order or back.
 */
import type { SliceContext } from './context.ts';
import { mergeIsStale } from './merge.ts';
import type { Step, StudioActions, StudioFacts, TourStepId } from './types.ts';

export interface TourStep {
  readonly id: TourStepId;
  /** The section of the page that it is about. */
  readonly section: Step;
  readonly done: (state: StudioFacts) => boolean;
}

export const TOUR: readonly TourStep[] = [
  { id: 'open', section: 'open', done: ({ model }) => (model?.groups.length ?? 0) > 0 },
  {
    id: 'measure',
    section: 'calibrate',
    done: ({ similarity }) => Object.keys(similarity.byGroup).length > 0 && similarity.seconds !== null,
  },
  { id: 'pick', section: 'see', done: ({ picks }) => picks.sets.length > 0 },
  { id: 'merge', section: 'merge', done: (state) => state.merge.result !== null && !mergeIsStale(state) },
  { id: 'recover', section: 'recover', done: ({ recover }) => (recover.run?.result ?? null) !== null },
  { id: 'compare', section: 'compare', done: ({ evaluation }) => evaluation !== null },
  { id: 'download', section: 'download', done: ({ saveAs }) => saveAs.saved !== null },
];

/** Where the tour stands: a place in `TOUR`, its length at the end, null where it does not run. */
export function tourPlace(state: StudioFacts): number | null {
  const { running, skipped } = state.tour;
  if (!running) return null;
  const place = TOUR.findIndex(({ id, done }) => !skipped.includes(id) && !done(state));
  return place < 0 ? TOUR.length : place;
}

type TourActions = Pick<StudioActions, 'startTour' | 'skipTourStep' | 'endTour'>;

export function createTourActions({ set, get }: SliceContext): TourActions {
  return {
    startTour() {
      const { recover } = get();
      set({
        tour: { running: true, skipped: [] },
        // Two rungs that take seconds, where the whole ladder would take its minutes.
        ...(recover.run === null && {
          recover: { ...recover, choice: { ...recover.choice, mode: 'chosen', rungs: ['R2', 'R3'] } },
        }),
      });
    },

    skipTourStep() {
      const place = tourPlace(get());
      if (place === null || place === TOUR.length) return;
      const { tour } = get();
      set({ tour: { ...tour, skipped: [...tour.skipped, TOUR[place].id] } });
    },

    endTour: () => set({ tour: { running: false, skipped: [] } }),
  };
}
