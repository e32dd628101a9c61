/**
 * Small serialisable facts that the worker tells the page. No tensor, session or device ever is among them.
 */

export type BackendKind = 'webgpu' | 'cpu';

export interface EngineSummary {
  /** Where the linear algebra (our kernels) runs. */
  readonly backend: BackendKind;
  /** Where the model itself runs. */
  readonly inference: 'webgpu' | 'wasm';
  /** Threads of the wasm runtime. */
  readonly threads: number;
  /** Vendor and architecture of the adapter, where there is one. */
  readonly adapter?: string;
  /** A sentence: where it runs and, where that is not the GPU, why not. */
  readonly reason: string;
}

export interface ValueSummary {
  readonly name: string;
  readonly dtype: string;
  /** As shown, e.g. `batch×sequence`. */
  readonly shape: string;
}

export interface GroupSummary {
  readonly id: string;
  /** For people: e.g. `transformer.h.*.mlp`. */
  readonly name: string;
  readonly layers: number;
  readonly dModel: number;
  readonly dFf: number;
  /** e.g. `GELU (tanh)`, `SiLU, gated`. */
  readonly activation: string;
  readonly gated: boolean;
  readonly parametersPerFfn: number;
  readonly bytesPerFfn: number;
  /** One label a layer, execution order, e.g. `transformer.h.4.mlp`. */
  readonly layerLabels: readonly string[];
  /** False where a layer has no attention output that could be found. */
  readonly hasAttention: boolean;
}

export type Task = 'causal-lm' | 'image-classification' | 'unknown';

export interface ModelSummary {
  readonly fileName: string;
  readonly bytes: number;
  /** Elements of all floating-point tensors of rank ≥ 1 (folded scalar constants left out). */
  readonly parameters: number;
  readonly ffnParameters: number;
  readonly ffnBytes: number;
  readonly nodes: number;
  readonly opset: number;
  readonly producer: string;
  readonly task: Task;
  readonly inputs: readonly ValueSummary[];
  readonly outputs: readonly ValueSummary[];
  readonly groups: readonly GroupSummary[];
  /** Sentences: what looks like an FFN but cannot be merged, and why. */
  readonly refusals: readonly string[];
  /** Sentences: other things that the person should know. */
  readonly notes: readonly string[];
}

export type SplitName = 'calibrate' | 'select' | 'report';

export interface SplitSummary {
  readonly name: SplitName;
  /** Tokens fed, or images. */
  readonly items: number;
  readonly unit: 'tokens' | 'images';
  /** Items that the metric scores on this split. */
  readonly scored: number;
}

export interface DataSummary {
  readonly kind: 'text' | 'images';
  readonly splits: readonly SplitSummary[];
  /** A sentence: how the data was split. */
  readonly rule: string;
  /** Text only: tokens a chunk, and where that number came from (a sentence). */
  readonly contextLength?: number;
  readonly contextSource?: string;
  readonly metric: Metric;
  /** Sentences. */
  readonly notes: readonly string[];
}

export type Metric = 'perplexity' | 'accuracy';

/** Something that is missing before the next step can run, with the sentence that asks for it. */
export interface Need {
  readonly what: 'data' | 'tokenizer' | 'preprocessor' | 'labels' | 'context-length' | 'model';
  readonly sentence: string;
}

export interface DataState {
  readonly data: DataSummary | null;
  readonly needs: readonly Need[];
}

export interface OpenResult extends DataState {
  readonly model: ModelSummary;
}

export interface Progress {
  /** Whole job, 0 to 1. */
  readonly fraction: number;
  /** What is being done, for people: `Measuring, batch 2 of 4`. */
  readonly label: string;
  /** Estimated seconds left; absent until known. */
  readonly secondsLeft?: number;
}

export type SimilarityKind = 'cka' | 'cka-debiased' | 'aligned' | 'attention';

/** A symmetric N×N matrix, row-major; NaN where not measured. */
export interface SimilarityMatrix {
  readonly kind: SimilarityKind;
  readonly groupId: string;
  readonly size: number;
  readonly values: Float64Array;
  /** Calibration tokens (rows) that it was measured on. */
  readonly samples: number;
}

export interface MeasureResult {
  readonly matrices: readonly SimilarityMatrix[];
  readonly seconds: number;
  readonly engine: EngineSummary;
}

export interface AlignmentResult {
  readonly groupId: string;
  readonly reference: number;
  readonly layer: number;
  readonly size: number;
  /** Pearson correlation, row-major [size × size]: rows the reference layer, columns the other. */
  readonly correlation: Float32Array;
  /** permutation[u] = the unit of `layer` that is matched to unit u of `reference`. */
  readonly permutation: Uint32Array;
  /** Σ_u C[u, permutation[u]]. */
  readonly objective: number;
  /** objective / size. */
  readonly alignedMean: number;
  /** Mean of the diagonal: what no permutation gives. */
  readonly diagonalMean: number;
  /** The updated `aligned` matrix of the group. */
  readonly matrix: SimilarityMatrix;
}

export type MergeMethodId = 'permute' | 'vanilla' | 'copy';
export type ReferenceChoice = 'first' | 'middle' | 'last';

/** 0-based, inclusive, in execution order. */
export interface LayerWindow {
  readonly groupId: string;
  readonly first: number;
  readonly last: number;
}

export interface MergePlan {
  readonly windows: readonly LayerWindow[];
  readonly method: MergeMethodId;
  readonly reference: ReferenceChoice;
}

export interface Saving {
  readonly parametersSaved: number;
  readonly bytesSaved: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface MergeResult {
  readonly plan: MergePlan;
  readonly saving: Saving;
  /** The group's `aligned` matrices, with the pairs that this merge measured filled in. */
  readonly aligned: readonly SimilarityMatrix[];
  readonly seconds: number;
}

export interface Score {
  readonly value: number;
  /** Scored tokens or images. */
  readonly samples: number;
}

export interface EvaluationResult {
  readonly metric: Metric;
  readonly split: SplitName;
  readonly original: number;
  readonly merged: number;
  readonly samples: number;
  /** Paired standard error of the difference, in the metric's own unit (perplexity: of the NLL difference, scaled). */
  readonly standardError: number;
  readonly seconds: number;
  readonly engine: EngineSummary;
}

export interface DownloadResult {
  readonly blob: Blob;
  readonly fileName: string;
}
