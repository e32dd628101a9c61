/**
 * The part of the port that recovery needs: products, factors, activations, and steps of an optimiser.
 *
 * Why: every rung of the ladder (method.md, "Recovery ladder") is a few calls of these. All matrices are row-major
 * f32 on the device, vectors are [1 × n]. Work is queued: a call resolves when it is accepted, `read` and `sync`
 * wait for its end. Each call is awaited before the next.
 *
 * Where a result may be given `into`, that matrix has the shape of the result, is returned, and may be none of the
 * inputs unless the call says so; without it a new matrix is made, which the caller releases.
 * Errors: RangeError for wrong shapes, otherwise as backend.ts.
 */
import type { Matrix } from './backend.ts';

/** The activation functions with derivatives; named as graph/activation.ts names them, and `identity` for none. */
export type ActivationName =
  | 'identity'
  | 'relu'
  | 'relu-squared'
  | 'gelu-erf'
  | 'gelu-tanh'
  | 'gelu-sigmoid'
  | 'silu'
  | 'sigmoid'
  | 'tanh';

/** In the order of their numbers in shaders/activation.wgsl. */
export const ACTIVATION_NAMES: readonly ActivationName[] = [
  'identity',
  'relu',
  'relu-squared',
  'gelu-erf',
  'gelu-tanh',
  'gelu-sigmoid',
  'silu',
  'sigmoid',
  'tanh',
];

export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Factor of the product; 1 by default. */
  readonly alpha?: number;
  readonly into?: Matrix;
  /** Adds to what `into` holds, instead of overwriting it. */
  readonly accumulate?: boolean;
}

/** The Cholesky factor L [n × n] of a symmetric positive definite matrix. Released with `release`. */
export interface Factor {
  readonly n: number;
}

/** A factorisation, or the first row whose pivot was not positive. */
export type Factored =
  | { readonly ok: true; readonly factor: Factor }
  | { readonly ok: false; readonly pivot: number };

export interface SolveOptions {
  /** Added to the diagonal of A; 0 by default. */
  readonly lambda?: number;
  /** Most steps of iterative refinement, by default 4; the CPU factors in f64 and needs none. */
  readonly refinements?: number;
  readonly signal?: AbortSignal;
}

export type Solved =
  | {
      readonly ok: true;
      readonly x: Matrix;
      /** ‖B − (A + λI)X‖_F / ‖B‖_F of the X that is given, rounded to f32. */
      readonly residual: number;
      /** Steps of refinement that were kept. */
      readonly refinements: number;
    }
  | { readonly ok: false; readonly pivot: number };

/**
 * Streaming sums Σ weight · XᵀY [p × q] over batches of rows: f64 on the CPU, f32 over short runs of rows on the GPU.
 * Data are to be centred, or shifted near enough. Released with `release`.
 */
export interface CrossSums {
  readonly p: number;
  readonly q: number;
}

export interface WideOptions {
  /** Added to the diagonal of A; 0 by default. */
  readonly lambda?: number;
  readonly signal?: AbortSignal;
}

export type WideSolved =
  | {
      readonly ok: true;
      /** X [n × m], row-major. */
      readonly x: Float64Array;
      /** ‖B − (A + λI)X‖_F / ‖B‖_F before the last correction. */
      readonly residual: number;
    }
  | { readonly ok: false; readonly pivot: number };

export interface ReduceOptions {
  /** `columns` sums down each column to [1 × cols], `rows` along each row to [rows × 1]. */
  readonly along: 'columns' | 'rows';
  readonly into?: Matrix;
  readonly accumulate?: boolean;
}

export interface AdamOptions {
  /** Counts from 1. */
  readonly step: number;
  readonly learningRate: number;
  /** 0.9 by default. */
  readonly beta1?: number;
  /** 0.999 by default. */
  readonly beta2?: number;
  /** 1e-8 by default. */
  readonly epsilon?: number;
}

export interface Algebra {
  /** alpha · op(a) · op(b). */
  matmul(a: Matrix, b: Matrix, options?: MatmulOptions): Promise<Matrix>;
  /**
   * into [p × q] += weight · (x − 1·xMean)ᵀ(y − 1·yMean), for x [T × p], y [T × q] and means [1 × p], [1 × q]; null
   * for data that are centred already. x and y may be the same.
   */
  addCentred(
    into: Matrix,
    x: Matrix,
    xMean: Matrix | null,
    y: Matrix,
    yMean: Matrix | null,
    weight?: number,
  ): Promise<void>;

