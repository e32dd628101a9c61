/**
 * The linear algebra of recovery over a backend of the project (kernels/backend.ts).
 *
 * Products go to the device and back; moments stay there until they are whole, so that a matrix of n × n comes back
 * once and not with each batch. The sums are f64 on the CPU and f32 on the GPU, of rows that the caller has shifted
 * (moments.ts), so that nothing large cancels. Systems are solved to f64's digits on either (`solveWide`).
 *
 * Known limits: systems and moments are f64 in the memory of the CPU, 8·n² bytes each: 512 MB for d_ff 8192.
 */
import type { Backend, Matrix } from '../kernels/backend.ts';
import { type Dense, type LinearAlgebra, productShape } from './linear-algebra.ts';

/** Tenfold raises from rounding error to larger than the matrix itself. */
const MOST_RAISES = 20;
/** Where a ridge of 0 is raised to first, of the mean diagonal: the rounding of the factor. */
const FIRST_RAISE: Readonly<Record<Backend['kind'], number>> = { cpu: 1e-15, webgpu: 1e-8 };

/** @param backend stays the caller's */
export function createBackendAlgebra(backend: Backend): LinearAlgebra {
  /** Uploads for one call; the same matrix once. */
  async function withMatrices<T>(
    [a, b]: readonly [Dense, Dense],
    use: (a: Matrix, b: Matrix) => Promise<T>,
  ): Promise<T> {
    const left = backend.upload(a.data, a.rows, a.cols);
    const right = a === b ? left : backend.upload(b.data, b.rows, b.cols);
    try {
      return await use(left, right);
    } finally {
      backend.release(left, right);
    }
  }

  const algebra: LinearAlgebra = {
    backend,

    async matmul(a, b, product = {}) {
      const { rows, cols } = productShape(a, b, product);
      const { transA: transposeA = false, transB: transposeB = false } = product;
      return withMatrices([a, b], async (left, right) => {
        const out = await backend.matmul(left, right, { transposeA, transposeB });
        try {
          return { rows, cols, data: await backend.read(out) };
        } finally {
          backend.release(out);
        }
      });
    },

    crossSums(p, q) {
      const sums = backend.createCrossSums(p, q);
      return {
        add: (a, b, weight) =>
          withMatrices([a, b], (left, right) => backend.addCrossSums(sums, left, right, weight)),
        read: () => backend.readCrossSums(sums),
        release: () => backend.release(sums),
      };
    },

    async solveSpd(a, n, b, m, ridge) {
      if (!a.every(Number.isFinite) || !b.every(Number.isFinite)) {
        throw new RangeError(
          'The statistics of the calibration data hold values that are not finite; use data on which the model gives finite values.',
        );
      }
      let trace = 0;
      for (let i = 0; i < n; i++) trace += a[i * n + i];
      let added = ridge;
      for (let raised = 0; raised <= MOST_RAISES; raised++) {
        const solved = await backend.solveWide(a, n, b, m, { lambda: added });
        if (solved.ok) return { x: solved.x, ridge: added, raised };
        added = added > 0 ? added * 10 : (n > 0 ? trace / n || 1 : 1) * FIRST_RAISE[backend.kind];
      }
      throw new RangeError(
        `A system of ${n} unknowns stayed singular up to a ridge of ${added.toExponential(1)}; give more calibration data.`,
      );
    },
  };
  return algebra;
}
