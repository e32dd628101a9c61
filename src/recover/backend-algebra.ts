/**
 * The linear algebra of recovery over the project's backend.
 */
import type { Backend, Gemm } from '../kernels/backend.ts';
import { createCpuAlgebra } from './cpu-algebra.ts';
import type { LinearAlgebra } from './linear-algebra.ts';

export function createBackendAlgebra(backend: Backend): LinearAlgebra {
  const gemm: Gemm = async (a, aRows, aCols, b, bCols, transposeA, transposeB) => {
    const [left, right] = [backend.upload(a, aRows, aCols), backend.upload(b, b.length / bCols, bCols)];
    try {
      const product = await backend.matmul(left, right, { transposeA, transposeB });
      const values = await backend.read(product);
      backend.release(product);
      return values;
    } finally {
      backend.release(left, right);
    }
  };
  return createCpuAlgebra({ gemm });
}
