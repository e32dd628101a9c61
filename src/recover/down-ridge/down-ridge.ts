/**
 * R3: the tied down-projection by joint ridge regression (method.md, Recovery ladder).
 *
 *   W_out = (Σᵢ H̄ᵢᵀH̄ᵢ/vᵢ + λI)⁻¹ Σᵢ H̄ᵢᵀȲᵢ/vᵢ,  b_out,i = mean(Yᵢ) − mean(Hᵢ)·W_out,
 *
 * with H the merged FFN's hidden states (after s, where R4 gave one), Y less what low-rank deltas of the output add, and
 * vᵢ = mean‖Ȳᵢ‖². λ is in units of the mean diagonal. Stores d floats a layer for b_out; where the file has no place for
 * own ones, one is fitted for all, or none. One n × n Cholesky for each λ tried, and one for the final fit.
 */
import { centredFor } from '../centring.ts';
import { chooseFit, type LambdaOptions, SLACK, withoutHeldOut } from '../lambda.ts';

import type { ChosenOptions, Recovered, RecoveryInput, RecoveryMethod } from '../method.ts';
import { type CentredMoments, residual } from '../moments.ts';
import { biasesOf, heldOutErrors } from '../ridge.ts';
import { type Collected, collectMoments, outputPowers } from '../statistics.ts';
import { type BiasMode, biasMode } from '../storable.ts';
import { hiddenOf, plus, shapeOf, type TiedFfn, throughDelta, withVectors } from '../tied-ffn.ts';

export interface DownRidgeOptions extends LambdaOptions {
  /** Where given, nothing is chosen. */
  readonly lambda?: number;
  /** What large λ shrink towards: nothing, or the W_out that is there. */
  readonly towards: 'zero' | 'current';
  /** Without, the W_out that is there stays, and output biases alone are fitted. */
  readonly refit: boolean;
}

/** The one that is right most often first, for where nothing is held out (method.md). */
export const DOWN_LAMBDAS: readonly number[] = [0.01, 1e-4, 1e-3, 0.003, 0.03, 0.1];

export const downRidge: RecoveryMethod<DownRidgeOptions> = {
  id: 'R3',
  label: 'Refit the down-projection',
  defaults: { lambdas: DOWN_LAMBDAS, holdOut: 0.2, towards: 'zero', refit: true },
  stores: () => ['bOut'],

  async recover(input, options = {}) {
    const settings = { ...downRidge.defaults, ...options };
    const { lambda, towards } = settings;
    const decided = lambda !== undefined || !settings.refit;
    const powers = await outputPowers(input.data, input.signal);
    const moments = await downMoments(input, powers, settings.holdOut);
    const done = await refitDown(input, decided ? withoutHeldOut(moments) : moments, {
      ...settings,
      ...(lambda !== undefined && { lambdas: [lambda] }),
    });
    return {
      ffn: done.ffn,
      ...(await done.objectives()),
      notes: done.notes,
      chosen: { ...takenOptions(done.lambda), towards, holdOut: settings.holdOut },
    };
  },
};

const takenOptions = (lambda: number | null): ChosenOptions =>
  lambda === null ? { refit: false } : { refit: true, lambda };

/** Moments of hidden states and targets, each layer weighted by 1/vᵢ, about the centre that the biases leave free. */
export async function downMoments(
  input: Pick<RecoveryInput, 'ffn' | 'data' | 'algebra' | 'signal' | 'storable'>,
  powers: readonly number[],
  holdOut: number,
): Promise<Collected> {
  const { ffn, data, algebra, signal } = input;
  const collected = await collectMoments(
    algebra,
    data,
    powers.map((v) => 1 / v),
    async (batch, i) => {
      const a = await hiddenOf(ffn, i, algebra, batch.x[i]);
      return { a, b: plus(batch.y[i], await throughDelta(algebra, a, ffn.layers[i].outDelta), -1) };
    },
    { holdOut, ...(signal && { signal }) },
  );
  return centredFor(collected, biasMode(input, 'bOut'));
}

/** What a refit gave. */
export interface Refitted extends Pick<Recovered, 'ffn' | 'notes'> {
  /** Of the ridge before and after: two products of moments, made when they are asked for. */
  objectives(): Promise<Pick<Recovered, 'before' | 'after'>>;
  /** Σᵢ mean‖Ŷᵢ − Yᵢ‖²/vᵢ on all rows. */
  readonly error: number;
  /** Null where the W_out that was there stayed. */
  readonly lambda: number | null;
}

/**
 * The refit from moments. Where the W_out that is there does clearly better on the held-out rows, it is kept; clearly,
 * because it may have been fitted on these rows before (refreshed).
 */
export async function refitDown(
  input: Pick<RecoveryInput, 'ffn' | 'algebra' | 'storable'>,
  moments: Collected,
  { lambdas, towards, refit }: Pick<DownRidgeOptions, 'lambdas' | 'towards' | 'refit'>,
): Promise<Refitted> {
  const { ffn, algebra } = input;
  const mode = biasMode(input, 'bOut');
  const current = ffn.shared.wOut.data;
  const keep = async (notes: readonly string[]): Promise<Refitted> => {
    const error = (await residual(algebra, moments.all, current)) / moments.all.rows;
    const kept = withBias(ffn, moments.all, current, mode);
    const objectives = async () => ({ before: error, after: error });
    return { ffn: kept, objectives, error, lambda: null, notes };
  };
  if (!refit) return keep([]);
  const prior = towards === 'current' ? current : undefined;
  const { w, lambda, heldOut, objectiveOf, notes } = await chooseFit(algebra, moments, lambdas, prior);
  if (moments.heldOut) {
    const kept = await heldOutErrors(algebra, moments.fit, moments.heldOut)(current);
    if (!(heldOut < SLACK * kept)) {
      return keep([
        ...notes,
        `The refitted down-projection did worse on held-out rows (${heldOut.toFixed(4)} against ${kept.toFixed(4)}), so only output biases are fitted.`,
      ]);
    }
  }
  const { dModel, dFf } = shapeOf(ffn);
  const wOut = { rows: dFf, cols: dModel, data: Float32Array.from(w) };
  return {
    ffn: withBias({ ...ffn, shared: { ...ffn.shared, wOut } }, moments.all, wOut.data, mode),
    objectives: async () => ({ before: await objectiveOf(current), after: await objectiveOf(w) }),
    error: (await residual(algebra, moments.all, wOut.data)) / moments.all.rows,
    lambda,
    notes,
  };
}

function withBias(ffn: TiedFfn, moments: CentredMoments, w: Float32Array, mode: BiasMode): TiedFfn {
  if (mode === 'none') return ffn;
  const biases = biasesOf(moments, w);
  return withVectors(ffn, (i) => ({ bOut: biases[mode === 'tied' ? 0 : i] }));
}
