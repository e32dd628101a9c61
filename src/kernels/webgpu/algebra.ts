/**
 * The algebra (../algebra.ts) on the GPU, in f32.
 *
 * Calls only record their work, so that a step of training is a few submits; where a matrix was adopted from somebody
 * else, its call submits, since the other side may change the buffer next. A system is factored in f32 and refined on
 * residuals of nearly twice the digits.
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
import type { Handle, Matrix } from '../backend.ts';
import { checkSize } from '../shapes.ts';
import { activation } from './activation.ts';
import { adam } from './adam.ts';
import { axpy } from './axpy.ts';
import { factor, lowerTriangle, solve } from './cholesky.ts';
import { columnAffine } from './column_affine.ts';
import { gatherRows } from './gather_rows.ts';
import { type Block, matmul, wholeMatrix } from './matmul.ts';
import { GpuCrossSums, GpuFactor, GpuMatrix, gpuFactor, gpuMatrix, gpuSums } from './matrix.ts';
import type { GpuQueue } from './queue.ts';
import { reduce, type Term } from './reduce.ts';
import { refine } from './refine.ts';
import { rowsThatFit, runs } from './slices.ts';
import { solveWide } from './wide.ts';

const MOST_REFINEMENTS = 4;
/** Rows that are centred at once; bounds the copies. */
const MOST_CENTRED_ROWS = 4096;
/** Terms of one f32 sum in sums of products: runs are added to one another, which rounds less than one long sum. */
const MOST_SUMMED_ROWS = 512;

export abstract class GpuAlgebra implements Algebra {
  protected readonly queue: GpuQueue;
  protected readonly owned = new Set<Handle>();

  constructor(queue: GpuQueue) {
    this.queue = queue;
  }

  abstract release(...handles: Handle[]): void;

  zeros(rows: number, cols: number): GpuMatrix {
    checkSize(rows, cols);
    const buffer = this.queue.createBuffer(rows * cols, `A matrix of ${rows}×${cols}`);
    return this.own(new GpuMatrix(buffer, rows, cols, true));
  }

  async matmul(a: Matrix, b: Matrix, options: MatmulOptions = {}): Promise<Matrix> {
    const { m, n, k } = checkMatmul(a, b, options);
    const [left, right] = [gpuMatrix(a), gpuMatrix(b)];
    return this.result(m, n, options.into, [left, right], (out) =>
      matmul(this.queue, wholeMatrix(left), wholeMatrix(right), wholeMatrix(out), { ...options, m, n, k }),
    );
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
    const same = x === y && xMean === yMean;
    const out = gpuMatrix(into);
    const data = [x, y].map(gpuMatrix);
    const means = [xMean, yMean].map((mean) => mean && gpuMatrix(mean));
    const sides = same ? [0] : [0, 1];
    // Centred copies of a run of rows at a time.
    const fitting = rowsThatFit(this.queue.maxBindingBytes, Math.max(x.cols, y.cols));
    const most = Math.min(fitting, MOST_CENTRED_ROWS, x.rows);
    await this.withTemporaries(async (make) => {
      const shifts = means.map((mean) => mean && make(1, mean.cols));
      const copies = sides.map((side) => means[side] && make(most, data[side].cols));
      for (const side of sides) {
        const [mean, shift] = [means[side], shifts[side]];
        if (mean && shift) await axpy(this.queue, mean, shift, -1, 0);
      }
      for (const run of runs(x.rows, most)) {
        const blocks: Block[] = [];
        for (const side of sides) {
          const copy = copies[side];
          if (copy) await columnAffine(this.queue, data[side], run, null, shifts[side], copy);
          const whole = wholeMatrix(copy ?? data[side]);
          blocks.push(copy ? whole : { ...whole, first: run.first * whole.stride });
        }
        const product = { m: x.cols, n: y.cols, k: run.count, alpha: weight };
        await matmul(this.queue, blocks[0], blocks[blocks.length - 1], wholeMatrix(out), {
          ...product,
          transposeA: true,
          accumulate: true,
        });
      }
    });
    await this.submitAdopted([out, ...data, ...means.filter((mean) => mean !== null)]);
  }

  async cholesky(a: Matrix, lambda = 0, signal?: AbortSignal): Promise<Factored> {
    checkSquare(a, 'A matrix to factor');
    checkLambda(lambda);
    const panels = await factor(this.queue, gpuMatrix(a), lambda, signal);
    if ('pivot' in panels) return { ok: false, pivot: panels.pivot };
    return { ok: true, factor: this.own(new GpuFactor(a.rows, panels)) };
  }

