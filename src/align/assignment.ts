/**
 * Linear assignment (signatures; the solver follows).
 */
import type { Permutation } from './permutation.ts';

export class AssignmentError extends Error {
  override readonly name = 'AssignmentError';
}

/** Thrown where `shouldStop` said so. */
export class AssignmentStopped extends Error {
  override readonly name = 'AssignmentStopped';
}

export interface Assignment {
  /** permutation.indices[u] = the column matched to row u. */
  readonly permutation: Permutation;
  /** Σ_u score[u, permutation[u]]. */
  readonly objective: number;
}

export interface AssignmentOptions {
  /** Asked every few milliseconds; true ends the search with `AssignmentStopped`. */
  readonly shouldStop?: () => boolean;
}

/**
 * Maximises Σ_u score[u, π(u)] exactly.
 * @param score row-major [n × n], finite.
 * @throws AssignmentError for a wrong length, NaN or Infinity.
 */
export declare function solveAssignment(
  score: Float32Array | Float64Array,
  n: number,
  options?: AssignmentOptions,
): Assignment;

/** The same, giving way to the event loop every few milliseconds, so that an abort can arrive. */
export declare function solveAssignmentAsync(
  score: Float32Array | Float64Array,
  n: number,
  signal?: AbortSignal,
): Promise<Assignment>;
