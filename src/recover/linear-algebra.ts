/**
 * The port to the linear algebra of recovery: what the rungs need of a device, and nothing more.
 *
 * Why: closed forms are written once against this, for every backend (backend-algebra.ts). Every call is asynchronous
 * for that reason.
 *
 * Matrices are row-major f32 in CPU memory; moments and systems of equations are f64, because centred statistics of
 * some thousand tokens are ill-conditioned (dead and near-equal hidden units) and a ridge must be what it says.
 */
import type { Backend } from '../kernels/backend.ts';

/** Row-major f32 in CPU memory. */
export interface Dense {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;
}

export interface Product {
  /** Whether the operand is taken transposed; its shape is given as stored. */
  readonly transA?: boolean;
  readonly transB?: boolean;
}

/** What a positive definite system gave. */
export interface SpdSolution {
  /** X [n × m], row-major. */
  readonly x: Float64Array;
  /** The ridge that was added in the end. */
  readonly ridge: number;
  /** How often the factorisation failed and the ridge was raised. */
  readonly raised: number;
}

/** Sums of weight · aᵀb [p × q] that stay on the device until they are read. */
export interface CrossSums {
  /** Of a [T × p] and b [T × q] over the same rows; the same object for the symmetric product. @throws RangeError */
  add(a: Dense, b: Dense, weight: number): Promise<void>;
  read(): Promise<Float64Array>;
  release(): void;
}

export interface LinearAlgebra {
  /** The device, for what keeps its matrices there (distill/). */
  readonly backend: Backend;
  /** op(a)·op(b), f32. @throws RangeError where the shapes do not fit */
  matmul(a: Dense, b: Dense, product?: Product): Promise<Dense>;
  crossSums(p: number, q: number): CrossSums;
  /**
   * Solves (A + ridge·I) X = B for symmetric A [n × n] and B [n × m]. Where the matrix is not positive definite in
   * floating point, the ridge is raised tenfold (from ε of the mean diagonal where it was 0) until it is.
   * @throws RangeError where A or B holds values that are not finite, or no ridge helps
   */
  solveSpd(a: Float64Array, n: number, b: Float64Array, m: number, ridge: number): Promise<SpdSolution>;
}

/** A matrix of values. @throws RangeError where they are not rows × cols */
export function dense(data: Float32Array, rows: number, cols: number): Dense {
  if (data.length !== rows * cols) {
    throw new RangeError(`${data.length} values cannot be a matrix of ${rows} × ${cols}.`);
  }
  return { rows, cols, data };
}

/** The shape of op(a)·op(b), and the length of its sums. @throws RangeError where the shapes do not fit */
export function productShape(a: Dense, b: Dense, { transA = false, transB = false }: Product) {
  const [rows, inner] = transA ? [a.cols, a.rows] : [a.rows, a.cols];
  const [other, cols] = transB ? [b.cols, b.rows] : [b.rows, b.cols];
  if (inner !== other) {
    throw new RangeError(`A product of ${rows} × ${inner} and ${other} × ${cols} does not exist.`);
  }
  return { rows, inner, cols };
}
