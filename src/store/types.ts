/**
 * The shape of what the page knows. Everything here is small and serialisable: no tensor, session or device.
 * Two exceptions: the correlation of the pair asked for last, kept so that it can be saved, and a few small images.
 * The pipeline's facts are passed on from here, because `ui` imports the store and not the pipeline.
 */
import type {
  AlignmentResult,
  DataSummary,
  DownloadFormat,
  EngineSummary,
  EvaluationResult,
  ExampleResult,
  GenerateRequest,
  LayerSet,
  MergeMethodId,
  MergePlan,
  MergeResult,
  MetricChoice,
  ModelSummary,
  Need,
  PlanCandidate,
  PlanRequest,
  PlanResult,
  Progress,
  ReferenceChoice,
  Saving,
  ScoreChoice,
  SimilarityKind,
  SimilarityMatrix,
  SweepEntry,
  SweepRequest,
  SweepResult,
} from '../pipeline/types.ts';
import type { GpuPreference } from '../worker/api.ts';
import type { AskingRecipe, WasOpen } from './again.ts';
import type { Moment } from './history.ts';
import type { BeforeRun, PausedRun, RecoverChoice, RecoverRun } from './recover-types.ts';

export type {
  AlignmentResult,
  DataSummary,
  DownloadFormat,
  EngineSummary,
  EvaluationResult,
  ExampleResult,
  FileSummary,
  GenerateRequest,
  GroupSummary,
  ImageExample,
  LayerSet,
  LossPoint,
  MergeMethodId,
  MergePlan,
  MergeResult,
  Metric,
  MetricChoice,
  ModelSummary,
  Need,
  PartialResult,
  PlanCandidate,
  PlanRequest,
  PlanResult,
  Prediction,
  RecoverRequest,
  RecoverResult,
  RecoveryStep,
  ReferenceChoice,
  RungId,
  RungOutcome,
  Saving,
  ScoreChoice,
  ScoreTerm,
  SimilarityKind,
  SimilarityMatrix,
  SplitScores,
  SplitSummary,
  SweepEntry,
  SweepRequest,
  SweepResult,
  TokenExample,
  TunePoint,
  TuneRequest,
  ValueSummary,
} from '../pipeline/types.ts';
export type { GpuPreference, StudioApi, SweepSeed } from '../worker/api.ts';
export type { AskingRecipe, WasOpen } from './again.ts';
export type {
  BeforeRun,
  LossCurve,
  PausedRun,
  RecoverChoice,
  RecoverRun,
  TuneCurve,
} from './recover-types.ts';

/** The steps of the page (sweep, plan and recover are optional); a job and an error belong to one of them. */
export type Step =
  | 'open'
  | 'calibrate'
  | 'see'
  | 'sweep'
  | 'plan'
  | 'merge'
  | 'recover'
  | 'compare'
  | 'download';

export type Theme = 'light' | 'dark';

/** What a job tells while it runs. */
export type JobUpdate = Omit<Progress, 'partial'>;

export interface Job {
  readonly id: number;
  readonly step: Step;
  readonly label: string;
  /** 0 to 1. */
  readonly fraction: number;
  readonly secondsLeft?: number;
  readonly cancelling: boolean;
}

/** The last thing that ended, as said in the status line. */
export interface Status {
  readonly kind: 'done' | 'cancelled' | 'saved';
  readonly text: string;
  readonly savedBytes?: number;
}

export interface StudioError {
  readonly id: number;
  readonly step: Step;
  readonly sentence: string;
}

export type GroupMatrices = Readonly<Partial<Record<SimilarityKind, SimilarityMatrix>>>;

/** One merge that was evaluated: kept so that later ones can be compared with it. */
export interface TriedVariant {
  readonly id: number;
  /** As it was asked for: what brings it back. */
  readonly asked: MergePlan;
  /** As it was carried out. */
  readonly plan: MergePlan;
  readonly droppedLayers?: MergeResult['droppedLayers'];
  readonly saving: Saving;
  /** One a metric. */
  readonly scores: readonly EvaluationResult[];
}

