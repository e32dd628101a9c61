/**
 * A matrix in a GPU buffer: owned, or adopted from somebody else (then never destroyed here); and a factor in several.
 */
import { foreignHandle } from '../accumulator.ts';
import type { CrossSums, Factor } from '../algebra.ts';
import type { Matrix } from '../backend.ts';
import type { GpuPanel } from './cholesky.ts';

export class GpuMatrix implements Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly owned: boolean;
  private buffer: GPUBuffer | null;

  constructor(buffer: GPUBuffer, rows: number, cols: number, owned: boolean) {
    this.buffer = buffer;
    this.rows = rows;
    this.cols = cols;
    this.owned = owned;
  }

  /** @throws Error after release. */
  get data(): GPUBuffer {
    if (this.buffer === null) throw new Error('This matrix was released.');
    return this.buffer;
  }

  /** Lets go of the buffer. @returns the buffer to destroy, if it is ours and was not released before. */
  detach(): GPUBuffer | null {
    const { buffer } = this;
    this.buffer = null;
    return this.owned ? buffer : null;
  }
}

/** A Cholesky factor on the GPU. */
export class GpuFactor implements Factor {
  readonly n: number;
  private panels: readonly GpuPanel[] | null;

  constructor(n: number, panels: readonly GpuPanel[]) {
    this.n = n;
    this.panels = panels;
  }

  /** @throws Error after release. */
  get data(): readonly GpuPanel[] {
    if (this.panels === null) throw new Error('This factor was released.');
    return this.panels;
  }

  /** Lets go of the panels. @returns the buffers to destroy, if it was not released before. */
  detach(): GPUBuffer[] {
    const panels = this.panels ?? [];
    this.panels = null;
    return panels.flatMap(({ top, inverse, below }) => (below ? [top, inverse, below] : [top, inverse]));
  }
}

/** Sums of products in a matrix of the GPU. */
export class GpuCrossSums implements CrossSums {
  readonly p: number;
  readonly q: number;
  /** [p × q]; released on its own. */
  readonly matrix: GpuMatrix;

  constructor(matrix: GpuMatrix) {
    this.matrix = matrix;
    this.p = matrix.rows;
    this.q = matrix.cols;
  }
}

/** @throws TypeError for a handle of another backend. */
export function gpuMatrix(matrix: Matrix): GpuMatrix {
  if (!(matrix instanceof GpuMatrix)) throw foreignHandle();
  return matrix;
}

export function gpuSums(sums: CrossSums): GpuMatrix {
  if (!(sums instanceof GpuCrossSums)) throw foreignHandle();
  return sums.matrix;
}

export function gpuFactor(factor: Factor): GpuFactor {
  if (!(factor instanceof GpuFactor)) throw foreignHandle();
  return factor;
}
