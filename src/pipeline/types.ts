/**
 * Small serialisable facts that the worker tells the page. No tensor, session or device ever is among them.
 */

export type {
  ClassGuess,
  ExampleResult,
  GenerateRequest,
  ImageExample,
  TokenExample,
} from './example-types.ts';
export type { PlanCandidate, PlanRequest, PlanResult } from './plan-types.ts';
export type {
  LossPoint,
  PausedTuning,
  RecoverRequest,
  RecoverResult,
  RecoveryStep,
  RungId,
  RungOutcome,
  SetOutcome,
  SplitScores,
  TunePoint,
  TuneRequest,
} from './recover-types.ts';

import type { mergeMethods } from '../merge/method.ts';
import type { LossPoint, RecoveryStep, RungOutcome, TunePoint } from './recover-types.ts';

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
  /** Of a layer's attention and normalisations, as most layers of the group have them; 0 where none were found. */
  readonly bytesBesideFfn: number;
  /** One label a layer, execution order, e.g. `transformer.h.4.mlp`. */
  readonly layerLabels: readonly string[];
  /** False where a layer has no attention output that could be found. */
  readonly hasAttention: boolean;
}

/**
 * What a model is for. `text-encoder`, `audio-encoder` and `image-encoder` give hidden states or one vector an item;
 * `audio-ctc` scores of letters a frame; `text-and-image` two towers, as CLIP has them.
 */
export type Task =
  | 'causal-lm'
  | 'masked-lm'
  | 'text-encoder'
  | 'text-classification'
  | 'seq2seq-text'
  | 'seq2seq-audio'
  | 'audio-ctc'
  | 'audio-encoder'
  | 'image-classification'
  | 'image-encoder'
  | 'text-and-image'
  | 'unknown';

/** A model file that was opened. */
export interface FileSummary {
  readonly name: string;
  readonly role: 'model' | 'encoder' | 'decoder' | 'decoder-with-past';
  /** With its data files. */
  readonly bytes: number;
  /** Files that its external data is in. */
  readonly dataFiles: readonly string[];
}

export interface ModelSummary {
  readonly fileName: string;
  readonly files: readonly FileSummary[];
  /** What it can be saved as. */
  readonly formats: readonly DownloadFormat[];
  /** Of all files. */
  readonly bytes: number;
  /** Elements of all floating-point and quantized tensors of rank ≥ 1 (folded scalar constants left out). */
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
  /** Tokens fed, images, clips of sound, or samples of arrays. */
  readonly items: number;
  readonly unit: 'tokens' | 'images' | 'clips' | 'samples';
  /** Items that the metric scores on this split. */
  readonly scored: number;
  /** What those are, where not the same: a classifier of texts gives one answer a chunk. */
  readonly scoredUnit?: 'chunks';
}

export interface DataSummary {
  readonly kind: 'text' | 'pairs' | 'images' | 'audio' | 'tensors';
  /** What the model is for, as its other files say it too: a masked language model may look like a causal one. */
  readonly task: Task;
  readonly splits: readonly SplitSummary[];
  /** A sentence: how the data was split. */
  readonly rule: string;
  /** Text and pairs: tokens at most, and where that number came from (a sentence). */
  readonly contextLength?: number;
  readonly contextSource?: string;
  /** The metric chosen from the model and the data. */
  readonly metric: Metric;
  /** All that can be chosen. */
  readonly metrics: readonly Metric[];
  /** Sentences. */
  readonly notes: readonly string[];
}

/**
 * `perplexity`: on chunks; `strided-perplexity`: sliding window; `token-accuracy`: next token; `accuracy`: of classes;
 * `kl`: mean KL(original ‖ merged) of the output distributions, in nats; `agreement`: share of equal top-1 outputs;
 * `cosine`: mean of 1 − cosine between the output vectors of the two.
 */
export type Metric =
  | 'perplexity'
  | 'strided-perplexity'
  | 'token-accuracy'
  | 'accuracy'
  | 'kl'
  | 'agreement'
  | 'cosine';

/** A metric and its settings. */
export interface MetricChoice {
  readonly metric: Metric;
  /** Tokens that the window moves, for `strided-perplexity`. */
  readonly stride?: number;
}

/** Something that is missing before the next step can run, with the sentence that asks for it. */
export interface Need {
  readonly what: 'data' | 'tokenizer' | 'preprocessor' | 'config' | 'labels' | 'context-length' | 'model';
  readonly sentence: string;
}

export interface DataState {
  readonly data: DataSummary | null;
  /** What the model can be saved as now, where that may have changed. */
  readonly formats?: readonly DownloadFormat[];
  readonly needs: readonly Need[];
}

export interface OpenResult extends DataState {
  readonly model: ModelSummary;
}

