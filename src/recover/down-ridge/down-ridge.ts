/**
 * R3: the tied down-projection by joint ridge regression (method.md, Recovery ladder).
 *
 *   W_out = (Σᵢ H̄ᵢᵀH̄ᵢ/vᵢ + λI)⁻¹ Σᵢ H̄ᵢᵀȲᵢ/vᵢ,  b_out,i = mean(Yᵢ) − mean(Hᵢ)·W_out,
 *
 * with H the merged FFN's hidden states (after s, where R4 gave one) and vᵢ = mean‖Ȳᵢ‖². λ is in units of the mean
 * diagonal. Stores d floats a layer for b_out. One n × n Cholesky for each λ tried, and one for the final fit.
 */

import type { Recovered, RecoveryInput, RecoveryMethod } from '../method.ts';
import { type CentredMoments, residual } from '../moments.ts';
import { biasesOf, chooseRidge, heldOutError, ridgeObjective } from '../ridge.ts';
import { type Collected, collectMoments, outputPowers } from '../statistics.ts';
import { hiddenOf, shapeOf, type TiedFfn, withVectors } from '../tied-ffn.ts';

export interface DownRidgeOptions {
  /** Tried on held-out rows, in units of the mean diagonal. */
  readonly lambdas: readonly number[];
  /** Share of the calibration rows on which λ is chosen; the final fit uses all rows. */
  readonly holdOut: number;
  /** What large λ shrink towards: nothing, or the W_out that is there. */
  readonly towards: 'zero' | 'current';
}

export const downRidge: RecoveryMethod<DownRidgeOptions> = {
  id: 'R3',
  label: 'Refit the down-projection',
  defaults: { lambdas: [0.001, 0.003, 0.01, 0.03, 0.1], holdOut: 0.2, towards: 'zero' },
  stores: () => ['bOut'],

  async recover(input, options = {}) {
    const settings = { ...downRidge.defaults, ...options };
    const powers = await outputPowers(input.data, input.signal);
    const moments = await downMoments(input, powers, settings.holdOut);
    const { ffn, before, after, notes } = await refitDown(input, moments, settings);
    return { ffn, before, after, notes };
  },
};

/** Moments of hidden states and targets, each layer weighted by 1/vᵢ. */
export function downMoments(
  { ffn, data, algebra, signal }: Pick<RecoveryInput, 'ffn' | 'data' | 'algebra' | 'signal'>,
  powers: readonly number[],
  holdOut: number,
): Promise<Collected> {
  return collectMoments(
    algebra,
    data,
    powers.map((v) => 1 / v),
    async (batch, i) => ({ a: await hiddenOf(ffn, i, algebra, batch.x[i]), b: batch.y[i] }),
    { holdOut, ...(signal && { signal }) },
  );
}

/**
 * The refit from moments. Where the W_out that is there does better on the held-out rows, it is kept.
 * @returns with `error`, Σᵢ mean‖Ŷᵢ − Yᵢ‖²/vᵢ on all rows, beside the ridge's objective
 */
export async function refitDown(
  { ffn, algebra }: Pick<RecoveryInput, 'ffn' | 'algebra'>,
  moments: Collected,
  { lambdas, towards }: Pick<DownRidgeOptions, 'lambdas' | 'towards'>,
): Promise<Recovered & { readonly error: number }> {
  const current = ffn.shared.wOut.data;
  const prior = towards === 'current' ? current : undefined;
  const { w, lambda, heldOut, objective, notes } = await chooseRidge(algebra, moments, lambdas, prior);
  if (moments.heldOut) {
    const kept = await heldOutError(algebra, moments.fit, moments.heldOut, current);
    if (!(heldOut < kept)) {
      const error = (await residual(algebra, moments.all, current)) / moments.all.rows;
      return {
        ffn: withOwnBias(ffn, moments.all, current),
        before: error,
        after: error,
        error,
        notes: [
          ...notes,
          `The refitted down-projection did no better on held-out rows (${heldOut.toFixed(4)} against ${kept.toFixed(4)}), so only own output biases are kept.`,
        ],
      };
    }
  }
  const { dModel, dFf } = shapeOf(ffn);
  const wOut = { rows: dFf, cols: dModel, data: Float32Array.from(w) };
  return {
    ffn: withOwnBias({ ...ffn, shared: { ...ffn.shared, wOut } }, moments.all, wOut.data),
    before: await ridgeObjective(algebra, moments.all, current, lambda, prior),
    after: objective,
    error: (await residual(algebra, moments.all, wOut.data)) / moments.all.rows,
    notes,
  };
}

function withOwnBias(ffn: TiedFfn, moments: CentredMoments, w: Float32Array): TiedFfn {
  const biases = biasesOf(moments, w);
  return withVectors(ffn, (i) => ({ bOut: biases[i] }));
}
