/**
 * Undo and redo: of picks, merges, recipes and recovery, as moments of what they change.
 *
 * A moment is small: plans and results that are kept anyway. Going to one changes the page at once; the worker's variant
 * follows before it is next used (`variant.ts`), so that undoing a long run costs nothing. What one job changed is one
 * step. Known limits: options of the method are part of a moment, but changing one alone is no step; measurements are
 * never undone.
 */
import { recallScore } from './compare.ts';
import type { SliceContext } from './context.ts';
import type { StudioActions, StudioFacts } from './types.ts';

/** What undo brings back. */
export interface Moment {
  readonly picks: StudioFacts['picks'];
  readonly merge: Omit<StudioFacts['merge'], 'held'>;
  readonly recover: Omit<StudioFacts['recover'], 'choice' | 'paused'>;
}

const MOST = 100;

function momentOf({ picks, merge, recover }: StudioFacts): Moment {
  const { held: _, ...rest } = merge;
  return { picks, merge: rest, recover: { run: recover.run, history: recover.history } };
}

/** Whether a person would call it another state. */
function differs(a: Moment, b: Moment): boolean {
  return a.picks.sets !== b.picks.sets || a.merge.asked !== b.merge.asked;
}

/** Notes moments as they pass. @returns what the store's subscription calls after every change */
export function createHistoryKeeper(set: (part: Partial<StudioFacts>) => void) {
  let current: Moment | null = null;
  return (now: StudioFacts, before: StudioFacts): void => {
    const next = momentOf(now);
    // Undo and redo themselves, and another model, which comes with an empty history.
    const moved = now.history !== before.history;
    if (moved || before.job?.step === 'open' || current === null) {
      current = next;
      return;
    }
    if (now.job) return;
    const last = current;
    current = next;
    if (!differs(last, next)) return;
    const past = [...now.history.past, last].slice(-MOST);
    set({ history: { past, future: [] } });
  };
}

export function createHistoryActions(context: SliceContext): Pick<StudioActions, 'undo' | 'redo'> {
  const { set, get, changeSets } = context;
  const go = (moment: Moment, history: StudioFacts['history'], text: string) => {
    // Asks what they save, where that is not known; it also clears what nothing picked clears.
    if (moment.picks.saving === null) changeSets(moment.picks.sets);
    const { picks, merge, recover } = get();
    set({
      history,
      picks: moment.picks.saving === null ? picks : moment.picks,
      merge: { ...moment.merge, held: merge.held },
      recover: { ...moment.recover, choice: recover.choice, paused: recover.paused },
      status: { kind: 'done', text },
    });
    recallScore(context);
  };
  return {
    undo() {
      const { job, history } = get();
      const target = history.past.at(-1);
      if (job || !target) return;
      const future = [momentOf(get()), ...history.future];
      go(target, { past: history.past.slice(0, -1), future }, 'Undone.');
    },
    redo() {
      const { job, history } = get();
      const [target, ...future] = history.future;
      if (job || !target) return;
      go(target, { past: [...history.past, momentOf(get())], future }, 'Done again.');
    },
  };
}