/** The sweep of one group with one set of settings; entries of several widths gather in it, and stay when it is cancelled. */
export interface SweepRun {
  readonly request: SweepRequest;
  readonly metric: MetricChoice;
  readonly entries: readonly SweepEntry[];
  /** What is known only when all windows of the request are done. */
  readonly finished: Omit<SweepResult, 'entries'> | null;
}

export interface PlanRun {
  readonly request: PlanRequest;
  readonly metric: MetricChoice;
  readonly result: PlanResult;
  /** What was picked and merged for a size that was asked for. */
  readonly sized: SizedPick | null;
}

export interface SizedPick {
  /** Percent smaller, as asked. */
  readonly percent: number;
  readonly candidate: PlanCandidate;
  /** On the select split. */
  readonly evaluation: EvaluationResult;
}

/** What the next run of recovery is asked with. */
export interface ExamplesRun {
  readonly request: GenerateRequest;
  readonly result: ExampleResult;
  /** The merge that it shows; null = the original twice. */
  readonly of: MergePlan | null;
}

/** What a saved picture of a matrix says. */
export interface MatrixFigure {
  readonly matrix: SimilarityMatrix;
  readonly stretch: boolean;
  readonly title: string;
  readonly lines: readonly string[];
  /** `set` is the place in the list of picks, which gives the colour. */
  readonly windows: readonly {
    readonly set: number;
    readonly layers: readonly number[];
    readonly name: string;
  }[];
}

/** A file that was saved, and what the person should know of it. */
export interface SavedAs {
  readonly fileName: string;
  readonly format: DownloadFormat;
  /** Sentences. */
  readonly notes: readonly string[];
}

/** What a step of the guided tour waits for. */
export type TourStepId = 'open' | 'measure' | 'pick' | 'merge' | 'recover' | 'compare' | 'download';

export interface StudioFacts {
  readonly engine: {
    /** Stopped: it takes the model with it, and is looked for again when a model is opened. */
    readonly status: 'idle' | 'probing' | 'ready' | 'failed' | 'stopped';
    readonly summary: EngineSummary | null;
  };
  readonly model: ModelSummary | null;
  readonly data: DataSummary | null;
  readonly needs: readonly Need[];
  readonly job: Job | null;
  readonly status: Status | null;
  readonly errors: readonly StudioError[];
  readonly similarity: {
    readonly byGroup: Readonly<Record<string, GroupMatrices>>;
    readonly seconds: number | null;
    readonly engine: EngineSummary | null;
  };
  readonly alignment: AlignmentResult | null;
  readonly picks: { readonly sets: readonly LayerSet[]; readonly saving: Saving | null };
  /** By group. */
  readonly sweeps: Readonly<Record<string, SweepRun>>;
  readonly plan: PlanRun | null;
  readonly merge: {
    readonly method: MergeMethodId;
    readonly reference: ReferenceChoice;
    readonly score: ScoreChoice;
    /** Of the windows drawn at random. */
    readonly seed: number;
    /** What the download will hold; null means the original. */
    readonly result: MergeResult | null;
    /** The plan that `result` was asked with. */
    readonly asked: MergePlan | null;
    /** The plan that the worker holds: another than `asked` after the picks were cleared, and while baselines run. */
    readonly held: MergePlan | null | 'unknown';
  };
  readonly recover: {
    readonly choice: RecoverChoice;
    /** The last run on the merge that is shown; the one that runs. */
    readonly run: RecoverRun | null;
    /** What undo goes back to, the last first to go. */
    readonly history: readonly BeforeRun[];
    /** A tuning that can go on, and the plan before it. */
    readonly paused: PausedRun | null;
  };
  readonly metric: {
    readonly chosen: MetricChoice | null;
    /** What the worker was last told. */
    readonly held: MetricChoice | null;
  };
  readonly evaluation: EvaluationResult | null;
  readonly tried: readonly TriedVariant[];
  readonly examples: ExamplesRun | null;
  readonly saveAs: {
    /** As asked for; where the open model cannot be saved so, `chosenFormat` is another. */
    readonly format: DownloadFormat;
    /** The last file saved of this model in this format. */
    readonly saved: SavedAs | null;
  };
  readonly tour: { readonly running: boolean; readonly skipped: readonly TourStepId[] };
  readonly recipe: {
    readonly asking: AskingRecipe | null;
    /** Holds for that merge only. */
    readonly link: { readonly of: MergeResult; readonly text: string } | null;
  };
  readonly session: {
    readonly was: WasOpen | null;
    /** The sample that is open. */
    readonly sample: string | null;
  };
  /** The last of `past` and the first of `future` are next to now. */
  readonly history: { readonly past: readonly Moment[]; readonly future: readonly Moment[] };
  readonly view: {
    readonly kind: SimilarityKind;
    readonly groupId: string | null;
    readonly table: boolean;
    readonly stretch: boolean;
    /** Width of the windows whose damage lies along the heatmap's diagonal; null = none. */
    readonly stripWidth: number | null;
    readonly theme: Theme;
  };
}

