/**
 * The port to the linear algebra: what Layerfold needs of a device, and nothing more.
 *
 * Why: the stages are written once against this interface; `cpu/` is the readable twin and the oracle,
 * `webgpu/` the fast one. Kernels know matrices, never layers or models. Products, factors and the steps of training are
 * in algebra.ts; here are the devices, the statistics and the averages.
 *
 * Everything is row-major f32 on the device. Statistics stream: they are accumulated batch by batch over data
 * shifted by a constant per column (the column means of the first batch), because E[xy] − E[x]E[y] on raw data
 * cancels. Accumulators are f32 on the GPU and f64 on the CPU (see `accumulatorBytes`).
 *
 * Errors: wrong shapes and handles of another backend throw RangeError / TypeError; a lost GPU rejects with
 * `GpuLostError`, an exceeded device limit with `GpuLimitError`, any other GPU failure with `GpuError`
 * (errors.ts). After a rejected or aborted accumulation the accumulator is broken: it can only be released.
 */
import type { Algebra, CrossSums, Factor } from './algebra.ts';

/** A matrix that lives on the device, row-major f32. Owned by the backend that made it until `release`. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
}

/** Indices into a list of feature matrices: [rows of the result, columns of the result]. */
export type Pair = readonly [number, number];

/**
 * Streaming moments of several feature matrices X₀ … X_{k−1} seen over the same rows (tokens):
 * for each matrix its shift s [pᵢ], Σ(x−s) [pᵢ] and Σ(x−s)² [pᵢ], computed once a batch however many pairs use
 * it, and for each pair (i, j) the cross moments Σ (xᵢ−sᵢ)(xⱼ−sⱼ)ᵀ [pᵢ × pⱼ].
 */
export interface PairMoments {
  /** Columns of each feature matrix. */
  readonly cols: readonly number[];
  readonly pairs: readonly Pair[];
  /** Rows accumulated so far. */
  readonly samples: number;
}

/** Sums of unbiased HSIC estimates between all pairs of `count` feature matrices, [count × count]. */
export interface HsicSums {
  readonly count: number;
  /** Minibatches accumulated so far. */
  readonly minibatches: number;
}

export type Handle = Matrix | PairMoments | HsicSums | Factor | CrossSums;

export interface Backend extends Algebra {
  readonly kind: 'cpu' | 'webgpu';
  /** Bytes of one element of an accumulator (4 on the GPU, 8 on the CPU), for planning memory. */
  readonly accumulatorBytes: 4 | 8;

  /** Copies data to the device. The array may be changed or reused afterwards. */
  upload(data: Float32Array, rows: number, cols: number): Matrix;
  /**
   * WebGPU only: sees a buffer that somebody else owns as a matrix, with no copy. `release` will not destroy it.
   * The buffer needs STORAGE usage (and COPY_SRC to be read) and at least rows × cols × 4 bytes.
   */
  adopt?(buffer: GPUBuffer, rows: number, cols: number): Matrix;
  zeros(rows: number, cols: number): Matrix;
  /** Copies back to the CPU: rows × cols values. Rejects where the device failed; never gives zeros instead. */
  read(matrix: Matrix): Promise<Float32Array>;
  /** Frees the device memory. Releasing twice is harmless; using a released matrix throws. */
  release(...handles: Handle[]): void;
  /** Resolves when all work submitted so far is done; rejects with the first failure since the last call. */
  sync(): Promise<void>;

  /** Empty accumulators. Device memory: Σ over pairs of pᵢ·pⱼ·accumulatorBytes, and 3·Σ pᵢ elements. */
  createPairMoments(cols: readonly number[], pairs: readonly Pair[]): PairMoments;
  /**
   * Adds a batch. `features[i]` is [T × cols[i]], T the same for all; null only where no pair uses i.
   * The first batch fixes the shifts.
   */
  addPairMoments(
    moments: PairMoments,
    features: readonly (Matrix | null)[],
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * Pearson correlation of a pair, [pᵢ × pⱼ], in [−1, 1]. Population standard deviations are clamped at 1e-7,
   * so that a dead column gives 0, never NaN. The caller releases the result.
   */
  correlation(moments: PairMoments, pairIndex: number): Promise<Matrix>;
  /** Centred cross moments Σ (xᵢ−μᵢ)(xⱼ−μⱼ)ᵀ of a pair, [pᵢ × pⱼ], not divided by the rows. The caller releases it. */
  centredCross(moments: PairMoments, pairIndex: number): Promise<Matrix>;
  /** ‖centredCross‖²_F of every pair, in the order of `pairs`; reduced on the device. */
  centredCrossNorms(moments: PairMoments): Promise<Float64Array>;
  /** Means and population standard deviations (not clamped) of the columns of feature matrix i, [pᵢ] each. */
  columnStatistics(moments: PairMoments, index: number): Promise<{ mean: Float32Array; std: Float32Array }>;

  /** Gram matrix of the rows first … first+count−1 of x: X Xᵀ [count × count]; by default of all rows. */
  gram(x: Matrix, first?: number, count?: number): Promise<Matrix>;

  createHsicSums(count: number): HsicSums;
  /**
   * Adds HSIC₁ of the minibatch made of rows first … first+rows−1 of each matrix [T × d], all pairs at once.
   * @throws RangeError for fewer than 4 or more than 1024 rows.
   */
  addHsic(
    sums: HsicSums,
    features: readonly Matrix[],
    first: number,
    rows: number,
    signal?: AbortSignal,
  ): Promise<void>;
  /** The sums over minibatches, row-major [count × count], symmetric. */
  readHsic(sums: HsicSums): Promise<Float64Array>;

  /**
   * out[u, :] = meanₖ inputsₖ[permsₖ[u], :] (axis 0), or out[:, u] = meanₖ inputsₖ[:, permsₖ[u]] (axis 1).
   * A null permutation is the identity. Vectors are [1 × n] with axis 1.
   * @param out receives the result where given (it may not be one of the inputs); else a new matrix is made.
   * @throws RangeError where shapes differ or an index is out of range.
   */
  permuteAverage(
    inputs: readonly Matrix[],
    permutations: readonly (Uint32Array | null)[],
    axis: 0 | 1,
    out?: Matrix,
  ): Promise<Matrix>;

  /** Releases everything that this backend still owns. The device itself is not destroyed. */
  dispose(): void;
}

/**
 * A fast product op(a)·op(b) of row-major f32 matrices, e.g. onnxruntime's; injected by the composition root.
 * aRows × aCols is the shape as stored, before the transposition. The result must not be reused by the callee.
 */
export type Gemm = (
  a: Float32Array,
  aRows: number,
  aCols: number,
  b: Float32Array,
  bCols: number,
  transA: boolean,
  transB: boolean,
) => Promise<Float32Array>;
