/**
 * R1: the tied up-projection by regression on the original pre-activations (RegMean, method.md).
 *
 *   W_in = (ΣᵢX̄ᵢᵀX̄ᵢ + λI)⁻¹ (ΣᵢX̄ᵢᵀZ̄ᵢ + λW̄),  b_in,i = mean(Zᵢ) − mean(Xᵢ)·W_in,
 *
 * with Zᵢ the aligned original's pre-activations on its own inputs, and W̄ the W_in that is there (the plain average).
 * A gate is fitted in the same way. Scales of R2 are taken away: they belong to the projection that was; what low-rank
 * deltas add is taken from the targets. Where the file has no place for own biases, one is fitted for all, or none.
 * Stores n floats a layer for each own bias. It helps some windows and hurts others, so the caller gates it.
 */

import { centredFor } from '../centring.ts';
import { chooseFit, type LambdaOptions, withoutHeldOut } from '../lambda.ts';
import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { biasesOf } from '../ridge.ts';
import { collectMoments } from '../statistics.ts';
import { type BiasMode, biasMode, canStore } from '../storable.ts';
import { affine, plus, shapeOf, type TiedFfn, throughDelta, withVectors } from '../tied-ffn.ts';

export interface UpRegressionOptions extends LambdaOptions {
  /** Where given, nothing is chosen. */
  readonly lambda?: number;
  /** The same for the gate; `lambda` where absent. */
  readonly gateLambda?: number;
  /** `own` gives each layer its b_in; `tied` one for all; `none` fits without (where the model has no bias). */
  readonly bias: BiasMode;
}

type Projection = 'in' | 'gate';

export const upRegression: RecoveryMethod<UpRegressionOptions> = {
  id: 'R1',
  label: 'Refit the up-projection',
  defaults: { lambdas: [0.01, 1e-4, 1e-3, 0.1, 1], holdOut: 0.2, bias: 'own' },

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
    const chosen: Record<string, number | string> = { bias: settings.bias, holdOut: settings.holdOut };
    for (const projection of shapeOf(ffn).gated ? (['in', 'gate'] as const) : (['in'] as const)) {
      const done = await refit({ ...input, ffn }, projection, settings);
      ffn = done.ffn;
      before += done.before;
      after += done.after;
      notes.push(...done.notes);
      chosen[projection === 'in' ? 'lambda' : 'gateLambda'] = done.lambda;
    }
    return { ffn, before, after, notes, chosen };
  },
};

async function refit(input: RecoveryInput, projection: Projection, options: UpRegressionOptions) {
  const { ffn, originals, data, algebra, signal } = input;
  const isUp = projection === 'in';
  const current = isUp ? ffn.shared.wIn : ffn.shared.wGate!;
  const given = (isUp ? undefined : options.gateLambda) ?? options.lambda;
  const collected = await collectMoments(
    algebra,
    data,
    originals.map(() => 1),
    async (batch, i) => {
      const original = originals[i];
      const { inDelta, gateDelta } = ffn.layers[i];
      const [w, scale, b, delta] = isUp
        ? [original.wIn, original.inScale, original.bIn, inDelta]
        : [original.wGate!, original.gateScale, original.bGate, gateDelta];
      const x = (batch.originalX ?? batch.x)[i];
      const target = affine(await algebra.matmul(x, w), scale, b);
      return { a: batch.x[i], b: plus(target, await throughDelta(algebra, batch.x[i], delta), -1) };
    },
    { holdOut: options.holdOut, ...(signal && { signal }) },
  );
  const mode = modeFor(input, isUp ? 'bIn' : 'bGate', options.bias);
  const moments = centredFor(given === undefined ? collected : withoutHeldOut(collected), mode);
  const lambdas = given === undefined ? options.lambdas : [given];
  const fit = await chooseFit(algebra, moments, lambdas, current.data);
  const fitted = { ...current, data: Float32Array.from(fit.w) };
  const biases = mode === 'none' ? [] : biasesOf(moments.all, fitted.data);
  const shared = { ...ffn.shared, ...(isUp ? { wIn: fitted } : { wGate: fitted }) };
  const changed: TiedFfn = withVectors({ ...ffn, shared }, (i) => {
    const bias = biases[mode === 'tied' ? 0 : i];
    return isUp ? { bIn: bias, inScale: undefined } : { bGate: bias, gateScale: undefined };
  });
  return {
    ffn: changed,
    before: await fit.objectiveOf(current.data),
    after: await fit.objectiveOf(fit.w),
    lambda: fit.lambda,
    notes: fit.notes,
  };
}

/** The bias that was asked for, or the nearest that the file can hold. */
function modeFor(input: RecoveryInput, role: 'bIn' | 'bGate', asked: BiasMode): BiasMode {
  if (asked === 'none' || canStore(input, role)) return asked;
  return biasMode(input, role);
}
