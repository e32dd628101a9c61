/** The order of the ladder: which rungs are tried when, and what they are called while they run. */
import { RUNG_IDS } from './recover-types.ts';
import type { RecoveryStep, RungId } from './types.ts';

/**
 * Rungs of “best”: all but deltas, which cost more bytes than they bring back, and tuning, which takes many times longer
 * than they do together and is asked for by itself.
 */
export const BEST: readonly RungId[] = ['R0c', 'R0b', 'R1', 'R2', 'R3', 'R4', 'R6', 'refresh'];
/** Rungs that a refresh does again, where they were asked for. */
export const REFRESHED: readonly ('R3' | 'R4' | 'R6')[] = ['R3', 'R4', 'R6'];
/** Sweeps of a refresh, at most; it ends earlier where one brings nothing. */
export const SWEEPS = 3;
/** A rung, with options of this time. */
export interface Climb {
  readonly rung: RungId;
  readonly options?: RecoveryStep['options'];
}

/**
 * Rungs in the ladder's order. Deltas come twice: those of the up-projection before the down-projection is refitted
 * on what they give, that of the down-projection after it, for what the refit could not reach.
 */
export function climbsOf(rungs: readonly RungId[]): Climb[] {
  return RUNG_IDS.filter((id) => rungs.includes(id) || (id === 'R3' && rungs.includes('R5'))).flatMap(
    (rung): Climb[] => {
      const before: Climb[] = rungs.includes('R5') ? [{ rung: 'R5', options: { of: ['in', 'gate'] } }] : [];
      if (rung === 'R3') return [...before, ...(rungs.includes('R3') ? [{ rung }] : [])];
      return [rung === 'R5' ? { rung, options: { of: ['out'] } } : { rung }];
    },
  );
}

/** For people, while it runs. */
export const LABELS: Readonly<Record<RungId, string>> = {
  R0c: 'Aligning to the running mean',
  R0b: 'Fitting output biases',
  R1: 'Refitting the up-projection',
  R2: 'Matching pre-activations',
  R3: 'Refitting the down-projection',
  R4: 'Fitting gains of hidden units',
  R5: 'Fitting low-rank deltas',
  R6: 'Distilling',
  refresh: 'Refreshing',
  tune: 'Tuning',
};
