/**
 * R1: the tied up-projection by regression on the original pre-activations (RegMean, method.md).
 *
 *   W_in = (ΣᵢX̄ᵢᵀX̄ᵢ + λI)⁻¹ (ΣᵢX̄ᵢᵀZ̄ᵢ + λW̄),  b_in,i = mean(Zᵢ) − mean(Xᵢ)·W_in,
 *
 * with Zᵢ the aligned original's pre-activations on its own inputs, and W̄ the W_in that is there (the plain average).
 * A gate is fitted in the same way. Scales of R2 are taken away: they belong to the projection that was.
 * Stores n floats a layer for each own bias. It helps some windows and hurts others, so the caller gates it.
 */

import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { about } from '../moments.ts';
import { biasesOf, chooseRidge, ridgeObjective } from '../ridge.ts';
import { type Collected, collectMoments } from '../statistics.ts';
import { affine, shapeOf, type TiedFfn, withVectors } from '../tied-ffn.ts';

export interface UpRegressionOptions {
  /** Tried on held-out rows, in units of the mean diagonal. */
  readonly lambdas: readonly number[];
  readonly holdOut: number;
  /** `own` gives each layer its b_in; `tied` one for all; `none` fits without (where the model has no bias). */
  readonly bias: 'own' | 'tied' | 'none';
}

type Projection = 'in' | 'gate';

export const upRegression: RecoveryMethod<UpRegressionOptions> = {
  id: 'R1',
  label: 'Refit the up-projection',
  defaults: { lambdas: [0.001, 0.01, 0.1, 1], holdOut: 0.2, bias: 'own' },

  stores(ffn, options = {}) {
    const { bias } = { ...upRegression.defaults, ...options };
    if (bias !== 'own') return [];
    return shapeOf(ffn).gated ? ['bIn', 'bGate'] : ['bIn'];
  },

  async recover(input, options = {}) {
    const settings = { ...upRegression.defaults, ...options };
    let { ffn } = input;
    let [before, after] = [0, 0];
    const notes: string[] = [];
    for (const projection of shapeOf(ffn).gated ? (['in', 'gate'] as const) : (['in'] as const)) {
      const done = await refit({ ...input, ffn }, projection, settings);
      ffn = done.ffn;
      before += done.before;
      after += done.after;
      notes.push(...done.notes);
    }
    return { ffn, before, after, notes };
  },
};

async function refit(
  { ffn, originals, data, algebra, signal }: RecoveryInput,
  projection: Projection,
  { lambdas, holdOut, bias }: UpRegressionOptions,
) {
  const current = projection === 'in' ? ffn.shared.wIn : ffn.shared.wGate!;
  const collected = await collectMoments(
    algebra,
    data,
    originals.map(() => 1),
    async (batch, i) => {
      const original = originals[i];
      const [w, scale, b] =
        projection === 'in'
          ? [original.wIn, original.inScale, original.bIn]
          : [original.wGate!, original.gateScale, original.bGate];
      const x = (batch.originalX ?? batch.x)[i];
      return { a: batch.x[i], b: affine(await algebra.matmul(x, w), scale, b) };
    },
    { holdOut, ...(signal && { signal }) },
  );
  const moments = recentred(collected, bias);
  const { w, lambda, objective, notes } = await chooseRidge(algebra, moments, lambdas, current.data);
  const fitted = { ...current, data: Float32Array.from(w) };
  const biases = bias === 'none' ? [] : biasesOf(moments.all, fitted.data);
  const shared = { ...ffn.shared, ...(projection === 'in' ? { wIn: fitted } : { wGate: fitted }) };
  const changed: TiedFfn = withVectors({ ...ffn, shared }, (i) =>
    projection === 'in'
      ? { bIn: ownOrTied(biases, i, bias), inScale: undefined }
      : { bGate: ownOrTied(biases, i, bias), gateScale: undefined },
  );
  return {
    ffn: changed,
    before: await ridgeObjective(algebra, moments.all, current.data, lambda, current.data),
    after: objective,
    notes,
  };
}

function ownOrTied(biases: readonly Float32Array[], layer: number, bias: UpRegressionOptions['bias']) {
  return biases[bias === 'tied' ? 0 : layer];
}

/** Moments about the centre that the biases leave free: each layer's means, their common mean, or zero. */
function recentred(collected: Collected, bias: UpRegressionOptions['bias']): Collected {
  if (bias === 'own') return collected;
  const zero = bias === 'none' ? 0 : 1;
  const mean = (values: readonly Float64Array[]) =>
    values[0].map((_, c) => (zero * values.reduce((s, v) => s + v[c], 0)) / values.length);
  // The fitted rows' centre serves the held-out rows too, as their biases would.
  const centre = (m: Collected['fit']) => ({ a: mean(m.meanA), b: mean(m.meanB) });
  const fixed = (m: Collected['fit'], at = centre(m)) => {
    const moved = about(m, () => at);
    return { ...moved, meanA: m.meanA.map(() => at.a), meanB: m.meanB.map(() => at.b) };
  };
  const { fit, heldOut, all } = collected;
  return { fit: fixed(fit), heldOut: heldOut && fixed(heldOut, centre(fit)), all: fixed(all) };
}
