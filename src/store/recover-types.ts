/** What the store knows of recovery: what is asked for, a run as it comes in, and what undo goes back to. */
import type {
  LayerSet,
  LossPoint,
  MergePlan,
  MetricChoice,
  PausedTuning,
  RecoverRequest,
  RecoverResult,
  RungId,
  RungOutcome,
  SplitScores,
  TunePoint,
} from '../pipeline/types.ts';

export interface RecoverChoice extends Omit<RecoverRequest, 'rungs' | 'minutes'> {
  /** `best` tries every rung but R5, which costs real size, within `minutes`; `chosen` those of `rungs`. */
  readonly mode: 'best' | 'chosen';
  readonly rungs: readonly RungId[];
  readonly minutes: number;
}

/** The held-out loss of one set, step by step. */
export interface LossCurve {
  readonly rung: RungId;
  readonly set: LayerSet;
  /** At most. */
  readonly steps: number;
  readonly points: readonly Pick<LossPoint, 'step' | 'heldOut'>[];
  /** Whether no more points of it will come. */
  readonly ended: boolean;
}

/** A tuning, step by step. */
export interface TuneCurve {
  /** At most. */
  readonly steps: number;
  readonly points: readonly TunePoint[];
  /** Whether no more points of it will come. */
  readonly ended: boolean;
}

export interface PausedRun extends PausedTuning {
  /** The merge and its recovery that were tuned (`tuningOf`). */
  readonly of: string;
}

/** One run of recovery, as it comes in. */
export interface RecoverRun {
  readonly request: RecoverRequest;
  readonly metric: MetricChoice;
  readonly outcomes: readonly RungOutcome[];
  readonly curves: readonly LossCurve[];
  /** null where nothing is tuned, or has not begun to be. */
  readonly tuning: TuneCurve | null;
  /** The merge without any recovery; null where that was not scored by this metric. */
  readonly merged: SplitScores | null;
  /** null while it runs. */
  readonly result: RecoverResult | null;
}

/** The variant before a run, and what the recover step showed of it. */
export interface BeforeRun {
  readonly asked: MergePlan;
  readonly run: RecoverRun | null;
}
