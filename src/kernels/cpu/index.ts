/**
 * The CPU backend: the readable twin, the oracle of the GPU's tests, and the fallback where there is no GPU.
 *
 * Statistics accumulate in f64. Without an injected product everything is f64 JavaScript at about 3 GFLOPS; with
 * one (onnxruntime's wasm), products are f32 over shifted data and their sums f64.
 * Long calls give way to the event loop between products, so that an abort can arrive.
 */
import { type Accumulator, foreignHandle, guarded, measured, open, pairAt } from '../accumulator.ts';
import type { Backend, Gemm, Handle, HsicSums, Matrix, Pair, PairMoments } from '../backend.ts';
import {
  checkBatch,
  checkData,
  checkHsic,
  checkPairs,
  checkPermuteAverage,
  checkRowRange,
  checkSize,
} from '../shapes.ts';
import { CpuAlgebra } from './algebra.ts';
import { addColumnSums, type ColumnSums, columnMeans, createColumnSums } from './column_sums.ts';
import { centredCross, correlation, standardDeviations } from './correlation.ts';
import { addCrossMoments, rowsPerRun, type Shifted, shiftRun } from './cross_moments.ts';
import { centredNorm } from './frobenius.ts';
import { gram } from './gram.ts';
import { addHsicPairs } from './hsic_reduce.ts';
import { CpuCrossSums, CpuFactor, CpuMatrix, values } from './matrix.ts';
import { permuteAverage } from './permute_average.ts';
import { uCentre } from './u_centre.ts';

export interface CpuBackendOptions {
  /** A fast f32 product; without it, JavaScript in f64. */
  readonly gemm?: Gemm;
}

export function createCpuBackend(options: CpuBackendOptions = {}): Backend {
  return new CpuBackend(options.gemm);
}

class CpuPairMoments implements PairMoments {
  readonly cols: readonly number[];
  readonly pairs: readonly Pair[];
  samples = 0;
  /** One a feature matrix. */
  sums: ColumnSums[];
  /** One a pair, [pᵢ × pⱼ]. */
  cross: Float64Array[];
  state: Accumulator['state'] = 'open';
  busy = false;

  constructor(cols: readonly number[], pairs: readonly Pair[]) {
    this.cols = [...cols];
    this.pairs = [...pairs];
    this.sums = cols.map(createColumnSums);
    this.cross = pairs.map(([i, j]) => new Float64Array(cols[i] * cols[j]));
  }
}

class CpuHsicSums implements HsicSums {
  readonly count: number;
  minibatches = 0;
  values: Float64Array;
  state: Accumulator['state'] = 'open';
  busy = false;

  constructor(count: number) {
    this.count = count;
    this.values = new Float64Array(count * count);
  }
}

class CpuBackend extends CpuAlgebra implements Backend {
  readonly kind = 'cpu';
  readonly accumulatorBytes = 8;

  upload(data: Float32Array, rows: number, cols: number): Matrix {
    checkData(data, rows, cols);
    return this.own(new CpuMatrix(data.slice(), rows, cols));
  }

  async read(matrix: Matrix): Promise<Float32Array> {
    return values(matrix).slice();
  }

  release(...handles: Handle[]): void {
    for (const handle of handles) {
      this.owned.delete(handle);
      if (handle instanceof CpuMatrix || handle instanceof CpuCrossSums) {
        handle.values = null;
      } else if (handle instanceof CpuFactor) {
        handle.panels = null;
      } else if (handle instanceof CpuPairMoments) {
        handle.state = 'released';
        handle.cross = [];
        handle.sums = [];
      } else if (handle instanceof CpuHsicSums) {
        handle.state = 'released';
        handle.values = new Float64Array(0);
      } else {
        throw foreignHandle();
      }
    }
  }

  async sync(): Promise<void> {}

  dispose(): void {
    this.release(...([...this.owned] as Matrix[]));
  }

  createPairMoments(cols: readonly number[], pairs: readonly Pair[]): PairMoments {
    checkPairs(cols, pairs);
    return this.own(new CpuPairMoments(cols, pairs));
  }

