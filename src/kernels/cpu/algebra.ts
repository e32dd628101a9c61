/**
 * The algebra (../algebra.ts) on the CPU: twins in f64, results in f32. Products above a megaflop go to the injected
 * product where there is one; factors and solves stay in f64.
 */
import type {
  ActivationName,
  AdamOptions,
  Algebra,
  CrossSums,
  Factor,
  Factored,
  MatmulOptions,
  ReduceOptions,
  Solved,
  SolveOptions,
  WideOptions,
  WideSolved,
} from '../algebra.ts';
import {
  checkAdam,
  checkCentred,
  checkCrossSums,
  checkGather,
  checkInto,
  checkLambda,
  checkMatmul,
  checkReduce,
  checkRightSide,
  checkRow,
  checkSameShape,
  checkSquare,
  checkWide,
} from '../algebra-shapes.ts';
import type { Gemm, Matrix } from '../backend.ts';
import { checkSize } from '../shapes.ts';
import { activation } from './activation.ts';
import { adam } from './adam.ts';
import { axpy } from './axpy.ts';
import { factor, lowerTriangle, solveInPlace } from './cholesky.ts';
import { columnAffine } from './column_affine.ts';
import { addCrossSums } from './cross_sums.ts';
import { gatherRows } from './gather_rows.ts';
import { matmul } from './matmul.ts';
import { CpuCrossSums, CpuFactor, CpuMatrix, panelsOf, sumsOf, values } from './matrix.ts';
import { reduce, type Term } from './reduce.ts';
import { relativeResidual } from './residual.ts';
import { solveWide } from './wide.ts';

export abstract class CpuAlgebra implements Algebra {
  protected readonly gemm: Gemm | undefined;
  protected readonly owned = new Set<object>();
  private paused = performance.now();

  constructor(gemm: Gemm | undefined) {
    this.gemm = gemm;
  }

  zeros(rows: number, cols: number): Matrix {
    checkSize(rows, cols);
    return this.own(new CpuMatrix(new Float32Array(rows * cols), rows, cols));
  }

  async matmul(a: Matrix, b: Matrix, options: MatmulOptions = {}): Promise<Matrix> {
    const shape = checkMatmul(a, b, options);
    const out = options.into ?? this.zeros(shape.m, shape.n);
    const operand = (x: Matrix) => ({ values: values(x), rows: x.rows, cols: x.cols });
    await matmul(values(out), operand(a), operand(b), shape, options, this.gemm, () => this.pause());
    return out;
  }

  async addCentred(
    into: Matrix,
    x: Matrix,
    xMean: Matrix | null,
    y: Matrix,
    yMean: Matrix | null,
    weight = 1,
  ): Promise<void> {
    checkCentred(into, x, xMean, y, yMean);
    const centred = (matrix: Matrix, mean: Matrix | null) => {
      if (mean === null) return values(matrix);
      const out = new Float32Array(matrix.rows * matrix.cols);
      columnAffine(
        out,
        values(matrix),
        matrix.cols,
        null,
        values(mean).map((v) => -v),
      );
      return out;
    };
    const left = { values: centred(x, xMean), rows: x.rows, cols: x.cols };
    const same = x === y && xMean === yMean;
    const right = same ? left : { values: centred(y, yMean), rows: y.rows, cols: y.cols };
    const shape = { m: x.cols, n: y.cols, k: x.rows };
    const options = { transposeA: true, accumulate: true, alpha: weight };
    await matmul(values(into), left, right, shape, options, this.gemm, () => this.pause());
  }

  async cholesky(a: Matrix, lambda = 0, signal?: AbortSignal): Promise<Factored> {
    checkSquare(a, 'A matrix to factor');
    checkLambda(lambda);
    const panels = await factor(values(a), a.rows, lambda, () => this.pause(signal));
    if ('pivot' in panels) return { ok: false, pivot: panels.pivot };
    return { ok: true, factor: this.own(new CpuFactor(a.rows, panels)) };
  }

  async lower(handle: Factor): Promise<Matrix> {
    return this.own(new CpuMatrix(lowerTriangle(panelsOf(handle), handle.n), handle.n, handle.n));
  }

  async solveTriangular(handle: Factor, b: Matrix, transposed: boolean): Promise<Matrix> {
    checkRightSide(handle.n, b);
    const x = Float64Array.from(values(b));
    await solveInPlace(panelsOf(handle), x, b.cols, transposed, () => this.pause());
    return this.own(new CpuMatrix(Float32Array.from(x), b.rows, b.cols));
  }

  async solveSpd(a: Matrix, b: Matrix, options: SolveOptions = {}): Promise<Solved> {
    const { lambda = 0, signal } = options;
    checkRightSide(a.rows, b);
    checkSquare(a, 'A matrix to factor');
    checkLambda(lambda);
    const [matrix, right] = [values(a), values(b)];
    const pause = () => this.pause(signal);
    const panels = await factor(matrix, a.rows, lambda, pause);
    if ('pivot' in panels) return { ok: false, pivot: panels.pivot };
    const wide = Float64Array.from(right);
    await solveInPlace(panels, wide, b.cols, false, pause);
    await solveInPlace(panels, wide, b.cols, true, pause);
    const x = Float32Array.from(wide);
    const residual = await relativeResidual(matrix, x, right, a.rows, b.cols, lambda, pause);
    return { ok: true, x: this.own(new CpuMatrix(x, a.rows, b.cols)), residual, refinements: 0 };
  }

