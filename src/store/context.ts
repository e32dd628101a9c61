/** What the slices of the store share: the worker, the files, the one job, and the worker's variant. */
import type { Recipe } from '../recipe/schema.ts';
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
  /** Puts a text on the clipboard; false where the browser does not let it. */
  copyText(text: string): Promise<boolean>;
  /** The page's own address, without what follows `?` and `#`. */
  pageAddress(): string;
  /** As the browser names itself. */
  browserName(): string;
}

export interface SavePlace {
  readonly name: string;
  write(blob: Blob, signal: AbortSignal, onBytes: (written: number) => void): Promise<void>;
}

/** What every slice gets. */
export interface SliceContext extends Tools {
  readonly variant: VariantKeeper;
  readonly session: SessionKeeper;
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
  /**
   * Has the worker merge by a recipe; `put` of the plan that it gives uses the recipe again, with its permutations.
   * @param asked the plan that stands for it; by default the plan as it was carried out
   */
  putRecipe(recipe: string | Recipe, options: JobOptions, asked?: MergePlan): Promise<MergeResult>;
  /** `put` of this plan will use the recipe. */
  remember(asked: MergePlan, recipe: string): void;
  /** The variant that the page shows becomes the worker's, where it is not. */
  settle(options: JobOptions): Promise<void>;
  /** The chosen metric becomes the worker's, where it is not. */
  settleMetric(options: JobOptions): Promise<void>;
}

/** The session that was kept before the page was loaded, until it is taken up again. */
export interface SessionKeeper {
  /** Looks for one, and tells of it. */
  look(): Promise<void>;
  /**
   * After a model or data were opened: what of it holds becomes the page's and the worker's.
   * @returns a sentence for the status line; null where nothing came back
   */
  resume(options: JobOptions): Promise<string | null>;
  /** The engine is gone, and the open model with it: what is shown waits for the same files. */
  engineStopped(): Promise<void>;
  forget(): Promise<void>;
  /** Another one takes its place. */
  replaced(): void;
}
