/**
 * Recovery on a device: the linear algebra and the rungs over one backend, for whoever composes them.
 */
import type { Backend } from '../kernels/backend.ts';
import { createBackendAlgebra } from './backend-algebra.ts';
import type { LinearAlgebra } from './linear-algebra.ts';
import { recoveryMethods } from './method.ts';

export interface BackendRecovery {
  readonly algebra: LinearAlgebra;
  /** The rungs; those that train do so on the device. */
  readonly methods: typeof recoveryMethods;
}

/** @param backend stays the caller's, and must outlive what is made here. */
export function recoveryOn(backend: Backend): BackendRecovery {
  return { algebra: createBackendAlgebra(backend), methods: recoveryMethods };
}
