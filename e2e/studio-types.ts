/** What the page object is asked for and gives back: its options and rows. */
import type { BrowserContextOptions } from 'playwright';
import type { PageServer } from './server.ts';

export interface StudioOptions {
  /** `force` uses the WebGPU kernels even on a software adapter (inference stays on wasm there). */
  readonly gpu?: 'auto' | 'force' | 'off';
  readonly headless?: boolean;
  /**
   * One thread makes timings comparable between machines, and is the default of tests, which run two at a time;
   * elsewhere it is as many as the machine has.
   */
  readonly threads?: number | 'all';
  /** Viewport, colour scheme and the like. */
  readonly context?: BrowserContextOptions;
  /** Sub-path to serve under. */
  readonly base?: string;
  /** Another host than `vite preview`; closed with the studio. */
  readonly server?: PageServer;
}

export interface Summary {
  readonly parameters: number;
  readonly bytes: number;
  readonly backend: 'webgpu' | 'cpu';
  readonly groups: { name: string; layers: number; dModel: number; dFf: number }[];
  readonly refusals: string[];
}

export type SimilarityKind = 'cka' | 'cka-debiased' | 'aligned' | 'attention';
export type MergeMethod = 'permute' | 'vanilla' | 'copy' | 'ffn-drop' | 'layer-drop' | 'random';
export type ReferenceChoice = 'first' | 'middle' | 'last';
export type DownloadFormat = 'onnx' | 'onnx-float16' | 'safetensors' | 'recipe' | 'zip';

export interface MergeOptions {
  readonly method?: MergeMethod;
  /** Terms joined by `+` in any order, `default`, `best`, or `combined` for the correlation with both weight terms. */
  readonly score?: string;
  readonly reference?: ReferenceChoice;
  /** Of random windows. */
  readonly seed?: number;
}

export interface Saved {
  readonly parametersSaved: number;
  readonly bytesSaved: number;
}

/** A row of the file that “Save sweep as CSV” saves. */
export interface SweepRow {
  readonly first: number;
  readonly last: number;
  readonly value: number;
  readonly original: number;
  readonly standardError: number;
  readonly bytesAfter: number;
  readonly blockRuns: number;
}

export interface PlanRow {
  readonly groups: [number, number][];
  readonly estimate: number;
  readonly score: number;
  /** With R3, where that was asked for. */
  readonly recovered?: number;
}

export type Rung = 'R0b' | 'R0c' | 'R1' | 'R2' | 'R3' | 'refresh' | 'R4' | 'R5' | 'R6' | 'tune';

export interface RecoverOptions {
  /** Only these; else the best in `minutes`. */
  readonly rungs?: readonly Rung[];
  readonly minutes?: number;
  /** Of distillation, for each set. */
  readonly steps?: number;
  /** Of own low-rank corrections. */
  readonly rank?: number;
  readonly seed?: number;
  /** Of tuning from end to end. */
  readonly tune?: TuneOptions;
}

export interface TuneOptions {
  readonly steps?: number;
  readonly rate?: number;
  /** Items a batch; 0 = chosen by the page. */
  readonly batch?: number;
  /** Batches a step. */
  readonly accumulate?: number;
  /** Share of the distance from the original in the loss. */
  readonly distil?: number;
  readonly of?: 'tied' | 'biases';
}

/** A row of the table of rungs; scores are raw metrics. */
export interface RungRow {
  readonly rung: string;
  /** On the select split, after it as kept. */
  readonly score: number;
  readonly kept: boolean;
  /** On the select split, before it. */
  readonly before: number;
  readonly report: number;
  readonly addedBytes: number;
  readonly seconds: number;
}

/** What the last run came to. */
export interface Recovered {
  readonly select: RecoveredScores;
  readonly report: RecoveredScores;
  /** By this run. */
  readonly bytesAdded: number;
  readonly bytesAfter: number;
}

export interface RecoveredScores {
  readonly original: number;
  readonly merged: number;
  readonly recovered: number;
}

export interface GenerateOptions {
  readonly prompt: string;
  readonly tokens: number;
  /** 0, the likeliest token always, unless said otherwise. */
  readonly temperature?: number;
  readonly seed?: number;
}

export interface VariantRow {
  /** Method and settings, as written. */
  readonly name: string;
  /** Values of the row's numbers, in order. */
  readonly values: number[];
}