  async lower(handle: Factor): Promise<Matrix> {
    const { n, data } = gpuFactor(handle);
    return this.result(n, n, undefined, [], (out) => lowerTriangle(this.queue, data, out));
  }

  async solveTriangular(handle: Factor, b: Matrix, transposed: boolean): Promise<Matrix> {
    checkRightSide(handle.n, b);
    const { data } = gpuFactor(handle);
    const right = gpuMatrix(b);
    return this.result(b.rows, b.cols, undefined, [right], (out) =>
      this.withTemporaries(async (make) => {
        const scratch = make(b.rows, b.cols);
        await axpy(this.queue, right, scratch, 1, 0);
        await solve(this.queue, data, scratch, out, transposed);
      }),
    );
  }

  async solveSpd(a: Matrix, b: Matrix, options: SolveOptions = {}): Promise<Solved> {
    const { lambda = 0, refinements = MOST_REFINEMENTS, signal } = options;
    checkRightSide(a.rows, b);
    checkSquare(a, 'A matrix to factor');
    checkLambda(lambda);
    const factored = await this.cholesky(a, lambda, signal);
    if (!factored.ok) return factored;
    const x = this.zeros(b.rows, b.cols);
    try {
      const told = await this.withTemporaries((make) => {
        const system = { a: gpuMatrix(a), b: gpuMatrix(b), lambda, panels: gpuFactor(factored.factor).data };
        return refine(this.queue, system, x, make, refinements, signal);
      });
      return { ok: true, x, ...told };
    } catch (error) {
      this.release(x);
      throw error;
    } finally {
      this.release(factored.factor);
    }
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
    return this.withTemporaries((make) => solveWide(this.queue, a, n, b, m, lambda, make, signal));
  }

  createCrossSums(p: number, q: number): CrossSums {
    return this.own(new GpuCrossSums(this.zeros(p, q)));
  }

  async addCrossSums(sums: CrossSums, x: Matrix, y: Matrix, weight = 1): Promise<void> {
    checkCrossSums(sums.p, sums.q, x, y);
    const out = gpuSums(sums);
    const data = [x, y].map(gpuMatrix);
    for (const { first, count } of runs(x.rows, MOST_SUMMED_ROWS)) {
      const [left, right] = data.map((matrix): Block => {
        const whole = wholeMatrix(matrix);
        return { ...whole, first: first * whole.stride };
      });
      const shape = { m: x.cols, n: y.cols, k: count, transposeA: true };
      await matmul(this.queue, left, right, wholeMatrix(out), { ...shape, alpha: weight, accumulate: true });
    }
    await this.submitAdopted(data);
  }

  async readCrossSums(sums: CrossSums): Promise<Float64Array> {
    return Float64Array.from(await this.queue.read(gpuSums(sums).data, sums.p * sums.q));
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
    checkSameShape(g, u, dh);
    if (into) for (const out of [into.dg, into.du]) checkInto(out, g.rows, g.cols, [g, u, dh]);
    const dg = await this.elementwise(name, true, [g, u, dh], into?.dg);
    return { dg, du: await this.elementwise(name, false, [g, dh], into?.du) };
  }

  private async elementwise(
    name: ActivationName,
    derivative: boolean,
    inputs: readonly Matrix[],
    into: Matrix | undefined,
  ): Promise<Matrix> {
    checkSameShape(...inputs);
    const [{ rows, cols }] = inputs;
    checkInto(into, rows, cols, inputs);
    const sources = inputs.map(gpuMatrix);
    return this.result(rows, cols, into, sources, (out) =>
      activation(this.queue, name, derivative, sources, out),
    );
  }

  async columnAffine(x: Matrix, scale: Matrix | null, shift: Matrix | null, into?: Matrix): Promise<Matrix> {
    checkRow(scale, x.cols, 'The factors of the columns');
    checkRow(shift, x.cols, 'The terms of the columns');
    checkInto(into, x.rows, x.cols, [scale, shift]);
    if (into === x && scale === null && shift === null) return x;
    const [factors, terms] = [scale && gpuMatrix(scale), shift && gpuMatrix(shift)];
    const source = gpuMatrix(x);
    return this.result(x.rows, x.cols, into, [source], (out) =>
      columnAffine(this.queue, source, { first: 0, count: x.rows }, factors, terms, out),
    );
  }