  async addPairMoments(
    handle: PairMoments,
    features: readonly (Matrix | null)[],
    signal?: AbortSignal,
  ): Promise<void> {
    const moments = open(handle, CpuPairMoments);
    const { cols, pairs } = moments;
    const rows = checkBatch(cols, pairs, features);
    const inputs = features.map((matrix) => (matrix === null ? null : values(matrix)));
    const used = [...new Set(pairs.flat())];
    const fast = this.gemm !== undefined;
    await guarded(moments, async () => {
      for (const i of used) addColumnSums(moments.sums[i], inputs[i]!, rows);
      const columns = used.reduce((sum, i) => sum + cols[i], 0);
      const run = rowsPerRun(columns, fast ? 4 : 8);
      for (let first = 0; first < rows; first += run) {
        const count = Math.min(run, rows - first);
        const shifted = new Map<number, Shifted>();
        for (const i of used) {
          shifted.set(i, shiftRun(inputs[i]!, cols[i], first, count, moments.sums[i].shift!, fast));
        }
        for (let k = 0; k < pairs.length; k++) {
          const [i, j] = pairs[k];
          open(moments, CpuPairMoments);
          await addCrossMoments(moments.cross[k], shifted.get(i)!, shifted.get(j)!, this.gemm);
          await this.pause(signal);
        }
      }
      moments.samples += rows;
    });
  }

  async correlation(handle: PairMoments, pairIndex: number): Promise<Matrix> {
    return this.fromPair(handle, pairIndex, correlation);
  }

  async centredCross(handle: PairMoments, pairIndex: number): Promise<Matrix> {
    return this.fromPair(handle, pairIndex, centredCross);
  }

  private fromPair(handle: PairMoments, pairIndex: number, formula: typeof correlation): Matrix {
    const moments = measured(open(handle, CpuPairMoments));
    const [i, j] = pairAt(moments, pairIndex);
    const out = formula(moments.cross[pairIndex], moments.sums[i], moments.sums[j], moments.samples);
    return this.own(new CpuMatrix(out, moments.cols[i], moments.cols[j]));
  }

  async centredCrossNorms(handle: PairMoments): Promise<Float64Array> {
    const moments = measured(open(handle, CpuPairMoments));
    return Float64Array.from(moments.pairs, ([i, j], k) =>
      centredNorm(moments.cross[k], moments.sums[i].sum, moments.sums[j].sum, moments.samples),
    );
  }

  async columnStatistics(
    handle: PairMoments,
    index: number,
  ): Promise<{ mean: Float32Array; std: Float32Array }> {
    const moments = measured(open(handle, CpuPairMoments));
    const sums = moments.sums[index];
    if (!sums?.shift) throw new RangeError(`Feature matrix ${index} is not measured.`);
    const { shift, sum } = sums;
    return {
      mean: Float32Array.from(sum, (total, c) => shift[c] + total / moments.samples),
      std: Float32Array.from(standardDeviations(sums, moments.samples)),
    };
  }

  async gram(x: Matrix, first = 0, count: number = x.rows - first): Promise<Matrix> {
    checkRowRange(x, first, count);
    const out = await gram(values(x), x.cols, first, count, null, this.gemm);
    return this.own(new CpuMatrix(Float32Array.from(out), count, count));
  }

  createHsicSums(count: number): HsicSums {
    checkSize(count, count);
    return this.own(new CpuHsicSums(count));
  }

  async addHsic(
    handle: HsicSums,
    features: readonly Matrix[],
    first: number,
    rows: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const sums = open(handle, CpuHsicSums);
    checkHsic(sums.count, features, first, rows);
    await guarded(sums, async () => {
      const stack: Float64Array[] = [];
      for (const matrix of features) {
        const x = values(matrix);
        // HSIC₁ does not change with a shift of the columns, but its rounding does.
        const mean = columnMeans(x, matrix.cols, first, rows);
        const centred = await gram(x, matrix.cols, first, rows, mean, this.gemm);
        uCentre(centred, rows);
        stack.push(centred);
        await this.pause(signal);
      }
      addHsicPairs(sums.values, stack, rows);
      sums.minibatches++;
    });
  }

  async readHsic(handle: HsicSums): Promise<Float64Array> {
    return open(handle, CpuHsicSums).values.slice();
  }

  async permuteAverage(
    inputs: readonly Matrix[],
    permutations: readonly (Uint32Array | null)[],
    axis: 0 | 1,
    out?: Matrix,
  ): Promise<Matrix> {
    const { rows, cols } = checkPermuteAverage(inputs, permutations, axis, out);
    const result = out ?? this.zeros(rows, cols);
    permuteAverage(values(result), inputs.map(values), permutations, rows, cols, axis);
    return result;
  }
}
