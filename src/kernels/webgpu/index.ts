/**
 * The WebGPU backend: f32 kernels over buffers, twin of cpu/.
 *
 * Accumulators are f32 over shifted data; final reductions that go back to the CPU are f64. The device belongs to
 * whoever asked for it (device.ts); this backend owns only the buffers that it made.
 * Known limits: one element of an accumulator a pair in its own buffer, so a pair is bounded by maxBufferSize;
 * a Gram matrix needs its rows, and a row permutation its matrix, within one binding.
 */
import { type Accumulator, foreignHandle, guarded, measured, open, pairAt } from '../accumulator.ts';
import type { Backend, Handle, HsicSums, Matrix, Pair, PairMoments } from '../backend.ts';
import type { GpuLostError } from '../errors.ts';
import {
  checkBatch,
  checkData,
  checkHsic,
  checkPairs,
  checkPermuteAverage,
  checkRowRange,
  checkSize,
} from '../shapes.ts';
import { GpuAlgebra } from './algebra.ts';
import { columnSums, type Stats } from './column_sums.ts';
import { correlation } from './correlation.ts';
import { crossMoments } from './cross_moments.ts';
import { centredNorms } from './frobenius.ts';
import { gram } from './gram.ts';
import { hsicReduce } from './hsic_reduce.ts';
import { GpuCrossSums, GpuFactor, GpuMatrix, gpuMatrix } from './matrix.ts';
import { permuteAverage } from './permute_average.ts';
import { GpuQueue, type QueueOptions } from './queue.ts';
import { uCentre } from './u_centre.ts';

export interface WebGpuBackendOptions extends QueueOptions {
  /** Called once where the device is lost other than by our own closing it. */
  readonly onLost?: (error: GpuLostError) => void;
}

/** @param device stays the caller's: `dispose` frees buffers but does not destroy it. */
export function createWebGpuBackend(device: GPUDevice, options: WebGpuBackendOptions = {}): Backend {
  return new WebGpuBackend(device, options);
}

class GpuPairMoments implements PairMoments {
  readonly cols: readonly number[];
  readonly pairs: readonly Pair[];
  samples = 0;
  state: Accumulator['state'] = 'open';
  busy = false;
  /** One a pair, [pᵢ × pⱼ]. */
  readonly cross: readonly GPUBuffer[];
  /** Shift, sum and square of each feature matrix, one after the other in one buffer. */
  readonly stats: readonly Stats[];
  readonly buffers: readonly GPUBuffer[];

  constructor(
    cols: readonly number[],
    pairs: readonly Pair[],
    stats: GPUBuffer,
    cross: readonly GPUBuffer[],
  ) {
    this.cols = [...cols];
    this.pairs = [...pairs];
    this.cross = cross;
    this.stats = statsOf(cols, stats);
    this.buffers = [stats, ...cross];
  }
}

class GpuHsicSums implements HsicSums {
  readonly count: number;
  readonly sums: GPUBuffer;
  readonly buffers: readonly GPUBuffer[];
  minibatches = 0;
  state: Accumulator['state'] = 'open';
  busy = false;

  constructor(count: number, sums: GPUBuffer) {
    this.count = count;
    this.sums = sums;
    this.buffers = [sums];
  }
}

class WebGpuBackend extends GpuAlgebra implements Backend {
  readonly kind = 'webgpu';
  readonly accumulatorBytes = 4;

  constructor(device: GPUDevice, options: WebGpuBackendOptions) {
    super(new GpuQueue(device, options));
    void device.lost.then(({ reason }) => {
      if (reason === 'destroyed') return;
      try {
        this.queue.throwIfLost();
      } catch (error) {
        options.onLost?.(error as GpuLostError);
      }
    });
  }

  upload(data: Float32Array, rows: number, cols: number): Matrix {
    checkData(data, rows, cols);
    return this.own(new GpuMatrix(this.queue.upload(data, `A matrix of ${rows}×${cols}`), rows, cols, true));
  }