export interface StudioActions {
  probe(gpu: GpuPreference): Promise<void>;
  openFiles(files: readonly File[]): Promise<void>;
  openSample(name: string): Promise<void>;
  addData(files: readonly File[]): Promise<void>;
  setContextLength(tokens: number): Promise<void>;
  measure(): Promise<void>;
  align(reference: number, layer: number): Promise<void>;
  pickWindow(first: number, last: number): boolean;
  /** Layers that need not be neighbours, as typed: `1, 4, 5`. */
  pickLayers(text: string): boolean;
  /** Picks a window in place of those that share a layer with it. */
  pickInstead(groupId: string, first: number, last: number): void;
  removeSet(set: LayerSet): void;
  clearWindows(): void;
  setMethod(method: MergeMethodId): void;
  setReference(reference: ReferenceChoice): void;
  setScore(score: ScoreChoice): void;
  setSeed(seed: number): void;
  runMerge(): Promise<void>;
  runSweep(narrowest: number, widest: number): Promise<void>;
  showStrip(width: number | null): void;
  /** `refit`: each proposal is recovered by R3, and ranked by its score with it. */
  proposePlans(removed: number, refit?: boolean): Promise<void>;
  findBestOfSize(percent: number, refit?: boolean): Promise<void>;
  /** Picks its sets; one that was recovered is merged and recovered too. */
  applyPlan(candidate: PlanCandidate): Promise<void>;
  chooseRecovery(part: Partial<RecoverChoice>): void;
  runRecover(): Promise<void>;
  /** Goes on with the tuning that was paused. */
  resumeTuning(): Promise<void>;
  undoRecovery(): Promise<void>;
  setMetric(choice: MetricChoice): Promise<void>;
  /** Sets the stride of the chosen metric; the worker hears of it before the next score. */
  setStride(stride: number): void;
  evaluate(): Promise<void>;
  runBaselines(): Promise<void>;
  useAgain(id: number): Promise<void>;
  compareExamples(request: GenerateRequest): Promise<void>;
  setFormat(format: DownloadFormat): void;
  download(): Promise<void>;
  saveRecipe(): Promise<void>;
  shareRecipe(): Promise<void>;
  /** Carries a recipe file out; without a model, asks for the one that it is for. */
  loadRecipe(file: File): Promise<void>;
  /** Reads `location.hash`; nothing is carried out by it. */
  takeLink(hash: string): Promise<void>;
  /** Carries the recipe that waits out. */
  applyRecipe(): Promise<void>;
  forgetRecipe(): void;
  saveReport(kind: 'html' | 'markdown'): Promise<void>;
  lookForSession(): Promise<void>;
  forgetSession(): Promise<void>;
  /** The session that waits is written over by that of another model. */
  replaceSession(): void;
  saveMatrix(): void;
  /** The heatmap as a figure; the page draws it. */
  saveMatrixFigure(format: 'png' | 'svg', draw: (figure: MatrixFigure) => Promise<Blob>): Promise<void>;
  saveAlignment(): void;
  saveSweep(): void;
  savePlans(): void;
  startTour(): void;
  skipTourStep(): void;
  endTour(): void;
  undo(): void;
  redo(): void;
  cancel(): void;
  dismiss(id: number): void;
  refuseFiles(step: Step, sentence: string): void;
  showKind(kind: SimilarityKind): void;
  showGroup(groupId: string): void;
  showTable(table: boolean): void;
  setStretch(stretch: boolean): void;
  setTheme(theme: Theme): void;
}

export type StudioState = StudioFacts & StudioActions;
