/**
 * A tuning that was paused, so that it goes on where it was: in this session, or after a reload from where the browser
 * keeps it.
 *
 * Everything a run is, is in its state (`recover/tune/tune.ts`); this says what it is a run of. It takes four times the
 * floats that are tuned.
 */
import type { TuneState } from '../recover/tune/tune.ts';
import type { MergePlan, PausedTuning, RecoveryStep } from './types.ts';

export interface TuneCheckpoint {
  /** What the weights are of: the merge, its recovery before the tuning, the model's files and the data. */
  readonly of: string;
  /** The recovery before it. */
  readonly before: readonly RecoveryStep[];
  /** Options of the step that it will be. */
  readonly options: RecoveryStep['options'];
  readonly state: TuneState;
}

/** Where checkpoints outlive the worker. */
export interface TunePlace {
  /** What was kept, unchecked; undefined where nothing was, or where nothing may be kept. */
  load(): Promise<unknown>;
  /** Never fails: what cannot be kept is lost with the page only. */
  save(checkpoint: TuneCheckpoint): Promise<void>;
  clear(): Promise<void>;
}

/** The checkpoint of a studio: one at a time, that of the last tuning that did not come to its end. */
export class Tunings {
  private readonly place: TunePlace | undefined;
  private last: TuneCheckpoint | null = null;
  private putAway = Number.NEGATIVE_INFINITY;

  constructor(place?: TunePlace) {
    this.place = place;
  }

  /** @param of what it has to be of @returns null where there is none */
  async find(of: string): Promise<TuneCheckpoint | null> {
    return checkpointOf(this.last, of) ?? checkpointOf(await this.place?.load(), of);
  }

  /** @param every milliseconds from the last time that it was put away until it is again */
  async put(checkpoint: TuneCheckpoint, every = 0): Promise<void> {
    this.last = checkpoint;
    const now = performance.now();
    if (now - this.putAway < every) return;
    await this.place?.save(checkpoint);
    this.putAway = performance.now();
  }

  /** It has come to its end. */
  async drop(): Promise<void> {
    this.last = null;
    this.putAway = Number.NEGATIVE_INFINITY;
    await this.place?.clear();
  }
}

/** The recovery of a plan up to its last tuning, where that comes last. */
export function beforeTuning({ recovery = [] }: MergePlan): readonly RecoveryStep[] {
  return recovery.at(-1)?.rung === 'tune' ? recovery.slice(0, -1) : recovery;
}

/** What was kept, where it is whole and of this. */
function checkpointOf(kept: unknown, of: string): TuneCheckpoint | null {
  const checkpoint = kept as Partial<TuneCheckpoint> | null | undefined;
  const { state } = checkpoint ?? {};
  const isWhole =
    checkpoint?.of === of &&
    Array.isArray(checkpoint.before) &&
    state?.parameters instanceof Map &&
    state.moments?.first instanceof Map &&
    state.moments.second instanceof Map &&
    state.best?.parameters instanceof Map;
  return isWhole ? (checkpoint as TuneCheckpoint) : null;
}

export function pausedOf({ state }: TuneCheckpoint): PausedTuning {
  return { step: state.step, steps: state.options.steps };
}
