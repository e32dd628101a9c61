/**
 * Debiased minibatch CKA.
 *
 * Source: method.md "Similarity" (Nguyen, Raghu, Kornblith 2021, eq. 2–3; HSIC₁ of Song et al. 2012):
 *   HSIC₁(K, L) = [tr(K̃L̃) + (1ᵀK̃1)(1ᵀL̃1)/((m−1)(m−2)) − 2·1ᵀK̃L̃1/(m−2)] / (m(m−3))
 * averaged over minibatches of m rows for (i, j), (i, i) and (j, j); CKA = H_ij / √(H_ii·H_jj).
 * Near 0 for independent features whatever the width d, where exact (biased) CKA is high.
 *
 * Known limits: an estimate may be slightly below 0 or above 1. Every minibatch counts the same, so the rows of
 * each `add` are cut into equal minibatches where they divide, and a last short one otherwise.
 */
import type { Backend, HsicSums, Matrix } from '../kernels/backend.ts';

/** HSIC₁ divides by m(m−3): it does not exist below. */
const FEWEST_ROWS = 4;

export interface DebiasedCka {
  /** Rows used so far (remainders of fewer than 4 rows are left out). */
  readonly samples: number;
  /** Adds a batch: one matrix [T × d] a layer, T the same for all. */
  add(batch: readonly Matrix[], signal?: AbortSignal): Promise<void>;
  /** CKA, row-major [N × N], symmetric, diagonal 1; NaN where a layer's own HSIC is not positive. */
  finish(): Promise<Float64Array>;
  dispose(): void;
}

export interface DebiasedCkaOptions {
  /** Most rows of a minibatch, 4 to 1024; 256 by default. */
  readonly rows?: number;
}

export function createDebiasedCka(
  backend: Backend,
  layers: number,
  options: DebiasedCkaOptions = {},
): DebiasedCka {
  const most = options.rows ?? 256;
  if (!Number.isInteger(most) || most < FEWEST_ROWS || most > 1024) {
    throw new RangeError(`Minibatches of 4 to 1024 rows are possible; ${most} were asked for.`);
  }
  let sums: HsicSums | null = null;
  let samples = 0;

  return {
    get samples() {
      return samples;
    },
    async add(batch, signal) {
      if (batch.length !== layers) {
        throw new RangeError(`CKA over ${layers} layers was given a batch of ${batch.length} matrices.`);
      }
      sums ??= backend.createHsicSums(layers);
      for (const { first, count } of minibatches(batch[0]?.rows ?? 0, most)) {
        await backend.addHsic(sums, batch, first, count, signal);
        samples += count;
      }
    },
    async finish() {
      if (sums === null || sums.minibatches === 0) {
        throw new Error('Debiased CKA needs at least one minibatch of 4 rows.');
      }
      return ckaFromHsic(await backend.readHsic(sums), layers);
    },
    dispose() {
      if (sums !== null) backend.release(sums);
      sums = null;
    },
  };
}

/** Cuts `total` rows into minibatches of `most`; a remainder of fewer than 4 rows is left out. */
export function minibatches(total: number, most: number): { first: number; count: number }[] {
  const out: { first: number; count: number }[] = [];
  for (let first = 0; first < total; first += most) {
    const count = Math.min(most, total - first);
    if (count >= FEWEST_ROWS) out.push({ first, count });
  }
  return out;
}

/** H_ij / √(H_ii·H_jj) from sums (or means) of HSIC estimates, row-major [N × N]. */
export function ckaFromHsic(hsic: Float64Array, layers: number): Float64Array {
  const out = new Float64Array(layers * layers);
  for (let i = 0; i < layers; i++) {
    for (let j = 0; j < layers; j++) {
      const own = hsic[i * layers + i];
      const other = hsic[j * layers + j];
      const defined = own > 0 && other > 0;
      out[i * layers + j] = defined ? hsic[i * layers + j] / Math.sqrt(own * other) : Number.NaN;
    }
    if (hsic[i * layers + i] > 0) out[i * layers + i] = 1;
  }
  return out;
}
