/**
 * Pearson correlation between the hidden units of pairs of layers, streaming.
 *
 * Source: arXiv 2501.06126 §3 (features and correlation); method.md "Steps", 2. C [n × n]: rows the units of the
 * first layer of the pair, columns those of the second. Standard deviations are clamped at 1e-7, so that dead
 * units give 0, never NaN. Only the pairs asked for are accumulated: n² elements each.
 */
import type { Backend, Matrix, Pair, PairMoments } from '../kernels/backend.ts';

export interface Correlation {
  /** Rows seen so far. */
  readonly samples: number;
  readonly pairs: readonly Pair[];
  /** Adds a batch: for every layer that a pair names, its features [T × n], T the same for all. */
  add(features: ReadonlyMap<number, Matrix>, signal?: AbortSignal): Promise<void>;
  /** Correlation of `pairs[pairIndex]`, [n × n], in [−1, 1]. May be asked for at any time; the caller releases it. */
  finish(pairIndex: number): Promise<Matrix>;
  dispose(): void;
}

/**
 * @param pairs of layer numbers (any non-negative integers).
 */
export function createCorrelation(backend: Backend, pairs: readonly Pair[]): Correlation {
  const layers = [...new Set(pairs.flat())].sort((a, b) => a - b);
  const slot = new Map(layers.map((layer, k) => [layer, k]));
  const slots = pairs.map(([a, b]): Pair => [slot.get(a)!, slot.get(b)!]);
  let moments: PairMoments | null = null;

  return {
    pairs,
    get samples() {
      return moments?.samples ?? 0;
    },
    async add(features, signal) {
      const batch = layers.map((layer) => {
        const matrix = features.get(layer);
        if (matrix === undefined) throw new RangeError(`The batch has no features of layer ${layer}.`);
        return matrix;
      });
      moments ??= backend.createPairMoments(
        batch.map((m) => m.cols),
        slots,
      );
      await backend.addPairMoments(moments, batch, signal);
    },
    async finish(pairIndex) {
      if (moments === null) throw new Error('A correlation needs at least one batch of activations.');
      return backend.correlation(moments, pairIndex);
    },
    dispose() {
      if (moments !== null) backend.release(moments);
      moments = null;
    },
  };
}
