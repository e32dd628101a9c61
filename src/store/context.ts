/** What the slices of the store share: the worker, the files, the one job, and the worker's variant. */
import type {
  JobUpdate,
  LayerSet,
  MergePlan,
  MergeResult,
  Status,
  Step,
  StudioApi,
  StudioState,
} from './types.ts';

/** How files come in and go out; a test gives its own. */
export interface FileDoor {
  /** Reads one file of a sample from the page's own origin. */
  fetchSample(sample: string, file: string, signal: AbortSignal): Promise<File>;
  /** Asks where to save before the content is made (a picker needs the click that led to it); null when there is no picker. */
  choosePlace(suggestedName: string): Promise<SavePlace | null>;
  /** Saves with a link: no picker. */
  saveAsLink(blob: Blob, name: string): void;
}

export interface SavePlace {
  readonly name: string;
  write(blob: Blob, signal: AbortSignal, onBytes: (written: number) => void): Promise<void>;
}

/** What every slice gets. */
export interface SliceContext extends Tools {
  readonly variant: VariantKeeper;
  /** Gives the picks new sets, and asks what they would save. */
  readonly changeSets: (sets: readonly LayerSet[]) => void;
}

/** What those two are made of. */
export interface Tools {
  readonly api: StudioApi;
  readonly files: FileDoor;
  readonly set: (part: Partial<StudioState>) => void;
  readonly get: () => StudioState;
  readonly jobs: JobRunner;
  readonly fail: (step: Step, sentence: string) => void;
}

export interface JobOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: JobUpdate) => void;
}

export interface JobRunner {
  /** Runs the one job that may run; resolves when it has ended, however it ended. Refused (false) while another runs. */
  run(
    job: { step: Step; label: string; cancelled: string | (() => string) },
    work: (options: JobOptions) => Promise<Status | null>,
  ): Promise<boolean>;
  cancel(): void;
}

/** Knows what the worker holds, and brings it in line with what the page shows before it is used. */
export interface VariantKeeper {
  /** Has the worker carry out a plan. While it runs, and after it failed, what the worker holds is not known. */
  put(plan: MergePlan, options: JobOptions): Promise<MergeResult>;
  /** The variant that the page shows becomes the worker's, where it is not. */
  settle(options: JobOptions): Promise<void>;
  /** The chosen metric becomes the worker's, where it is not. */
  settleMetric(options: JobOptions): Promise<void>;
}
