/**
 * What the page can ask of the worker: one method a request, progress and cancellation beside it.
 * The store depends on this interface only, so that tests can give it a fake.
 */
import type { Identity, RecipeTexts } from '../pipeline/recipe-desk.ts';
import type { SweepSeed } from '../pipeline/sweep-seed.ts';
import type {
  AlignmentResult,
  DataState,
  DownloadFormat,
  DownloadResult,
  EngineSummary,
  EvaluationResult,
  ExampleResult,
  GenerateRequest,
  LayerSet,
  MeasureResult,
  MergePlan,
  MergeResult,
  MetricChoice,
  OpenResult,
  PausedTuning,
  PlanRequest,
  PlanResult,
  Progress,
  RecoverRequest,
  RecoverResult,
  Saving,
  SplitName,
  SweepRequest,
  SweepResult,
} from '../pipeline/types.ts';
import type { Recipe } from '../recipe/schema.ts';

export type { Identity, RecipeTexts } from '../pipeline/recipe-desk.ts';
export type { SweepSeed } from '../pipeline/sweep-seed.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export type GpuPreference = 'auto' | 'force' | 'off';

export interface StudioApi {
  /** Probes the machine: once, before anything else. */
  engine(gpu: GpuPreference, options?: CallOptions): Promise<EngineSummary>;
  /** Opens what was dropped together: a model, and any config, tokenizer, preprocessor and data files. Replaces the open model. */
  open(files: readonly File[], options?: CallOptions): Promise<OpenResult>;
  /** Adds data, tokenizer, preprocessor, config or label files to the open model. */
  addData(files: readonly File[], options?: CallOptions): Promise<DataState>;
  setContextLength(tokens: number, options?: CallOptions): Promise<DataState>;
  /** Similarity of all pairs of layers, all groups, on the calibration split. */
  measure(options?: CallOptions): Promise<MeasureResult>;
  /** Correlation and optimal assignment of one pair. */
  alignment(
    groupId: string,
    reference: number,
    layer: number,
    options?: CallOptions,
  ): Promise<AlignmentResult>;
  /** What a merge would save; instant, from the file's structure. */
  predict(sets: readonly LayerSet[], options?: CallOptions): Promise<Saving>;
  /** Carries out the plan; the result becomes the current variant. No sets give the original back. */
  merge(plan: MergePlan, options?: CallOptions): Promise<MergeResult>;
  /** Original and current variant on a split. */
  evaluate(split: SplitName, options?: CallOptions): Promise<EvaluationResult>;
  /** Chooses the metric of evaluations, sweeps and plans; scores of other metrics stay in the cache. */
  setMetric(choice: MetricChoice, options?: CallOptions): Promise<void>;
  /** Scores all windows of the widths; each entry is also told as it is done (`progress.partial`). A cancelled sweep keeps them. */
  sweep(request: SweepRequest, options?: CallOptions): Promise<SweepResult>;
  /** The interval programme: proposes several small groups, scores the ten best whole. */
  plan(request: PlanRequest, options?: CallOptions): Promise<PlanResult>;
  /**
   * Recovers the current variant further, rung by rung, each kept only where the select split improves; the result is
   * the current variant. Each rung and point of loss is also told as it is there (`progress.partial`). A cancelled run
   * keeps what it had: `recovery` tells of it, once the worker has stopped. A plan with `recovery` given to `merge` brings a variant back,
   * so an earlier plan undoes a run.
   */
  recover(request: RecoverRequest, options?: CallOptions): Promise<RecoverResult>;
  /** The last run on the current merge; null where there was none. */
  recovery(options?: CallOptions): Promise<RecoverResult | null>;
  /** A tuning of a merge that was paused, also before a reload; null where there is none. */
  tuning(plan: MergePlan, options?: CallOptions): Promise<PausedTuning | null>;
  /** The recipe of the current variant. @param evaluations of it, for people to read */
  recipe(evaluations: readonly EvaluationResult[], options?: CallOptions): Promise<RecipeTexts>;
  /** Merges and recovers by a recipe: a file's text, or what a link gave. */
  mergeRecipe(recipe: string | Recipe, options?: CallOptions): Promise<MergeResult>;
  /** What is open, by contents: hashes of all files, and of the data. */
  identity(options?: CallOptions): Promise<Identity>;
  /** Windows that were scored, to be kept over a reload; null where there are none. */
  sweepSeed(options?: CallOptions): Promise<SweepSeed | null>;
  /** Takes windows over that were scored before; how many. */
  useSweepSeed(seed: SweepSeed, options?: CallOptions): Promise<number>;
  /** Original and current variant on real outputs: generated text, predictions on images of the report split. */
  examples(request: GenerateRequest, options?: CallOptions): Promise<ExampleResult>;
  /** The current variant as a file (with no merge: the input, byte for byte, composed by the writer). */
  download(format: DownloadFormat, options?: CallOptions): Promise<DownloadResult>;
}
