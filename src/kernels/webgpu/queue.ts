/**
 * Where drivers put their work: dispatches are recorded, and submitted in slices short enough for any driver's
 * watchdog (Windows ends a submit after about 2 s).
 *
 * Known limits: work is measured in estimated FLOPs, not in time. At most two submits are under way at once, so
 * that an abort takes effect soon.
 */
import { GpuError, GpuLimitError, GpuLostError, gpuOutOfMemory } from '../errors.ts';
import { type PipelineCache, pipelinesOf, type Shader } from './pipelines.ts';

export interface QueueOptions {
  /** Estimated FLOPs of one submit; by default 10¹⁰, on a software adapter 2·10⁸. */
  readonly maxFlopsPerSubmit?: number;
  /** Lowers the device's binding limit, for tests. */
  readonly maxBindingBytes?: number;
}

export interface Dispatch {
  readonly shader: Shader;
  /** The words of the shader's Params; f32 as `floatBits`. */
  readonly params: readonly number[];
  /** Bound as 1, 2, … */
  readonly bindings: readonly GPUBufferBinding[];
  readonly workgroups: readonly [number, number?];
  /** Estimated; bounds the length of a submit. */
  readonly flops: number;
}

/** Elements of a buffer as a binding, which has to begin at an aligned offset, and where in it they begin. */
export interface Elements {
  readonly binding: GPUBufferBinding;
  readonly base: number;
}

const UNDER_WAY = 2;
/** Bounds the parameters and bind groups of one submit. */
const MOST_DISPATCHES = 512;

export class GpuQueue {
  readonly device: GPUDevice;
  readonly maxFlops: number;
  readonly maxBindingBytes: number;
  readonly maxWorkgroups: number;
  private readonly pipelines: PipelineCache;
  private readonly paramsStride: number;
  private recorded: { pipeline: GPUComputePipeline; dispatch: Dispatch }[] = [];
  private flops = 0;
  private doomed: GPUBuffer[] = [];
  private paramsBuffer: GPUBuffer | null = null;
  private readonly underWay: Promise<undefined>[] = [];
  private readonly checks = new Set<Promise<void>>();
  private failure: GpuError | null = null;
  private lost: GpuLostError | null = null;

  constructor(device: GPUDevice, options: QueueOptions = {}) {
    this.device = device;
    const { limits } = device;
    const info: Partial<GPUAdapterInfo> | undefined = device.adapterInfo;
    const isSoftware = info?.isFallbackAdapter === true || info?.architecture === 'swiftshader';
    this.maxFlops = options.maxFlopsPerSubmit ?? (isSoftware ? 2e8 : 1e10);
    this.maxBindingBytes = Math.min(
      options.maxBindingBytes ?? Number.POSITIVE_INFINITY,
      limits.maxStorageBufferBindingSize,
      limits.maxBufferSize,
    );
    this.maxWorkgroups = limits.maxComputeWorkgroupsPerDimension;
    this.paramsStride = limits.minUniformBufferOffsetAlignment;
    this.pipelines = pipelinesOf(device);
    device.lost.then(({ reason, message }) => {
      this.lost = new GpuLostError(reason, message);
    });
  }

  /** @throws GpuLimitError where the device's buffers are smaller; GpuLostError where it is gone. */
  createBuffer(elements: number, what: string): GPUBuffer {
    this.throwIfLost();
    const size = elements * 4;
    if (size > this.device.limits.maxBufferSize) {
      throw new GpuLimitError('maxBufferSize, bytes', this.device.limits.maxBufferSize, size, what);
    }
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    return this.checked(() =>
      this.device.createBuffer({ label: what, size, usage: STORAGE | COPY_SRC | COPY_DST }),
    );
  }

  /** A new buffer with these values. */
  upload(data: Float32Array | Uint32Array, what: string): GPUBuffer {
    const buffer = this.createBuffer(data.length, what);
    this.device.queue.writeBuffer(buffer, 0, data as BufferSource);
    return buffer;
  }

  /** Destroys a buffer once what is recorded no longer needs it. */
  destroy(buffer: GPUBuffer): void {
    if (this.recorded.length === 0) buffer.destroy();
    else this.doomed.push(buffer);
  }

  /**
   * Elements first … first+count−1 of a buffer, to be bound.
   * @throws GpuLimitError where they are more than one binding may see.
   */
  elements(buffer: GPUBuffer, first: number, count: number, what: string): Elements {
    const alignment = this.device.limits.minStorageBufferOffsetAlignment / 4;
    const from = Math.floor(first / alignment) * alignment;
    const base = first - from;
    const size = (base + count) * 4;
    // The part before the first element is the alignment's doing: it counts against the device's limit only.
    const limit = this.maxBindingBytes;
    if (count * 4 > limit || size > this.device.limits.maxStorageBufferBindingSize) {
      throw new GpuLimitError('maxStorageBufferBindingSize, bytes', limit, count * 4, what);
    }
    return { binding: { buffer, offset: from * 4, size }, base };
  }

