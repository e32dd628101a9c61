/**
 * The shape of what the page knows. Everything here is small and serialisable: no tensor, session or device.
 * The one exception is the correlation of the pair asked for last, kept so that it can be saved.
 * The pipeline's facts are passed on from here, because `ui` imports the store and not the pipeline.
 */
import type {
  AlignmentResult,
  DataSummary,
  EngineSummary,
  EvaluationResult,
  LayerWindow,
  MergeMethodId,
  MergePlan,
  MergeResult,
  ModelSummary,
  Need,
  ReferenceChoice,
  Saving,
  SimilarityKind,
  SimilarityMatrix,
} from '../pipeline/types.ts';
import type { GpuPreference, StudioApi } from '../worker/api.ts';

export type {
  AlignmentResult,
  DataSummary,
  EngineSummary,
  EvaluationResult,
  GroupSummary,
  LayerWindow,
  MergeMethodId,
  MergePlan,
  MergeResult,
  Metric,
  ModelSummary,
  Need,
  ReferenceChoice,
  Saving,
  SimilarityKind,
  SimilarityMatrix,
  SplitSummary,
  ValueSummary,
} from '../pipeline/types.ts';
export type { GpuPreference, StudioApi } from '../worker/api.ts';

/** The six steps of the page; a job and an error belong to one of them. */
export type Step = 'open' | 'calibrate' | 'see' | 'merge' | 'compare' | 'download';

export type Theme = 'light' | 'dark';

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
  readonly plan: MergePlan;
  readonly saving: Saving;
  readonly evaluation: EvaluationResult;
}

export interface StudioFacts {
  readonly engine: {
    readonly status: 'idle' | 'probing' | 'ready' | 'failed';
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
  readonly picks: { readonly windows: readonly LayerWindow[]; readonly saving: Saving | null };
  readonly merge: {
    readonly method: MergeMethodId;
    readonly reference: ReferenceChoice;
    /** What the download will hold; null means the original. */
    readonly result: MergeResult | null;
    /** What the worker holds. Differs from `result` only between clearing the picks and the next evaluation or download. */
    readonly held: MergePlan | null;
  };
  readonly evaluation: EvaluationResult | null;
  readonly tried: readonly TriedVariant[];
  readonly view: {
    readonly kind: SimilarityKind;
    readonly groupId: string | null;
    readonly table: boolean;
    readonly stretch: boolean;
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
  removeWindow(window: LayerWindow): void;
  clearWindows(): void;
  setMethod(method: MergeMethodId): void;
  setReference(reference: ReferenceChoice): void;
  runMerge(): Promise<void>;
  evaluate(): Promise<void>;
  download(): Promise<void>;
  saveMatrix(): void;
  saveAlignment(): void;
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
export interface SliceContext {
  readonly api: StudioApi;
  readonly files: FileDoor;
  readonly set: (part: Partial<StudioState>) => void;
  readonly get: () => StudioState;
  readonly jobs: JobRunner;
  readonly fail: (step: Step, sentence: string) => void;
}

export interface JobOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { fraction: number; label: string; secondsLeft?: number }) => void;
}

export interface JobRunner {
  /** Runs the one job that may run; resolves when it has ended, however it ended. Refused (false) while another runs. */
  run(
    job: { step: Step; label: string; cancelled: string },
    work: (options: JobOptions) => Promise<Status | null>,
  ): Promise<boolean>;
  cancel(): void;
}