  async solveWide(
    a: Float64Array,
    n: number,
    b: Float64Array,
    m: number,
    { lambda = 0, signal }: WideOptions = {},
  ): Promise<WideSolved> {
    checkWide(a, n, b, m);
    checkLambda(lambda);
    return solveWide(a, n, b, m, lambda, () => this.pause(signal));
  }

  createCrossSums(p: number, q: number): CrossSums {
    checkSize(p, q);
    return this.own(new CpuCrossSums(p, q));
  }

  async addCrossSums(sums: CrossSums, x: Matrix, y: Matrix, weight = 1): Promise<void> {
    checkCrossSums(sums.p, sums.q, x, y);
    const left = { values: values(x), rows: x.rows, cols: x.cols };
    const right = x === y ? left : { values: values(y), rows: y.rows, cols: y.cols };
    await addCrossSums(sumsOf(sums), left, right, weight, this.gemm, () => this.pause());
  }

  async readCrossSums(sums: CrossSums): Promise<Float64Array> {
    return sumsOf(sums).slice();
  }

  async activate(name: ActivationName, z: Matrix, into?: Matrix): Promise<Matrix> {
    return this.elementwise(name, false, [z], into);
  }

  async activateBackward(name: ActivationName, z: Matrix, dh: Matrix, into?: Matrix): Promise<Matrix> {
    return this.elementwise(name, true, [z, dh], into);
  }

  async gated(name: ActivationName, g: Matrix, u: Matrix, into?: Matrix): Promise<Matrix> {
    return this.elementwise(name, false, [g, u], into);
  }

  async gatedBackward(
    name: ActivationName,
    g: Matrix,
    u: Matrix,
    dh: Matrix,
    into?: { readonly dg: Matrix; readonly du: Matrix },
  ): Promise<{ dg: Matrix; du: Matrix }> {
    const dg = this.elementwise(name, true, [g, u, dh], into?.dg);
    return { dg, du: this.elementwise(name, false, [g, dh], into?.du) };
  }

  private elementwise(
    name: ActivationName,
    derivative: boolean,
    inputs: readonly Matrix[],
    into: Matrix | undefined,
  ): Matrix {
    const [z] = inputs;
    checkSameShape(...inputs);
    checkInto(into, z.rows, z.cols, inputs);
    const out = into ?? this.zeros(z.rows, z.cols);
    const [first, ...factors] = inputs.map(values);
    activation(values(out), name, derivative, first, factors);
    return out;
  }

  async columnAffine(x: Matrix, scale: Matrix | null, shift: Matrix | null, into?: Matrix): Promise<Matrix> {
    checkRow(scale, x.cols, 'The factors of the columns');
    checkRow(shift, x.cols, 'The terms of the columns');
    checkInto(into, x.rows, x.cols, [scale, shift]);
    const out = into ?? this.zeros(x.rows, x.cols);
    columnAffine(values(out), values(x), x.cols, scale && values(scale), shift && values(shift));
    return out;
  }

  async axpy(x: Matrix, y: Matrix, alpha = 1, beta = 1): Promise<void> {
    checkSameShape(x, y);
    checkInto(y, x.rows, x.cols, [x]);
    axpy(values(x), values(y), alpha, beta);
  }

  async sums(x: Matrix, y: Matrix | null, options: ReduceOptions): Promise<Matrix> {
    return this.reduce(y === null ? 'value' : 'product', x, y, options, false);
  }

  async squaredErrors(x: Matrix, y: Matrix | null, options: ReduceOptions): Promise<Matrix> {
    return this.reduce('square', x, y, options, true);
  }

  private reduce(
    term: Term,
    x: Matrix,
    y: Matrix | null,
    options: ReduceOptions,
    rowAllowed: boolean,
  ): Matrix {
    const { rows, cols } = checkReduce(x, y, options, rowAllowed);
    const out = options.into ?? this.zeros(rows, cols);
    if (!options.accumulate) values(out).fill(0);
    reduce(values(out), term, options.along, values(x), y && values(y), x.cols);
    return out;
  }

  async gatherRows(x: Matrix, indices: Uint32Array, into?: Matrix): Promise<Matrix> {
    checkGather(x, indices);
    checkInto(into, indices.length, x.cols, [x]);
    const out = into ?? this.zeros(indices.length, x.cols);
    gatherRows(values(out), values(x), x.cols, indices);
    return out;
  }

  async diagonal(x: Matrix): Promise<Float32Array> {
    checkSquare(x, 'A matrix with a diagonal');
    const all = values(x);
    return Float32Array.from({ length: x.rows }, (_, k) => all[k * (x.cols + 1)]);
  }

  async adam(
    parameters: Matrix,
    gradient: Matrix,
    m: Matrix,
    v: Matrix,
    options: AdamOptions,
  ): Promise<void> {
    const step = checkAdam([parameters, gradient, m, v], options);
    adam(values(parameters), values(gradient), values(m), values(v), step);
  }

  protected own<T extends object>(handle: T): T {
    this.owned.add(handle);
    return handle;
  }

  /** Lets messages in every 30 ms or so; throws the signal's reason where it aborted. */
  protected async pause(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (performance.now() - this.paused < 30) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.paused = performance.now();
    signal?.throwIfAborted();
  }
}