  adopt(buffer: GPUBuffer, rows: number, cols: number): Matrix {
    checkSize(rows, cols);
    if (buffer.size < rows * cols * 4) {
      throw new RangeError(`A buffer of ${buffer.size} bytes cannot hold a matrix of ${rows}×${cols}.`);
    }
    return this.own(new GpuMatrix(buffer, rows, cols, false));
  }

  async read(matrix: Matrix): Promise<Float32Array> {
    return this.queue.read(gpuMatrix(matrix).data, matrix.rows * matrix.cols);
  }

  release(...handles: Handle[]): void {
    for (const handle of handles) {
      this.owned.delete(handle);
      if (handle instanceof GpuMatrix) {
        const buffer = handle.detach();
        if (buffer !== null) this.queue.destroy(buffer);
      } else if (handle instanceof GpuCrossSums) {
        this.release(handle.matrix);
      } else if (handle instanceof GpuFactor) {
        for (const buffer of handle.detach()) this.queue.destroy(buffer);
      } else if (handle instanceof GpuPairMoments || handle instanceof GpuHsicSums) {
        const first = handle.state !== 'released';
        handle.state = 'released';
        if (first && !handle.busy) this.free(handle);
      } else {
        throw foreignHandle();
      }
    }
  }

  sync(): Promise<void> {
    return this.queue.sync();
  }

  dispose(): void {
    this.release(...this.owned);
    this.queue.dispose();
  }

  createPairMoments(cols: readonly number[], pairs: readonly Pair[]): PairMoments {
    checkPairs(cols, pairs);
    const made: GPUBuffer[] = [];
    const make = (elements: number, what: string) => {
      made.push(this.queue.createBuffer(elements, what));
      return made[made.length - 1];
    };
    try {
      const stats = make(statsLength(cols), 'The statistics of the columns');
      const cross = pairs.map(([i, j]) => make(cols[i] * cols[j], `Cross moments of ${cols[i]}×${cols[j]}`));
      return this.own(new GpuPairMoments(cols, pairs, stats, cross));
    } catch (error) {
      for (const buffer of made) buffer.destroy();
      throw error;
    }
  }

  async addPairMoments(
    handle: PairMoments,
    features: readonly (Matrix | null)[],
    signal?: AbortSignal,
  ): Promise<void> {
    const moments = open(handle, GpuPairMoments);
    const { pairs, stats, cross } = moments;
    const count = checkBatch(moments.cols, pairs, features);
    const inputs = features.map((matrix) => (matrix === null ? null : gpuMatrix(matrix)));
    await guarded(
      moments,
      async () => {
        for (const i of new Set(pairs.flat())) {
          await columnSums(this.queue, inputs[i]!, { first: 0, count }, stats[i], moments.samples === 0);
        }
        for (let k = 0; k < pairs.length; k++) {
          signal?.throwIfAborted();
          open(moments, GpuPairMoments);
          const [i, j] = pairs[k];
          await crossMoments(this.queue, inputs[i]!, stats[i], inputs[j]!, stats[j], cross[k]);
        }
        await this.queue.flush();
        moments.samples += count;
      },
      () => this.free(moments),
    );
  }

  correlation(handle: PairMoments, pairIndex: number): Promise<Matrix> {
    return this.fromPair(handle, pairIndex, true);
  }

  centredCross(handle: PairMoments, pairIndex: number): Promise<Matrix> {
    return this.fromPair(handle, pairIndex, false);
  }

  private async fromPair(handle: PairMoments, pairIndex: number, normalise: boolean): Promise<Matrix> {
    const { cols, stats, cross, samples, pairs } = measured(open(handle, GpuPairMoments));
    const [i, j] = pairAt({ pairs }, pairIndex);
    return this.making(this.zeros(cols[i], cols[j]), (out) =>
      correlation(this.queue, cross[pairIndex], stats[i], stats[j], samples, normalise, out),
    );
  }

  async centredCrossNorms(handle: PairMoments): Promise<Float64Array> {
    const { cols, pairs, stats, cross, samples } = measured(open(handle, GpuPairMoments));
    const inputs = pairs.map(([i, j], k) => {
      return { cross: cross[k], x: stats[i], y: stats[j], p: cols[i], q: cols[j] };
    });
    return centredNorms(this.queue, inputs, samples);
  }