  /** Records a dispatch, and submits what is recorded where it is enough work. */
  async dispatch(dispatch: Dispatch): Promise<void> {
    this.throwIfLost();
    for (const count of dispatch.workgroups) {
      if (count !== undefined && count > this.maxWorkgroups) {
        const what = `The kernel ${dispatch.shader.name}`;
        throw new GpuLimitError('maxComputeWorkgroupsPerDimension', this.maxWorkgroups, count, what);
      }
    }
    const pipeline = await this.pipelines.get(dispatch.shader);
    this.recorded.push({ pipeline, dispatch });
    this.flops += dispatch.flops;
    if (this.flops >= this.maxFlops || this.recorded.length >= MOST_DISPATCHES) await this.flush();
  }

  /** Submits what is recorded; resolves when few enough submits are under way. */
  async flush(): Promise<void> {
    this.throwIfLost();
    this.submit();
    while (this.underWay.length > UNDER_WAY) await this.underWay.shift();
    this.throwIfLost();
  }

  private submit(): void {
    const { recorded, device, paramsStride } = this;
    if (recorded.length === 0) return;
    this.recorded = [];
    this.flops = 0;
    const doomed = this.doomed;
    this.doomed = [];
    this.checked(() => {
      const paramsBuffer = this.paramsFor(recorded.length);
      const params = new Uint32Array((recorded.length * paramsStride) / 4);
      recorded.forEach(({ dispatch }, k) => {
        params.set(dispatch.params, (k * paramsStride) / 4);
      });
      // In the queue's order: earlier submits have read their own parameters before.
      device.queue.writeBuffer(paramsBuffer, 0, params);
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      recorded.forEach(({ pipeline, dispatch }, k) => {
        const resources: GPUBufferBinding[] = [
          { buffer: paramsBuffer, offset: k * paramsStride, size: paramsStride },
          ...dispatch.bindings,
        ];
        const entries = resources.map((resource, binding) => ({ binding, resource }));
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
        pass.dispatchWorkgroups(dispatch.workgroups[0], dispatch.workgroups[1]);
      });
      pass.end();
      device.queue.submit([encoder.finish()]);
    });
    for (const buffer of doomed) buffer.destroy();
    // A lost device may reject here; `throwIfLost` tells.
    this.underWay.push(device.queue.onSubmittedWorkDone().catch(() => undefined));
  }

  /** Copies the first elements of a buffer to the CPU. Never gives zeros where the device failed. */
  async read(buffer: GPUBuffer, elements: number): Promise<Float32Array> {
    await this.flush();
    const { device } = this;
    const size = elements * 4;
    const staging = this.checked(() => {
      const target = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, target, 0, size);
      device.queue.submit([encoder.finish()]);
      return target;
    });
    try {
      try {
        await staging.mapAsync(GPUMapMode.READ);
      } catch (error) {
        // The reason of a loss arrives a little after the map has failed.
        await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
        this.throwIfLost();
        await this.settle();
        const why = error instanceof Error ? error.message.replace(/\.$/, '') : error;
        throw new GpuError(
          `Reading from the GPU failed (${why}). Try again, or add ?gpu=off to the address to run on the CPU.`,
        );
      }
      await this.settle();
      return new Float32Array(staging.getMappedRange().slice(0));
    } finally {
      staging.destroy();
    }
  }

  /** Waits for all work; throws the first failure since the last call. */
  async sync(): Promise<void> {
    await this.flush();
    await Promise.all(this.underWay.splice(0));
    this.throwIfLost();
    await this.settle();
  }

  dispose(): void {
    this.recorded = [];
    for (const buffer of this.doomed) buffer.destroy();
    this.doomed = [];
    this.paramsBuffer?.destroy();
    this.paramsBuffer = null;
  }

  throwIfLost(): void {
    if (this.lost !== null) throw this.lost;
  }

  private async settle(): Promise<void> {
    await Promise.all(this.checks);
    this.throwIfLost();
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
  }

  /**
   * Runs GPU calls under error scopes; a failure shows at the next `read` or `sync`. The calls are synchronous, so
   * that scopes of others who use the device cannot come between.
   */
  private checked<T>(calls: () => T): T {
    const { device } = this;
    const kinds: GPUErrorFilter[] = ['internal', 'out-of-memory', 'validation'];
    for (const kind of kinds) device.pushErrorScope(kind);
    try {
      return calls();
    } finally {
      for (const kind of [...kinds].reverse()) {
        const check: Promise<void> = device.popErrorScope().then(
          (error) => {
            this.checks.delete(check);
            if (error === null) return;
            this.failure ??=
              kind === 'out-of-memory'
                ? gpuOutOfMemory(error.message)
                : new GpuError(
                    `The GPU refused its work (${kind}: ${error.message.replace(/\.$/, '')}). Add ?gpu=off to the address to run on the CPU.`,
                  );
          },
          // Scopes of a lost device reject; the loss itself is what is told.
          () => {
            this.checks.delete(check);
          },
        );
        this.checks.add(check);
      }
    }
  }

  private paramsFor(dispatches: number): GPUBuffer {
    const size = dispatches * this.paramsStride;
    if (this.paramsBuffer === null || this.paramsBuffer.size < size) {
      this.paramsBuffer?.destroy();
      this.paramsBuffer = this.device.createBuffer({
        label: 'params',
        size: Math.max(2 * size, 64 * this.paramsStride),
        usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
      });
    }
    return this.paramsBuffer;
  }
}

/** The bits of an f32 as a word of Params. */
export function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0];
}
