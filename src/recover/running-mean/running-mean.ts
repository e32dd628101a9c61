/**
 * R0c: alignment to the running mean of the aligned layers, rather than once to the reference (method.md).
 *
 * Where the score of two units is bilinear in them (a covariance, a correlation of standardised activations, the dot
 * product of weight vectors), the score against the mean of the other layers is the mean of the scores with each of
 * them. So nothing but the pair scores is needed: each pass takes the layers in turn and assigns layer j anew to
 *
 *   S[u, v] = Σ_{i≠j} C_ij[πᵢ(u), v] / (k − 1).
 *
 * Every assignment is optimal given the others, so Σ_{i<j} Σᵤ C_ij[πᵢ(u), π_j(u)] never goes down. The reference stays
 * as it is, since one common permutation of all layers changes nothing. Stores nothing.
 */
import { Permutation } from '../../align/permutation.ts';

export interface RunningMeanInput {
  /** Units of a layer. */
  readonly size: number;
  /** One a layer; null is the identity. The start, e.g. the alignment to the reference. */
  readonly permutations: readonly (Permutation | null)[];
  /** The layer that keeps its permutation. */
  readonly reference: number;
  /** C_ij [n × n], rows units of layer i, columns of layer j; asked for i < j only, and often: keep it at hand. */
  pairScore(i: number, j: number): Promise<Float32Array>;
  /** A maximising assignment. */
  solve(
    score: Float32Array,
    size: number,
    signal?: AbortSignal,
  ): Promise<{ readonly permutation: Permutation }>;
  readonly signal?: AbortSignal;
}

export interface RunningMeanOptions {
  /** Over all layers; it ends earlier where a pass changes nothing. */
  readonly passes: number;
}

export interface RunningMeanResult {
  readonly permutations: readonly Permutation[];
  /** Σ over pairs of layers and units, before and after. */
  readonly before: number;
  readonly after: number;
  /** Passes made. */
  readonly passes: number;
}

export const runningMean = {
  id: 'R0c',
  label: 'Align to the running mean',
  defaults: { passes: 3 } as RunningMeanOptions,

  /** @throws RangeError for a reference that is no layer */
  async align(
    input: RunningMeanInput,
    options: Partial<RunningMeanOptions> = {},
  ): Promise<RunningMeanResult> {
    const { passes } = { ...runningMean.defaults, ...options };
    const { size, reference, signal } = input;
    const current = input.permutations.map((p) => p ?? Permutation.identity(size));
    if (!current[reference]) {
      throw new RangeError(`The reference must be one of ${current.length} layers; it was ${reference}.`);
    }
    const before = await total(input, current);
    let done = 0;
    let changed = true;
    while (done < passes && changed && current.length > 1) {
      changed = false;
      for (let j = 0; j < current.length; j++) {
        if (j === reference) continue;
        signal?.throwIfAborted();
        const score = await scoreAgainstOthers(input, current, j);
        const { permutation } = await input.solve(score, size, signal);
        const gain = objective(score, permutation) - objective(score, current[j]);
        // Equal assignments by rounding are no change, so that passes end.
        if (permutation.equals(current[j]) || gain <= 0) continue;
        current[j] = permutation;
        changed = true;
      }
      done++;
    }
    return { permutations: current, before, after: await total(input, current), passes: done };
  },
};

async function scoreAgainstOthers(
  { size, pairScore }: RunningMeanInput,
  permutations: readonly Permutation[],
  j: number,
): Promise<Float32Array> {
  const sums = new Float64Array(size * size);
  for (let i = 0; i < permutations.length; i++) {
    if (i === j) continue;
    const { indices } = permutations[i];
    const pair = i < j ? await pairScore(i, j) : await pairScore(j, i);
    for (let u = 0; u < size; u++) {
      for (let v = 0; v < size; v++) {
        sums[u * size + v] += i < j ? pair[indices[u] * size + v] : pair[v * size + indices[u]];
      }
    }
  }
  const others = permutations.length - 1;
  return Float32Array.from(sums, (s) => s / others);
}

function objective(score: Float32Array, { indices }: Permutation): number {
  return indices.reduce((sum, v, u) => sum + score[u * indices.length + v], 0);
}

/** Σ_{i<j} Σᵤ C_ij[πᵢ(u), π_j(u)]. */
async function total({ size, pairScore }: RunningMeanInput, permutations: readonly Permutation[]) {
  let sum = 0;
  for (let j = 1; j < permutations.length; j++) {
    for (let i = 0; i < j; i++) {
      const pair = await pairScore(i, j);
      const [p, q] = [permutations[i].indices, permutations[j].indices];
      for (let u = 0; u < size; u++) sum += pair[p[u] * size + q[u]];
    }
  }
  return sum;
}