/** One of them at a time. */
export interface PartialResult {
  readonly sweep?: SweepEntry;
  readonly rung?: RungOutcome;
  readonly loss?: LossPoint;
  readonly tune?: TunePoint;
}

export interface Progress {
  /** Whole job, 0 to 1. */
  readonly fraction: number;
  /** What is being done, for people: `Measuring, batch 2 of 4`. */
  readonly label: string;
  /** Estimated seconds left; absent until known. */
  readonly secondsLeft?: number;
  /** A result of the job that is there already. */
  readonly partial?: PartialResult;
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

/** Methods of the registry: each makes one FFN of a set. */
export type TyingMethodId = keyof typeof mergeMethods;
/**
 * Ways to remove R FFNs. `random` merges by permutation at random windows of the same sizes (seeded); `ffn-drop`
 * leaves out all FFNs of a set but its first; `layer-drop` leaves out as many whole layers, chosen by evaluation.
 */
export type MergeMethodId = TyingMethodId | 'random' | 'ffn-drop' | 'layer-drop';
export type ReferenceChoice = 'first' | 'middle' | 'last';

/** Terms of the alignment score; several are summed with equal weights (method.md, last section). */
export type ScoreTerm = 'preactivation' | 'gate' | 'hidden' | 'input-weights' | 'output-weights';
/** `default`: pre-activation, and gate beside it for gated FFNs. `best`: the sums that are tried, chosen on select. */
export type ScoreChoice = readonly ScoreTerm[] | 'default' | 'best';

/** Layers of a group that share one FFN: two or more, ascending, not always adjacent. 0-based, execution order. */
export interface LayerSet {
  readonly groupId: string;
  readonly layers: readonly number[];
}

export interface MergePlan {
  readonly sets: readonly LayerSet[];
  readonly method: MergeMethodId;
  readonly reference: ReferenceChoice;
  readonly score: ScoreChoice;
  /** For `random`. */
  readonly seed?: number;
  /** Recovery after the merge, step by step; filled in by `recover`. */
  readonly recovery?: readonly RecoveryStep[];
}

export interface Saving {
  readonly parametersSaved: number;
  readonly bytesSaved: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface MergeResult {
  /** As it was carried out: sets drawn at random, layers chosen by evaluation and the best score are filled in. */
  readonly plan: MergePlan;
  /** For `layer-drop`: per group, the layers left out. */
  readonly droppedLayers?: readonly { readonly groupId: string; readonly layers: readonly number[] }[];
  readonly saving: Saving;
  /** Sentences: what else the merge did. */
  readonly notes: readonly string[];
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
  readonly stride?: number;
  readonly split: SplitName;
  readonly original: number;
  readonly merged: number;
  readonly samples: number;
  /** Paired standard error of the difference, in the metric's own unit (perplexity: of the NLL difference, scaled). */
  readonly standardError: number;
  readonly seconds: number;
  readonly engine: EngineSummary;
}

/**
 * `onnx`: the model's own files (a zip where they are several); `onnx-float16`: the same in half precision; `zip`: they
 * and the config and tokenizer files, with a note on loading them; `safetensors`: the checkpoint that was dropped
 * beside the model, merged alike (a zip).
 */
export type DownloadFormat = 'onnx' | 'onnx-float16' | 'zip' | 'safetensors';

export interface DownloadResult {
  readonly blob: Blob;
  readonly fileName: string;
  /** Sentences: what the person should know of the file. */
  readonly notes: readonly string[];
}

/** Every window of the given widths of one group, merged and scored on the select split. */
export interface SweepRequest {
  readonly groupId: string;
  readonly widths: readonly number[];
  readonly method: TyingMethodId;
  readonly reference: ReferenceChoice;
  readonly score: ScoreChoice;
}

export interface SweepEntry {
  readonly groupId: string;
  readonly first: number;
  readonly last: number;
  /** Raw metric on the select split. */
  readonly value: number;
  readonly original: number;
  /** Paired, of value − original. */
  readonly standardError: number;
  readonly bytesAfter: number;
  /** Blocks of the model that were run for it, over all batches; 0 where it came from the cache. */
  readonly blockRuns: number;
}

export interface SweepResult {
  readonly request: SweepRequest;
  readonly metric: Metric;
  readonly samples: number;
  /** Best first. */
  readonly entries: readonly SweepEntry[];
  /** How well each similarity measure predicts the damage. */
  readonly predictions: readonly Prediction[];
  readonly seconds: number;
  /** Blocks that one plain run of the split takes, for comparison. */
  readonly plainBlockRuns: number;
}

/** Rank correlation (Spearman) between a similarity of a window and the damage of merging it. */
export interface Prediction {
  readonly measure: SimilarityKind;
  /** −1 … 1; NaN where it is not defined. Negative = more alike, less damage. */
  readonly rho: number;
  /** Windows that it was computed on. */
  readonly count: number;
}
