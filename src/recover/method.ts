/**
 * The contract of a recovery method (a rung of the ladder), and its registry.
 *
 * A rung is a folder with one module that gives a label, options with defaults, what it stores, and a function from
 * a tied FFN and its calibration data to a better tied FFN. Nothing is changed in place. Whether a rung is kept is the
 * caller's to decide, on the selection split; a rung sees calibration data only. Adding a rung is adding a folder and
 * a line here.
 */
import { affine } from './affine/affine.ts';
import type { CalibrationData } from './calibration.ts';
import { distill } from './distill/distill.ts';
import { downRidge } from './down-ridge/down-ridge.ts';
import { gains } from './gains/gains.ts';
import type { LinearAlgebra } from './linear-algebra.ts';
import { ownBiases } from './own-biases/own-biases.ts';
import type { LayerFfn, TiedFfn, VectorRole } from './tied-ffn.ts';
import { upRegression } from './up-regression/up-regression.ts';

export interface RecoveryInput {
  readonly ffn: TiedFfn;
  /** The original layers, aligned by their permutations. */
  readonly originals: readonly LayerFfn[];
  readonly data: CalibrationData;
  readonly algebra: LinearAlgebra;
  readonly signal?: AbortSignal;
  /** For rungs that take steps: how many of how many, and the held-out objective so far. */
  readonly onStep?: (done: number, total: number, heldOut: number) => void;
}

export interface Recovered {
  readonly ffn: TiedFfn;
  /** The rung's own objective before and after, on the rows that it is measured on; never larger after. */
  readonly before: number;
  readonly after: number;
  /** Sentences for people: a raised λ, a step that was not kept. */
  readonly notes: readonly string[];
}

export interface RecoveryMethod<Options> {
  /** As in method.md. */
  readonly id: 'R0b' | 'R1' | 'R2' | 'R3' | 'R4' | 'R5' | 'R6';
  /** For people. */
  readonly label: string;
  readonly defaults: Options;
  /** Vectors that each layer may have of its own after the rung; their floats are counted by `storageOf`. */
  stores(ffn: TiedFfn, options?: Partial<Options>): readonly VectorRole[];
  /**
   * @throws RangeError for data or options that do not fit, with what to do
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
  R6: distill,
} as const;
