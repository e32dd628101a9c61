/**
 * Ridge regression from centred moments; its strength is chosen on held-out rows (lambda.ts).
 *
 *   W = (A + λI)⁻¹ (B + λW₀),  A = Σᵢ wᵢ ĀᵢᵀĀᵢ / T [p × p],  B = Σᵢ wᵢ ĀᵢᵀB̄ᵢ / T [p × q],
 *
 * with λ in units of the mean diagonal of A, and W₀ what the fit shrinks towards (0 where there is none). Held-out
 * residuals come from the held-out moments about the fitted means, because the biases are fitted too; the data is not
 * read again. The final fit is on all rows.
 */
import type { LinearAlgebra } from './linear-algebra.ts';
import { about, type CentredMoments, momentsTimes, residual } from './moments.ts';

/** What one value of λ gives. */
export interface RidgeFit {
  /** [p × q] */
  readonly w: Float64Array;
  /** As it was used: larger than asked for where it had to be raised. */
  readonly lambda: number;
  /** How often it was. */
  readonly raised: number;
}

/** The system of a ridge made ready once, for any number of λ. */
export async function prepareRidge(
  algebra: LinearAlgebra,
  m: CentredMoments,
  prior?: ArrayLike<number>,
): Promise<(lambda: number) => Promise<RidgeFit>> {
  const { p, q, rows } = m;
  const mean = meanDiagonal(m);
  const a = m.gram.map((v) => v / rows);
  // Solved for what is added to the prior, so that a raised ridge still shrinks towards it.
  const b = m.cross.map((v) => v / rows);
  if (prior) {
    const known = await momentsTimes(algebra, a, prior, p, q);
    for (let i = 0; i < b.length; i++) b[i] -= known[i];
  }
  return async (lambda) => {
    const { x, ridge: used, raised } = await algebra.solveSpd(a, p, b, q, lambda * mean);
    if (prior) for (let i = 0; i < x.length; i++) x[i] += prior[i];
    return { w: x, lambda: mean > 0 ? used / mean : lambda, raised };
  };
}

/** The fit of one λ. */
export async function fitRidge(
  algebra: LinearAlgebra,
  m: CentredMoments,
  lambda: number,
  prior?: ArrayLike<number>,
): Promise<RidgeFit> {
  const fit = await prepareRidge(algebra, m, prior);
  return fit(lambda);
}

/** Mean residual on held-out rows of any W whose biases come from the fitted rows. */
export function heldOutErrors(
  algebra: LinearAlgebra,
  fit: CentredMoments,
  heldOut: CentredMoments,
): (w: ArrayLike<number>) => Promise<number> {
  const shifted = about(heldOut, (i) => ({ a: fit.meanA[i], b: fit.meanB[i] }));
  return async (w) => (await residual(algebra, shifted, w)) / heldOut.rows;
}

/** residual / T + λ‖W − W₀‖², with λ in units of the mean diagonal. */
export async function ridgeObjective(
  algebra: LinearAlgebra,
  m: CentredMoments,
  w: ArrayLike<number>,
  lambda: number,
  prior?: ArrayLike<number>,
): Promise<number> {
  let away = 0;
  for (let i = 0; i < w.length; i++) away += (w[i] - (prior ? prior[i] : 0)) ** 2;
  return (await residual(algebra, m, w)) / m.rows + lambda * meanDiagonal(m) * away;
}

/** Means of B less W applied to the means of A: the own biases of the layers, f32. */
export function biasesOf(m: CentredMoments, w: ArrayLike<number>): Float32Array[] {
  return m.meanA.map((a, i) => {
    const bias = m.meanB[i].slice();
    for (let u = 0; u < m.p; u++) {
      for (let c = 0; c < m.q; c++) bias[c] -= a[u] * w[u * m.q + c];
    }
    return Float32Array.from(bias);
  });
}

function meanDiagonal({ gram, p, rows }: CentredMoments): number {
  let trace = 0;
  for (let i = 0; i < p; i++) trace += gram[i * p + i];
  return trace / rows / p;
}
