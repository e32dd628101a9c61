/**
 * The leading right singular vectors of a matrix in a metric, by randomised subspace iteration (Halko, Martinsson and
 * Tropp 2011, algorithms 4.4 and 5.3).
 *
 * For B [p × m] and a positive definite C [p × p] with C = L·Lᵀ, the right singular vectors of Lᵀ·B are the
 * eigenvectors of S = Bᵀ·C·B = Bᵀ·K, K = C·B. So neither L nor its inverse is needed: with V [m × r] the leading ones,
 * the best rank-r matrix in the metric, min tr((B − M)ᵀC(B − M)), is M = (B·V)·Vᵀ.
 *
 * Known limits: products are f32, so that singular values below 1e-3 of the largest come in no sure order (they add
 * nothing that counts).
 */
import { orthonormal, symmetricEigen } from '../../kernels/dense.ts';
import { createSeeded, type Seeded } from '../../tensor/seeded.ts';
import type { Dense, LinearAlgebra } from '../linear-algebra.ts';
import type { LowRank } from '../tied-ffn.ts';

/** Columns more than asked for, which make the wanted ones sharp. */
const OVERSAMPLING = 8;
const ITERATIONS = 4;

/**
 * (B·V)·Vᵀ with V the `rank` leading vectors; of less rank where B has fewer rows or columns.
 * @param b B [p × m]
 * @param k C·B [p × m]
 */
export async function truncated(
  algebra: LinearAlgebra,
  b: Dense,
  k: Dense,
  rank: number,
  seed: number,
): Promise<LowRank> {
  const m = b.cols;
  const most = Math.min(b.rows, m);
  const width = Math.min(rank + OVERSAMPLING, most);
  const kept = Math.min(rank, most);
  const apply = async (q: Dense) => algebra.matmul(b, await algebra.matmul(k, q), { transA: true });
  let basis = basisOf(gaussian(createSeeded(seed), m, width));
  for (let i = 0; i < ITERATIONS; i++) basis = basisOf(await apply(basis));
  const small = await algebra.matmul(basis, await apply(basis), { transA: true });
  // S is symmetric but for rounding.
  const symmetric = small.data.map((v, at) => {
    const [row, col] = [Math.floor(at / width), at % width];
    return (v + small.data[col * width + row]) / 2;
  });
  const { vectors } = symmetricEigen(symmetric, width);
  const turn = new Float32Array(width * kept);
  for (let r = 0; r < width; r++) {
    for (let c = 0; c < kept; c++) turn[r * kept + c] = vectors[r * width + c];
  }
  const v = await algebra.matmul(basis, { rows: width, cols: kept, data: turn });
  const rows = new Float32Array(kept * m);
  for (let r = 0; r < m; r++) for (let c = 0; c < kept; c++) rows[c * m + r] = v.data[r * kept + c];
  return { a: await algebra.matmul(b, v), b: { rows: kept, cols: m, data: rows } };
}

function basisOf({ data, rows, cols }: Dense): Dense {
  return { rows, cols, data: Float32Array.from(orthonormal(data, rows, cols)) };
}

/** Standard normal numbers (Box and Muller). */
function gaussian(seeded: Seeded, rows: number, cols: number): Dense {
  const uniform = () => (seeded.integer(2 ** 24) + 0.5) / 2 ** 24;
  const data = Float32Array.from({ length: rows * cols }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  });
  return { rows, cols, data };
}
