/** The linear algebra of recovery on the CPU backend, for tests. */
import { type CpuBackendOptions, createCpuBackend } from '../kernels/cpu/index.ts';
import { createBackendAlgebra } from '../recover/backend-algebra.ts';

export const createCpuAlgebra = (options: CpuBackendOptions = {}) =>
  createBackendAlgebra(createCpuBackend(options));
