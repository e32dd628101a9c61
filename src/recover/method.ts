/**
 * The contract of a recovery method (a rung of the ladder), and its registry.
 *
 * A rung is a folder with one module that gives a label, options with defaults, what it stores, and a function from
 * a tied FFN and its calibration data to a better tied FFN. Nothing is changed in place. Whether a rung is kept is the
 * caller's to decide, on the selection split; a rung sees calibration data only. Adding a rung is adding a folder, a
 * line here and its place in the ladder (src/CONTRIBUTING.md goes through it).
 */
import { affine } from './affine/affine.ts';
import type { CalibrationData } from './calibration.ts';
import { distill } from './distill/distill.ts';
import { downRidge } from './down-ridge/down-ridge.ts';
import { gains } from './gains/gains.ts';
import type { LinearAlgebra } from './linear-algebra.ts';
import { lowRank } from './low-rank/low-rank.ts';
import { ownBiases } from './own-biases/own-biases.ts';
import type { LayerFfn, OwnRole, TiedFfn } from './tied-ffn.ts';
import { upRegression } from './up-regression/up-regression.ts';

export interface RecoveryInput {
  readonly ffn: TiedFfn;
  /** The original layers, aligned by their permutations. */
  readonly originals: readonly LayerFfn[];
  readonly data: CalibrationData;
  readonly algebra: LinearAlgebra;
  /**
   * Vectors and deltas that the file can hold for each layer; absent = all. No rung gives a layer another of its own:
   * it fits without where that is possible, and is refused where not.
   */
  readonly storable?: ReadonlySet<OwnRole>;
  readonly signal?: AbortSignal;
  /** Asked between steps: whether to come to an end with the best so far. */
  readonly isOver?: () => boolean;
  /** For rungs that take steps: how many of how many, and the held-out objective so far. Awaited. */
  readonly onStep?: (done: number, total: number, heldOut: number) => void | Promise<void>;
}

export interface Recovered {
  readonly ffn: TiedFfn;
  /** The rung's own objective before and after, on the rows that it is measured on; never larger after. */
  readonly before: number;
  readonly after: number;
  /** Sentences for people: a raised λ, a step that was not kept. */
  readonly notes: readonly string[];
  /**
   * Options, beside the defaults, with which the rung gives the same again without choosing anything. Absent where it
   * chooses nothing beyond the options that it was given. The held-out share is among them: nothing is held out then,
   * but sums are rounded in the same parts.
   */
  readonly chosen?: ChosenOptions;
}

/** Options as a recipe can hold them. */
export type ChosenOptions = Readonly<Record<string, number | string | boolean | readonly string[]>>;

export interface RecoveryMethod<Options> {
  /** Its key in the registry: R and a number as in the ladder, or a word. */
  readonly id: string;
  /** For people. */
  readonly label: string;
  readonly defaults: Options;
  /**
   * What each layer may have of its own after the rung, where the file can hold it; counted by `storageOf`. Biases among
   * them stay tied or away where it cannot.
   */
  stores(ffn: TiedFfn, options?: Partial<Options>): readonly OwnRole[];
  /**
   * @throws RangeError for data or options that do not fit, or a file that cannot hold the result, with what to do
   * @throws DOMException AbortError where cancelled
   */
  recover(input: RecoveryInput, options?: Partial<Options>): Promise<Recovered>;
}

export const recoveryMethods = {
  R0b: ownBiases,
  R1: upRegression,
  R2: affine,
  R3: downRidge,
  R4: gains,
  R5: lowRank,
  R6: distill,
} as const;
