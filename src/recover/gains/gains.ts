/**
 * R4: a gain for each hidden unit of each layer, in turn with the joint down-projection (method.md, Recovery ladder).
 *
 *   Ŷᵢ = (Hᵢ⊙sᵢ)·Wᵢ,  [(H̄ᵢᵀH̄ᵢ)⊙(Wᵢ·Wᵢᵀ) + λI] sᵢ = diag(H̄ᵢᵀȲᵢ·Wᵢᵀ) + λ1,
 *
 * with Wᵢ = W_out and the layer's low-rank delta, so that sᵢ shrinks towards 1; then W_out is refitted with these gains
 * (R3). A layer's gains are taken only where they do better on the held-out rows, and a round only where the error on
 * all rows goes down. |s| is at least 1e-3 (storable.ts).
 *
 * The layers' moments are collected one after the other, a reading of the data each, so that one n × n accumulator is
 * enough. Stores n floats a layer for s and d for b_out. In a gated FFN s folds into γ of the up projection (storage.ts).
 */
import { centredFor } from '../centring.ts';
import { DOWN_LAMBDAS, downMoments, refitDown } from '../down-ridge/down-ridge.ts';
import { chooseFit, type LambdaOptions, withoutHeldOut } from '../lambda.ts';
import type { Dense, LinearAlgebra } from '../linear-algebra.ts';
import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { about, type CentredMoments, residual } from '../moments.ts';
import { type Collected, collectMoments, outputPowers } from '../statistics.ts';
import { biasMode, canStore, floorScales, noPlaceFor } from '../storable.ts';
import { affine, forwardHidden, plus, shapeOf, type TiedFfn, withVectors } from '../tied-ffn.ts';

export interface GainsOptions extends LambdaOptions {
  /** `lambdas` are for the gains, in units of the mean diagonal of their system; these for the down-projection (R3). */
  readonly downLambdas: readonly number[];
  /** Gains and down-projection in turn, so often. */
  readonly rounds: number;
  /**
   * What an earlier run took, where nothing is to be chosen: for each round and each of its layers the λ of the gains,
   * empty where the layer's gains stayed.
   */
  readonly taken: readonly string[];
  /** The same for the down-projection of each round; empty where W_out stayed. */
  readonly downTaken: readonly string[];
}

export const gains: RecoveryMethod<GainsOptions> = {
  id: 'R4',
  label: 'Gains of hidden units',
  defaults: {
    lambdas: [0.001, 0.01, 0.1, 1, 10],
    downLambdas: DOWN_LAMBDAS,
    holdOut: 0.2,
    rounds: 2,
    taken: [],
    downTaken: [],
  },
  stores: () => ['hiddenScale', 'bOut'],

  async recover(input, options = {}) {
    const settings = { ...gains.defaults, ...options };
    if (!canStore(input, 'hiddenScale')) throw noPlaceFor('gains of hidden units', gains.label);
    const { data, signal } = input;
    const { layers } = shapeOf(input.ffn);
    const decided = settings.downTaken.length > 0;
    const { holdOut } = settings;
    const rounds = decided ? settings.downTaken.length : settings.rounds;
    const part = decided ? withoutHeldOut : (moments: Collected) => moments;
    const powers = await outputPowers(data, signal);
    const start = await downMoments(input, powers, 0);
    const before = (await residual(input.algebra, start.all, input.ffn.shared.wOut.data)) / start.all.rows;
    const notes: string[] = [];
    const [taken, downTaken]: string[][] = [[], []];
    let [best, after] = [input.ffn, before];
    for (let round = 0; round < rounds; round++) {
      const lambdasOf = (layer: number) => {
        if (!decided) return settings.lambdas;
        const lambda = settings.taken[round * layers + layer];
        return lambda ? [Number(lambda)] : [];
      };
      const fitted = await fitGains({ ...input, ffn: best }, powers, lambdasOf, holdOut, part, notes);
      if (fitted.lambdas.every((lambda) => lambda === '')) break;
      const moments = part(await downMoments({ ...input, ffn: fitted.ffn }, powers, holdOut));
      const down = settings.downTaken[round];
      const refitted = await refitDown({ ...input, ffn: fitted.ffn }, moments, {
        lambdas: decided ? [Number(down)] : settings.downLambdas,
        towards: 'zero',
        refit: !decided || down !== '',
      });
      if (!(refitted.error < after)) break;
      [best, after] = [refitted.ffn, refitted.error];
      taken.push(...fitted.lambdas);
      downTaken.push(refitted.lambda === null ? '' : String(refitted.lambda));
      notes.push(...refitted.notes);
      await input.onStep?.(round + 1, rounds, after);
      if (input.isOver?.()) break;
    }
    if (best === input.ffn) notes.push('Gains of hidden units brought nothing and were left out.');
    const chosen = { rounds: downTaken.length, holdOut, taken, downTaken };
    return { ffn: best, before, after, notes: [...new Set(notes)], chosen };
  },
};

