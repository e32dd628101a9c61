/** What waits to be done again: a recipe for its model, and the last session for its files. */
import type { FileIdentity } from '../recipe/schema.ts';

/** A recipe that was given, and waits for its model or for a yes. */
export interface AskingRecipe {
  readonly from: 'link' | 'file';
  /** The model's files that it asks for. */
  readonly files: readonly FileIdentity[];
  /** What it merges, in words. */
  readonly what: string;
}

/** What was open before the page was loaded again, or before the engine stopped. */
export interface WasOpen {
  readonly fileName: string;
  readonly files: readonly FileIdentity[];
  /** The sample that it was, where it was one. */
  readonly sample: string | null;
  /** Milliseconds since 1970. */
  readonly savedAt: number;
  /** The results that were kept, in words. */
  readonly what: readonly string[];
  /** What it waits for: its model (still shown, where the engine stopped), or, once that is open, its data. */
  readonly stage: 'model' | 'stopped' | 'data';
  /** Why what was opened is not it. */
  readonly sentence: string | null;
}
