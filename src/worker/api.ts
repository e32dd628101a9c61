/**
 * What the page can ask of the worker: one method a request, progress and cancellation beside it.
 * The store depends on this interface only, so that tests can give it a fake.
 */
import type {
  AlignmentResult,
  DataState,
  DownloadResult,
  EngineSummary,
  EvaluationResult,
  LayerWindow,
  MeasureResult,
  MergePlan,
  MergeResult,
  OpenResult,
  Progress,
  Saving,
  SplitName,
} from '../pipeline/types.ts';

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
  /** What windows would save; instant, from the file's structure. */
  predict(windows: readonly LayerWindow[], options?: CallOptions): Promise<Saving>;
  /** Merges the windows; the result becomes the current variant. Empty windows give the original back. */
  merge(plan: MergePlan, options?: CallOptions): Promise<MergeResult>;
  /** Original and current variant on a split. */
  evaluate(split: SplitName, options?: CallOptions): Promise<EvaluationResult>;
  /** The current variant as a file (with no merge: the input, byte for byte, composed by the writer). */
  download(options?: CallOptions): Promise<DownloadResult>;
}
