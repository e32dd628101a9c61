/** What the worker tells the page of recovery: the ladder's rungs, what each gained, and how to do it again. */
import type { EngineSummary, LayerSet, MergePlan, Metric, Saving } from './types.ts';

/** Rungs of the ladder, in the order in which they are tried (method.md, Recovery ladder). */
export const RUNG_IDS = ['R0c', 'R0b', 'R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'refresh', 'tune'] as const;

/**
 * `R0c`: align anew to the running mean; `R0b`: own output biases; `R1`: refit the up-projection; `R2`: own scale and
 * shift of pre-activations; `R3`: refit the down-projection; `R4`: own gains of hidden units; `R5`: own low-rank
 * deltas; `R6`: local distillation; `refresh`: the fitted rungs chosen once more, set by set from shallow to deep, on
 * the inputs that the merged model gives; `tune`: all sets together, from end to end (method.md, Steps 6).
 */
export type RungId = (typeof RUNG_IDS)[number];

export interface RecoverRequest {
  /** `best`: every rung that helps, R6 with what is left of `minutes`. */
  readonly rungs: readonly RungId[] | 'best';
  /** Time limit; needed for `best`. What is kept by then stays. */
  readonly minutes?: number;
  /** Steps of Adam of R6 for each set, at most. */
  readonly steps: number;
  /** Rank of R5's deltas. */
  readonly rank: number;
  /** Of the minibatches of R6 and of tuning. */
  readonly seed: number;
  /** Of `tune`. */
  readonly tune: TuneRequest;
}

export interface TuneRequest {
  /** At most; it stops earlier where the select split stops improving. */
  readonly steps: number;
  /** Highest learning rate. */
  readonly rate: number;
  /** Items (chunks of text, images, …) that run at once; 0 = about 1,024 tokens, or 8 of other items. */
  readonly batch: number;
  /** Such batches whose gradients are averaged for one step: more where memory is short. */
  readonly accumulate: number;
  /** Share of the distance from the original in the loss, 0 to 1; the rest is the task's own, which needs labels. */
  readonly distil: number;
  /** `tied`: what layers share, and what rungs gave them of their own; `biases`: also a copy of the biases a layer. */
  readonly of: 'tied' | 'biases';
  /** Goes on with the tuning that was paused; the options are its own then. */
  readonly resume?: boolean;
}

export const DEFAULT_TUNE: TuneRequest = {
  steps: 150,
  rate: 5e-4,
  batch: 0,
  accumulate: 1,
  distil: 1,
  of: 'tied',
};

export const DEFAULT_RECOVERY: Omit<RecoverRequest, 'rungs'> = {
  steps: 400,
  rank: 4,
  seed: 1,
  tune: DEFAULT_TUNE,
};

/** A tuning that was paused and can go on. */
export interface PausedTuning {
  readonly step: number;
  readonly steps: number;
}

/** One rung that was kept for one set, with every option that it needs to be done again without choosing. */
export interface RecoveryStep {
  readonly rung: Exclude<RungId, 'refresh'>;
  /** Position in the plan's sets; 0 for tuning, which is of all of them. */
  readonly set: number;
  /** Whether it was fitted on the inputs that the merged model gave then. */
  readonly refreshed: boolean;
  readonly options: Readonly<Record<string, number | string | boolean | readonly string[]>>;
}

export interface SetOutcome {
  readonly set: LayerSet;
  readonly kept: boolean;
  /** Raw metric on the select split with the rung on this set; absent where it could not be tried. */
  readonly score?: number;
  /** The rung's own objective (error of outputs relative to their variance, summed) before and after, on held-out rows. */
  readonly before?: number;
  readonly after?: number;
  /** Sentences: why it was not kept or not tried, a raised λ. */
  readonly notes: readonly string[];
}

export interface RungOutcome {
  readonly rung: RungId;
  /** Whether any set kept it. */
  readonly kept: boolean;
  readonly sets: readonly SetOutcome[];
  /** Raw metric on the select split before the rung. */
  readonly before: number;
  /** After it, as kept: never worse than before. */
  readonly score: number;
  /** Paired, of score − before. */
  readonly standardError: number;
  /** On the report split after it: shown, never chosen by. */
  readonly report: number;
  /** Bytes that the file has more after it than before it. */
  readonly addedBytes: number;
  readonly seconds: number;
}

/** The held-out loss of R6 while it runs. */
export interface LossPoint {
  readonly rung: RungId;
  readonly set: LayerSet;
  readonly step: number;
  readonly steps: number;
  readonly heldOut: number;
}

/** One step of tuning. */
export interface TunePoint {
  readonly step: number;
  readonly steps: number;
  /** Training loss of the step's batches, before it. */
  readonly loss: number;
  /** Raw metric on the select split after it, where it was looked at; with step 0 before anything. */
  readonly select?: number;
  /** Items of calibration a second (tokens, images, …), looks at the select split left out. */
  readonly perSecond?: number;
  /** If it goes on to the last step. */
  readonly secondsLeft?: number;
}

export interface RecoverResult {
  readonly request: RecoverRequest;
  /** The merge with `recovery` filled in: what brings this variant back. */
  readonly plan: MergePlan;
  readonly metric: Metric;
  readonly stride?: number;
  readonly outcomes: readonly RungOutcome[];
  readonly original: SplitScores;
  /** Before this run (an earlier run's end, where there was one), and after it. */
  readonly start: SplitScores;
  readonly end: SplitScores;
  readonly saving: Saving;
  /** `enough`: all rungs were tried; `time`: the limit came first; `cancelled`: the person did. */
  readonly stopped: 'enough' | 'time' | 'cancelled';
  /** Sentences: sets that cannot be recovered, rungs that this file cannot store. */
  readonly notes: readonly string[];
  /** Where tuning was cancelled or out of time. */
  readonly paused?: PausedTuning;
  readonly seconds: number;
  readonly engine: EngineSummary;
}

/** Raw metric. */
export interface SplitScores {
  readonly select: number;
  readonly report: number;
}
