/**
 * R4: a gain for each hidden unit of each layer, in turn with the joint down-projection (method.md, Recovery ladder).
 *
 *   Ŷᵢ = (Hᵢ⊙sᵢ)·W_out,  [(H̄ᵢᵀH̄ᵢ)⊙(W_out·W_outᵀ) + λI] sᵢ = diag(H̄ᵢᵀȲᵢ·W_outᵀ) + λ1,
 *
 * so that sᵢ shrinks towards 1; then W_out is refitted with these gains (R3). A layer's gains are taken only where
 * they do better on the held-out rows, and a round only where the error on all rows goes down.
 *
 * The layers' moments are collected one after the other, a reading of the data each, so that one n × n accumulator is
 * enough. Stores n floats a layer for s and d for b_out. In a gated FFN s folds into γ of the up projection (storage.ts).
 */
import { downMoments, refitDown } from '../down-ridge/down-ridge.ts';
import type { Dense } from '../linear-algebra.ts';
import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { about, type CentredMoments, residual } from '../moments.ts';
import { chooseRidge } from '../ridge.ts';
import { type Collected, collectMoments, outputPowers } from '../statistics.ts';
import { forwardHidden, shapeOf, type TiedFfn, withVectors } from '../tied-ffn.ts';

export interface GainsOptions {
  /** For the gains, in units of the mean diagonal of their system. */
  readonly lambdas: readonly number[];
  /** For the down-projection; see R3. */
  readonly downLambdas: readonly number[];
  readonly holdOut: number;
  /** Gains and down-projection in turn, so often. */
  readonly rounds: number;
}

export const gains: RecoveryMethod<GainsOptions> = {
  id: 'R4',
  label: 'Gains of hidden units',
  defaults: {
    lambdas: [0.001, 0.01, 0.1, 1, 10],
    downLambdas: [0.001, 0.003, 0.01, 0.03, 0.1],
    holdOut: 0.2,
    rounds: 2,
  },
  stores: () => ['hiddenScale', 'bOut'],

  async recover(input, options = {}) {
    const settings = { ...gains.defaults, ...options };
    const { data, signal } = input;
    const powers = await outputPowers(data, signal);
    const start = await downMoments(input, powers, settings.holdOut);
    const before = (await residual(input.algebra, start.all, input.ffn.shared.wOut.data)) / start.all.rows;
    const notes: string[] = [];
    let [best, after] = [input.ffn, before];
    for (let round = 0; round < settings.rounds; round++) {
      const scaled = await fitGains({ ...input, ffn: best }, powers, settings, notes);
      if (scaled === best) break;
      const moments = await downMoments({ ...input, ffn: scaled }, powers, settings.holdOut);
      const refitted = await refitDown({ ...input, ffn: scaled }, moments, {
        lambdas: settings.downLambdas,
        towards: 'zero',
      });
      if (!(refitted.error < after)) break;
      [best, after] = [refitted.ffn, refitted.error];
      notes.push(...refitted.notes);
      input.onStep?.(round + 1, settings.rounds, after);
    }
    if (best === input.ffn) notes.push('Gains of hidden units brought nothing and were left out.');
    return { ffn: best, before, after, notes: [...new Set(notes)] };
  },
};

/** Gains for the layers where they help on held-out rows; the same FFN where they help nowhere. */
async function fitGains(
  input: RecoveryInput,
  powers: readonly number[],
  { lambdas, holdOut }: GainsOptions,
  notes: string[],
): Promise<TiedFfn> {
  const { ffn, data, algebra, signal } = input;
  const { layers, dFf } = shapeOf(ffn);
  const squares = await algebra.matmul(ffn.shared.wOut, ffn.shared.wOut, { transB: true });
  const ones = new Float64Array(dFf).fill(1);
  const fitted = new Map<number, Float32Array>();
  for (let layer = 0; layer < layers; layer++) {
    const collected = await collectMoments(
      algebra,
      data,
      [1 / powers[layer]],
      async (batch) => {
        const x = batch.x[layer];
        const { hidden } = await forwardHidden(algebra, ffn.activation, ffn.shared, ffn.layers[layer], x);
        return { a: hidden, b: batch.y[layer] };
      },
      { holdOut, ...(signal && { signal }) },
    );
    const system = gainSystem(collected, ffn.shared.wOut, squares);
    const fit = await chooseRidge(algebra, system, lambdas, ones);
    notes.push(...fit.notes);
    const current = ffn.layers[layer].hiddenScale ?? ones;
    const { heldOut } = system;
    const kept = heldOut
      ? (await residual(algebra, heldOut, current)) / heldOut.rows
      : Number.POSITIVE_INFINITY;
    if (!heldOut || fit.heldOut < kept) fitted.set(layer, Float32Array.from(fit.w));
  }
  if (fitted.size === 0) return ffn;
  return withVectors(ffn, (i) => ({
    hiddenScale: fitted.get(i) ?? ffn.layers[i].hiddenScale ?? Float32Array.from(ones),
  }));
}

/** The system of the gains as moments of n features and one target. */
function gainSystem({ fit, heldOut, all }: Collected, wOut: Dense, squares: Dense): Collected {
  const of = (m: CentredMoments): CentredMoments => {
    const { p, q } = m;
    const cross = new Float64Array(p);
    for (let u = 0; u < p; u++) {
      for (let c = 0; c < q; c++) cross[u] += m.cross[u * q + c] * wOut.data[u * q + c];
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
  };
  const shifted = heldOut && about(heldOut, () => ({ a: fit.meanA[0], b: fit.meanB[0] }));
  return { fit: of(fit), heldOut: shifted && of(shifted), all: of(all) };
}
