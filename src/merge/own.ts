/**
 * What a layer keeps of its own beside the tied weights (recovery's vectors and low-rank deltas, method.md R0b, R2,
 * R4, R5): biases that its nodes read already, and changes of values that need new nodes of standard operators.
 */
import type { WeightRole } from '../graph/weights.ts';

/** Values of an FFN that can be changed after they are made: Z (up), Z of the gate, H, Y. */
export type OwnPlace = 'in' | 'gate' | 'hidden' | 'out';

/**
 * v′ = v ⊙ scale + (from · a) · b + shift, row by row; `from` is X for `in` and `gate`, H (as changed) for `out`, and
 * there is no delta for `hidden`. Sizes: scale and shift [d_ff], or [d_model] for `out`.
 */
export interface ValueChange {
  readonly scale?: Float32Array;
  readonly delta?: LowRankDelta;
  readonly shift?: Float32Array;
}

/** a [inner × rank], b [rank × outer], row-major. */
export interface LowRankDelta {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly rank: number;
}

export interface OwnLayer {
  /** Weights of roles that are not tied, in the shape that the nodes see; of each role all layers of the set have one. */
  readonly weights?: ReadonlyMap<WeightRole, Float32Array>;
  readonly changes?: ReadonlyMap<OwnPlace, ValueChange>;
}