  async axpy(x: Matrix, y: Matrix, alpha = 1, beta = 1): Promise<void> {
    checkSameShape(x, y);
    checkInto(y, x.rows, x.cols, [x]);
    const [from, to] = [gpuMatrix(x), gpuMatrix(y)];
    await axpy(this.queue, from, to, alpha, beta);
    await this.submitAdopted([from, to]);
  }

  async sums(x: Matrix, y: Matrix | null, options: ReduceOptions): Promise<Matrix> {
    return this.reduce(y === null ? 'value' : 'product', x, y, options, false);
  }

  async squaredErrors(x: Matrix, y: Matrix | null, options: ReduceOptions): Promise<Matrix> {
    return this.reduce('square', x, y, options, true);
  }

  private async reduce(
    term: Term,
    x: Matrix,
    y: Matrix | null,
    options: ReduceOptions,
    rowAllowed: boolean,
  ): Promise<Matrix> {
    const { rows, cols } = checkReduce(x, y, options, rowAllowed);
    const source = gpuMatrix(x);
    const other = y && gpuMatrix(y);
    const { along, into, accumulate = false } = options;
    return this.result(rows, cols, into, other ? [source, other] : [source], (out) =>
      reduce(this.queue, term, along, source, other, out, accumulate),
    );
  }

  async gatherRows(x: Matrix, indices: Uint32Array, into?: Matrix): Promise<Matrix> {
    checkGather(x, indices);
    checkInto(into, indices.length, x.cols, [x]);
    const source = gpuMatrix(x);
    return this.result(indices.length, x.cols, into, [source], (out) =>
      gatherRows(this.queue, source.data, x.rows, x.cols, indices, out.data),
    );
  }

  async diagonal(x: Matrix): Promise<Float32Array> {
    checkSquare(x, 'A matrix with a diagonal');
    const n = x.rows;
    const source = gpuMatrix(x);
    return this.withTemporaries(async (make) => {
      const out = make(n, 1);
      // Every element is a row of one.
      const indices = Uint32Array.from({ length: n }, (_, k) => k * (n + 1));
      await gatherRows(this.queue, source.data, n * n, 1, indices, out.data);
      return this.queue.read(out.data, n);
    });
  }

  async adam(
    parameters: Matrix,
    gradient: Matrix,
    m: Matrix,
    v: Matrix,
    options: AdamOptions,
  ): Promise<void> {
    const step = checkAdam([parameters, gradient, m, v], options);
    const [p, g, mean, square] = [parameters, gradient, m, v].map(gpuMatrix);
    await adam(this.queue, p, g, mean, square, step);
    await this.submitAdopted([p, g, mean, square]);
  }

  protected own<T extends Handle>(handle: T): T {
    this.owned.add(handle);
    return handle;
  }

  /** Fills a new matrix and submits the work, or releases it where that fails. */
  protected async making(out: GpuMatrix, fill: (out: GpuMatrix) => Promise<void>): Promise<Matrix> {
    try {
      await fill(out);
      await this.queue.flush();
      return out;
    } catch (error) {
      this.release(out);
      throw error;
    }
  }

  /** Fills `into`, or a new matrix, which is released where that fails. */
  private async result(
    rows: number,
    cols: number,
    into: Matrix | undefined,
    inputs: readonly GpuMatrix[],
    fill: (out: GpuMatrix) => Promise<void>,
  ): Promise<Matrix> {
    const out = into === undefined ? this.zeros(rows, cols) : gpuMatrix(into);
    try {
      await fill(out);
      await this.submitAdopted([out, ...inputs]);
      return out;
    } catch (error) {
      if (into === undefined) this.release(out);
      throw error;
    }
  }

  private async submitAdopted(matrices: readonly GpuMatrix[]): Promise<void> {
    if (matrices.some(({ owned }) => !owned)) await this.queue.flush();
  }

  /** Matrices that are released at the end of some work. */
  private async withTemporaries<T>(
    work: (make: (rows: number, cols: number) => GpuMatrix) => Promise<T>,
  ): Promise<T> {
    const made: GpuMatrix[] = [];
    try {
      return await work((rows, cols) => {
        const matrix = this.zeros(rows, cols);
        made.push(matrix);
        return matrix;
      });
    } finally {
      this.release(...made);
    }
  }
}
