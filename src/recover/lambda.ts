/**
 * The strength of a ridge, chosen on held-out calibration rows and then used for a fit on all rows.
 *
 * Not the least held-out error decides but the strongest ridge within 10 % of it: inside the merged model the inputs of
 * a fit are not those that it was fitted on, and a stronger ridge bears that better. (R3 on `shakespeare-gpt2`, window
 * 4–7: held-out error 1.201 at λ = 1e-4, 1.215 at 1e-3, 1.286 at 0.01, 1.355 at 0.03; select perplexity 5.201 at 1e-3,
 * 5.186 at 0.01, 5.187 at 0.03.) The strength that was asked for is given back, so that the same fit can be made again
 * from a recipe.
 */
import type { LinearAlgebra } from './linear-algebra.ts';
import { fitRidge, heldOutErrors, prepareRidge, ridgeObjective } from './ridge.ts';
import type { Collected } from './statistics.ts';

export interface LambdaOptions {
  /** Tried on held-out rows, in units of the mean diagonal; the first is taken where nothing is held out. */
  readonly lambdas: readonly number[];
  /** Share of the calibration rows on which λ is chosen; the final fit uses all rows. */
  readonly holdOut: number;
}

export interface ChosenFit {
  /** [p × q], on all rows. */
  readonly w: Float64Array;
  /** As asked for. */
  readonly lambda: number;
  /** Mean residual on the held-out rows by fitting on the others; NaN where none are held out. */
  readonly heldOut: number;
  /** Of the ridge on all rows: of W, and of what is shrunk towards or compared with. */
  objectiveOf(w: ArrayLike<number>): Promise<number>;
  readonly notes: readonly string[];
}

/** Held-out errors up to this factor above the least are as good. */
export const SLACK = 1.1;

/**
 * @throws RangeError where there is no λ or one is no number from 0 up, or the moments are not finite
 */
export async function chooseFit(
  algebra: LinearAlgebra,
  moments: Collected,
  lambdas: readonly number[],
  prior?: ArrayLike<number>,
): Promise<ChosenFit> {
  const { all } = moments;
  const notes: string[] = [];
  const { lambda, heldOut } = await chooseLambda(algebra, moments, lambdas, prior, notes);
  const final = await fitRidge(algebra, all, lambda, prior);
  noteRaise(notes, lambda, final);
  const { w, lambda: used } = final;
  return {
    w,
    lambda,
    heldOut,
    objectiveOf: (other) => ridgeObjective(algebra, all, other, used, prior),
    notes: [...new Set(notes)],
  };
}

async function chooseLambda(
  algebra: LinearAlgebra,
  { fit, heldOut }: Collected,
  lambdas: readonly number[],
  prior: ArrayLike<number> | undefined,
  notes: string[],
): Promise<{ lambda: number; heldOut: number }> {
  checkLambdas(lambdas);
  if (!heldOut) return { lambda: lambdas[0], heldOut: Number.NaN };
  const tried: { lambda: number; heldOut: number }[] = [];
  const fitWith = await prepareRidge(algebra, fit, prior);
  const errorOf = heldOutErrors(algebra, fit, heldOut);
  for (const lambda of lambdas) {
    const trial = await fitWith(lambda);
    noteRaise(notes, lambda, trial);
    tried.push({ lambda, heldOut: await errorOf(trial.w) });
  }
  return strongest(tried);
}

/** Moments on which nothing is to be chosen; sums of all rows stay as they were rounded. */
export const withoutHeldOut = (collected: Collected): Collected => ({ ...collected, heldOut: null });

/** @throws RangeError where there is none, or one is no number from 0 up */
export function checkLambdas(lambdas: readonly number[]): void {
  if (lambdas.length === 0 || !lambdas.every((l) => Number.isFinite(l) && l >= 0)) {
    throw new RangeError(
      `A ridge needs at least one strength, each a number from 0 up; it was given ${lambdas.join(', ') || 'none'}.`,
    );
  }
}

/** The largest λ whose held-out error is about the least. */
export function strongest<T extends { readonly lambda: number; readonly heldOut: number }>(
  tried: readonly T[],
): T {
  const least = Math.min(...tried.map((t) => t.heldOut));
  // An exact fit may leave less than nothing by rounding.
  const enough = Math.max(least, SLACK * least);
  return tried.filter((t) => !(t.heldOut > enough)).reduce((best, t) => (t.lambda > best.lambda ? t : best));
}

function noteRaise(notes: string[], asked: number, { lambda, raised }: { lambda: number; raised: number }) {
  if (raised === 0) return;
  notes.push(
    `With λ = ${asked} of the mean diagonal the statistics could not be factored; λ was raised to ${lambda.toExponential(1)}.`,
  );
}
