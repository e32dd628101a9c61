/**
 * A matrix in the memory of the CPU backend, and the handles that the algebra adds.
 */

import { foreignHandle } from '../accumulator.ts';
import type { CrossSums, Factor } from '../algebra.ts';
import type { Matrix } from '../backend.ts';
import type { Panel } from './cholesky.ts';

export class CpuMatrix implements Matrix {
  readonly rows: number;
  readonly cols: number;
  values: Float32Array | null;

  constructor(values: Float32Array, rows: number, cols: number) {
    this.values = values;
    this.rows = rows;
    this.cols = cols;
  }
}

export class CpuFactor implements Factor {
  readonly n: number;
  panels: readonly Panel[] | null;

  constructor(n: number, panels: readonly Panel[]) {
    this.n = n;
    this.panels = panels;
  }
}

export class CpuCrossSums implements CrossSums {
  readonly p: number;
  readonly q: number;
  values: Float64Array | null;

  constructor(p: number, q: number) {
    this.p = p;
    this.q = q;
    this.values = new Float64Array(p * q);
  }
}

/** @throws TypeError for a matrix of another backend; Error after release. */
export function values(matrix: Matrix): Float32Array {
  if (!(matrix instanceof CpuMatrix)) throw foreignHandle();
  if (matrix.values === null) throw new Error('This matrix was released.');
  return matrix.values;
}

export function sumsOf(sums: CrossSums): Float64Array {
  if (!(sums instanceof CpuCrossSums)) throw foreignHandle();
  if (sums.values === null) throw new Error('These sums were released.');
  return sums.values;
}

export function panelsOf(factor: Factor): readonly Panel[] {
  if (!(factor instanceof CpuFactor)) throw foreignHandle();
  if (factor.panels === null) throw new Error('This factor was released.');
  return factor.panels;
}