  /** Factors a + λI = L·Lᵀ; reads the lower triangle of a [n × n] only. */
  cholesky(a: Matrix, lambda?: number, signal?: AbortSignal): Promise<Factored>;
  /** L as a matrix, zero above the diagonal. */
  lower(factor: Factor): Promise<Matrix>;
  /** X [n × m] of L·X = b, or of Lᵀ·X = b where transposed. */
  solveTriangular(factor: Factor, b: Matrix, transposed: boolean): Promise<Matrix>;
  /** X [n × m] of (a + λI)·X = b, for a symmetric, by Cholesky and refinement on exact residuals. */
  solveSpd(a: Matrix, b: Matrix, options?: SolveOptions): Promise<Solved>;

  /**
   * X of (A + λI)·X = B for A [n × n] symmetric and B [n × m] in f64 and in the memory of the CPU: systems whose digits
   * beyond f32 count. The CPU factors in f64; the GPU in f32, and refines on residuals with A, B and X in two f32 each.
   * Pivots within rounding of 0 (of f64 or f32) count as not positive.
   */
  solveWide(
    a: Float64Array,
    n: number,
    b: Float64Array,
    m: number,
    options?: WideOptions,
  ): Promise<WideSolved>;

  createCrossSums(p: number, q: number): CrossSums;
  /** Adds weight · XᵀY of x [T × p] and y [T × q], 1 by default; x and y may be the same. */
  addCrossSums(sums: CrossSums, x: Matrix, y: Matrix, weight?: number): Promise<void>;
  /** The sums so far, p × q values, row-major. */
  readCrossSums(sums: CrossSums): Promise<Float64Array>;

  /** φ(z), element by element. */
  activate(name: ActivationName, z: Matrix, into?: Matrix): Promise<Matrix>;
  /** dz = φ′(z) ⊙ dh. At a kink the derivative is that of the left side, 0. */
  activateBackward(name: ActivationName, z: Matrix, dh: Matrix, into?: Matrix): Promise<Matrix>;
  /** h = φ(g) ⊙ u. With `identity`, the element-wise product. */
  gated(name: ActivationName, g: Matrix, u: Matrix, into?: Matrix): Promise<Matrix>;
  /** dg = φ′(g) ⊙ u ⊙ dh and du = φ(g) ⊙ dh. */
  gatedBackward(
    name: ActivationName,
    g: Matrix,
    u: Matrix,
    dh: Matrix,
    into?: { readonly dg: Matrix; readonly du: Matrix },
  ): Promise<{ dg: Matrix; du: Matrix }>;

  /** x · scale + shift with one of each a column, [1 × n]; null for 1 and 0. `into` may be x. */
  columnAffine(x: Matrix, scale: Matrix | null, shift: Matrix | null, into?: Matrix): Promise<Matrix>;
  /** y = alpha·x + beta·y, in place; alpha and beta 1 by default. */
  axpy(x: Matrix, y: Matrix, alpha?: number, beta?: number): Promise<void>;
  /** Sums of x ⊙ y, or of x where y is null. */
  sums(x: Matrix, y: Matrix | null, options: ReduceOptions): Promise<Matrix>;
  /** Sums of (x − y)²; of x² where y is null. y may be a row [1 × cols], taken from every row of x. */
  squaredErrors(x: Matrix, y: Matrix | null, options: ReduceOptions): Promise<Matrix>;
  /** One row of x for each index. On the GPU, x lies within one binding. */
  gatherRows(x: Matrix, indices: Uint32Array, into?: Matrix): Promise<Matrix>;
  /** The diagonal of a square matrix; on the GPU, of one within one binding. */
  diagonal(x: Matrix): Promise<Float32Array>;
  /**
   * One step of Adam (Kingma and Ba 2015, no weight decay), in place on parameters, m and v, all of one shape:
   * m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; p −= learningRate · m̂ / (√v̂ + ε) with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ).
   * The same inputs give the same bits.
   */
  adam(parameters: Matrix, gradient: Matrix, m: Matrix, v: Matrix, options: AdamOptions): Promise<void>;
}