  async columnStatistics(
    handle: PairMoments,
    index: number,
  ): Promise<{ mean: Float32Array; std: Float32Array }> {
    const { cols, pairs, stats, samples } = measured(open(handle, GpuPairMoments));
    if (!pairs.flat().includes(index)) throw new RangeError(`Feature matrix ${index} is not measured.`);
    const all = await this.queue.read(stats[index].buffer, stats[index].length);
    const part = (k: number) => {
      const from = stats[index].base + k * cols[index];
      return all.subarray(from, from + cols[index]);
    };
    const [shift, sum, square] = [part(0), part(1), part(2)];
    return {
      mean: shift.map((s, c) => s + sum[c] / samples),
      std: square.map((q, c) => Math.sqrt(Math.max(0, q / samples - (sum[c] / samples) ** 2))),
    };
  }

  async gram(x: Matrix, first = 0, count: number = x.rows - first): Promise<Matrix> {
    checkRowRange(x, first, count);
    const input = gpuMatrix(x);
    return this.making(this.zeros(count, count), (out) =>
      gram(this.queue, input, { first, count }, null, out.data, 0),
    );
  }

  createHsicSums(count: number): HsicSums {
    checkSize(count, count);
    return this.own(new GpuHsicSums(count, this.queue.createBuffer(count * count, 'The sums of HSIC')));
  }

  async addHsic(
    handle: HsicSums,
    features: readonly Matrix[],
    first: number,
    rows: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const sums = open(handle, GpuHsicSums);
    checkHsic(sums.count, features, first, rows);
    const inputs = features.map(gpuMatrix);
    const cols = inputs.map((matrix) => matrix.cols);
    const run = { first, count: rows };
    await guarded(
      sums,
      async () => {
        const buffers: GPUBuffer[] = [];
        try {
          const shifts = this.queue.createBuffer(statsLength(cols), 'The column means');
          buffers.push(shifts);
          const stack = this.queue.createBuffer(sums.count * rows * rows, 'A stack of Gram matrices');
          buffers.push(stack);
          const stats = statsOf(cols, shifts);
          for (let k = 0; k < inputs.length; k++) {
            signal?.throwIfAborted();
            // HSIC₁ does not change with a shift of the columns, but its rounding does.
            await columnSums(this.queue, inputs[k], run, stats[k], true);
            await gram(this.queue, inputs[k], run, stats[k], stack, k * rows * rows);
          }
          open(sums, GpuHsicSums);
          await uCentre(this.queue, stack, sums.count, rows);
          await hsicReduce(this.queue, stack, sums.count, rows, sums.sums);
          await this.queue.flush();
          sums.minibatches++;
        } finally {
          for (const buffer of buffers) this.queue.destroy(buffer);
        }
      },
      () => this.free(sums),
    );
  }

  async readHsic(handle: HsicSums): Promise<Float64Array> {
    const { sums, count } = open(handle, GpuHsicSums);
    return Float64Array.from(await this.queue.read(sums, count * count));
  }

  async permuteAverage(
    inputs: readonly Matrix[],
    permutations: readonly (Uint32Array | null)[],
    axis: 0 | 1,
    out?: Matrix,
  ): Promise<Matrix> {
    const { rows, cols } = checkPermuteAverage(inputs, permutations, axis, out);
    const sources = inputs.map(gpuMatrix);
    const into = (target: GpuMatrix) => permuteAverage(this.queue, sources, permutations, axis, target);
    if (out === undefined) return this.making(this.zeros(rows, cols), into);
    await into(gpuMatrix(out));
    return out;
  }

  private free(handle: GpuPairMoments | GpuHsicSums): void {
    for (const buffer of handle.buffers) this.queue.destroy(buffer);
  }
}

/** At least one element: a buffer of none cannot be bound. */
function statsLength(cols: readonly number[]): number {
  return Math.max(1, 3 * cols.reduce((sum, c) => sum + c, 0));
}

function statsOf(cols: readonly number[], buffer: GPUBuffer): Stats[] {
  const length = statsLength(cols);
  let base = 0;
  return cols.map((c) => {
    const stats = { buffer, length, base };
    base += 3 * c;
    return stats;
  });
}
