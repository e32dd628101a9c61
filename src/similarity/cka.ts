/**
 * Linear CKA of layer outputs, exact over all rows seen.
 *
 * Source: method.md "Similarity" (Kornblith et al. 2019, eq. for linear CKA; what arXiv 2501.06126 plots):
 *   CKA(i, j) = ‖YⱼᵀYᵢ‖²_F / (‖YᵢᵀYᵢ‖_F · ‖YⱼᵀYⱼ‖_F), columns centred over all rows.
 * Shapes: Yᵢ [T × d]; the cross moments [d × d] of each pair stay on the device, memory does not grow with T.
 *
 * Known limits: biased. It is high even for random features where T is not ≫ d; `debiased-cka.ts` is the remedy.
 */
import type { Backend, Matrix, Pair, PairMoments } from '../kernels/backend.ts';
import { allPairs } from './memory.ts';

export interface ExactCka {
  /** Rows seen so far. */
  readonly samples: number;
  /** Adds a batch: one matrix [T × d] a layer, T the same for all. Null only where no pair uses the layer. */
  add(batch: readonly (Matrix | null)[], signal?: AbortSignal): Promise<void>;
  /**
   * ‖centred cross moments‖²_F, row-major [N × N], symmetric; NaN where the pair is not in this pass.
   * For work in passes: overlay the passes with `overlay`, then `ckaFromNorms`.
   */
  norms(): Promise<Float64Array>;
  /** CKA, row-major [N × N], symmetric; NaN where the pair, or the diagonal of one of its layers, is not measured. */
  finish(): Promise<Float64Array>;
  dispose(): void;
}

/**
 * @param layers N
 * @param pairs of this pass; by default all i ≤ j. CKA of a pair needs (i, i) and (j, j) in some pass.
 */
export function createExactCka(
  backend: Backend,
  layers: number,
  pairs: readonly Pair[] = allPairs(layers),
): ExactCka {
  let moments: PairMoments | null = null;

  async function norms(): Promise<Float64Array> {
    if (moments === null) throw new Error('CKA needs at least one batch of activations.');
    const out = new Float64Array(layers * layers).fill(Number.NaN);
    const values = await backend.centredCrossNorms(moments);
    pairs.forEach(([i, j], k) => {
      out[i * layers + j] = values[k];
      out[j * layers + i] = values[k];
    });
    return out;
  }

  return {
    get samples() {
      return moments?.samples ?? 0;
    },
    async add(batch, signal) {
      if (batch.length !== layers) {
        throw new RangeError(`CKA over ${layers} layers was given a batch of ${batch.length} matrices.`);
      }
      moments ??= backend.createPairMoments(
        batch.map((m) => m?.cols ?? 0),
        pairs,
      );
      await backend.addPairMoments(moments, batch, signal);
    },
    norms,
    async finish() {
      return ckaFromNorms(await norms(), layers);
    },
    dispose() {
      if (moments !== null) backend.release(moments);
      moments = null;
    },
  };
}

/**
 * CKA from squared norms of the centred cross moments, both row-major [N × N].
 * A layer with constant output has no direction to compare: its CKA with others is 0, with itself 1.
 */
export function ckaFromNorms(norms: Float64Array, layers: number): Float64Array {
  const out = new Float64Array(layers * layers);
  for (let i = 0; i < layers; i++) {
    for (let j = 0; j < layers; j++) {
      const scale = Math.sqrt(norms[i * layers + i]) * Math.sqrt(norms[j * layers + j]);
      const cross = norms[i * layers + j];
      if (Number.isNaN(cross) || Number.isNaN(scale)) out[i * layers + j] = Number.NaN;
      else if (i === j) out[i * layers + j] = 1;
      else out[i * layers + j] = scale > 0 ? cross / scale : 0;
    }
  }
  return out;
}

/** Writes the measured (not NaN) entries of `source` over `target`, in place; returns `target`. */
export function overlay(target: Float64Array, source: Float64Array): Float64Array {
  for (let k = 0; k < target.length; k++) if (!Number.isNaN(source[k])) target[k] = source[k];
  return target;
}