/** Gains for the layers where they help on held-out rows, and the λ of each; '' where they stayed. */
async function fitGains(
  input: RecoveryInput,
  powers: readonly number[],
  lambdasOf: (layer: number) => readonly number[],
  holdOut: number,
  part: (moments: Collected) => Collected,
  notes: string[],
): Promise<{ readonly ffn: TiedFfn; readonly lambdas: readonly string[] }> {
  const { ffn, algebra } = input;
  const { layers, dFf } = shapeOf(ffn);
  const ones = new Float64Array(dFf).fill(1);
  const fitted = new Map<number, Float32Array>();
  const chosen: string[] = [];
  for (let layer = 0; layer < layers; layer++) {
    chosen.push('');
    const lambdas = lambdasOf(layer);
    if (lambdas.length === 0) continue;
    const system = part(await gainSystem(input, layer, powers[layer], holdOut));
    const fit = await chooseFit(algebra, system, lambdas, ones);
    notes.push(...fit.notes);
    const current = ffn.layers[layer].hiddenScale ?? ones;
    const { heldOut } = system;
    if (heldOut && !(fit.heldOut < (await residual(algebra, heldOut, current)) / heldOut.rows)) continue;
    fitted.set(layer, floorScales(Float32Array.from(fit.w)));
    chosen[layer] = String(fit.lambda);
  }
  if (fitted.size === 0) return { ffn, lambdas: chosen };
  const scaled = withVectors(ffn, (i) => ({
    hiddenScale: fitted.get(i) ?? ffn.layers[i].hiddenScale ?? Float32Array.from(ones),
  }));
  return { ffn: scaled, lambdas: chosen };
}

/** The system of one layer's gains as moments of n features and one target. */
async function gainSystem(
  input: RecoveryInput,
  layer: number,
  power: number,
  holdOut: number,
): Promise<Collected> {
  const { ffn, data, algebra, signal } = input;
  const own = ffn.layers[layer];
  // A bias that all layers share, or none, stays while gains are fitted.
  const mode = biasMode(input, 'bOut') === 'own' ? 'own' : 'none';
  const fixed = mode === 'none' ? own.bOut?.map((v) => -v) : undefined;
  const collected = await collectMoments(
    algebra,
    data,
    [1 / power],
    async (batch) => {
      const { hidden } = await forwardHidden(algebra, ffn.activation, ffn.shared, own, batch.x[layer]);
      return { a: hidden, b: affine(batch.y[layer], undefined, fixed) };
    },
    { holdOut, ...(signal && { signal }) },
  );
  const w = await ownDown(algebra, ffn, layer);
  const squares = await algebra.matmul(w, w, { transB: true });
  const { fit, heldOut, all } = centredFor(collected, mode);
  const shifted = heldOut && about(heldOut, () => ({ a: fit.meanA[0], b: fit.meanB[0] }));
  return {
    fit: asGains(fit, w, squares),
    heldOut: shifted && asGains(shifted, w, squares),
    all: asGains(all, w, squares),
  };
}

/** W_out and the layer's delta. */
async function ownDown(algebra: LinearAlgebra, { shared, layers }: TiedFfn, layer: number): Promise<Dense> {
  const delta = layers[layer].outDelta;
  return plus(shared.wOut, delta ? await algebra.matmul(delta.a, delta.b) : null);
}

function asGains(m: CentredMoments, w: Dense, squares: Dense): CentredMoments {
  const { p, q } = m;
  const cross = new Float64Array(p);
  for (let u = 0; u < p; u++) {
    for (let c = 0; c < q; c++) cross[u] += m.cross[u * q + c] * w.data[u * q + c];
  }
  return {
    ...m,
    q: 1,
    gram: m.gram.map((v, i) => v * squares.data[i]),
    cross,
    // The centre is settled: further shifts are none.
    meanA: [new Float64Array(p)],
    meanB: [new Float64Array(1)],
  };
}
