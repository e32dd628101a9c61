/**
 * Sessions on onnxruntime-web: the one door to it (with its two loaders, browser.ts and node.ts).
 *
 * Why one door: the ways of sharing a GPU device change between versions (setting env.webgpu.device is ignored in
 * 1.30, so the device is passed with the execution provider), and its errors are not for people.
 *
 * Known limits: wasm memory never shrinks and is capped at 4 GB, so a large model's sessions should live in a
 * worker that can be ended.
 */
import type { Env, InferenceSession, Tensor, TensorConstructor } from 'onnxruntime-web';
import type {
  HostTensor,
  OutputTensor,
  PinnedTensor,
  Session,
  SessionFactory,
  SessionOptions,
  TensorData,
} from '../session.ts';
import { translateFailure } from './failure.ts';

/** The parts of onnxruntime-web that are used. */
export interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: TensorConstructor & { fromGpuBuffer: unknown };
  readonly env: Env;
}

interface OrtPinned extends PinnedTensor {
  readonly tensor: Tensor;
}

interface OrtOutput extends OutputTensor {
  readonly tensor: Tensor;
}

type FromGpuBuffer = (buffer: GPUBuffer, options: { dataType: string; dims: readonly number[] }) => Tensor;

/** Sessions on the wasm provider (CPU). */
export function createWasmFactory(ort: Ort, threads: number): SessionFactory {
  return createFactory(ort, 'wasm', threads, undefined);
}

/** Sessions on the WebGPU provider, on a device that the caller owns and our kernels share. */
export function createWebGpuFactory(ort: Ort, threads: number, device: GPUDevice): SessionFactory {
  return createFactory(ort, 'webgpu', threads, device);
}

function createFactory(
  ort: Ort,
  provider: 'wasm' | 'webgpu',
  threads: number,
  device: GPUDevice | undefined,
): SessionFactory {
  const toTensor = (host: HostTensor): Tensor =>
    new ort.Tensor(host.type, host.data as never, host.dims as number[]) as Tensor;
  return {
    provider,
    threads,
    async create(model, options: SessionOptions = {}) {
      try {
        const keep = device ? (options.keepOnDevice ?? []) : [];
        const session = await ort.InferenceSession.create(model, {
          executionProviders: device ? [{ name: 'webgpu', device } as never] : ['wasm'],
          graphOptimizationLevel: 'all',
          enableMemPattern: false,
          logSeverityLevel: 3,
          ...(options.externals?.length && {
            externalData: options.externals.map((e) => ({ path: e.path, data: e.data as Blob })),
          }),
          ...(keep.length > 0 && {
            preferredOutputLocation: Object.fromEntries(keep.map((name) => [name, 'gpu-buffer' as const])),
          }),
        });
        return wrap(session);
      } catch (error) {
        throw translateFailure(error, 'open');
      }
    },
    pin(host) {
      if (!device || host.type !== 'float32') {
        const pinned: OrtPinned = {
          pinned: true,
          dims: host.dims,
          tensor: toTensor(host),
          release: () => {},
        };
        return pinned;
      }
      const buffer = device.createBuffer({
        size: Math.max(16, Math.ceil(host.data.byteLength / 16) * 16),
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      });
      device.queue.writeBuffer(buffer, 0, host.data as Float32Array<ArrayBuffer>);
      const tensor = (ort.Tensor.fromGpuBuffer as FromGpuBuffer)(buffer, {
        dataType: 'float32',
        dims: host.dims,
      });
      const pinned: OrtPinned = { pinned: true, dims: host.dims, tensor, release: () => buffer.destroy() };
      return pinned;
    },
  };

  function wrap(session: InferenceSession): Session {
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      async run(feeds, outputs) {
        const tensors: Record<string, Tensor> = {};
        for (const [name, feed] of Object.entries(feeds)) {
          tensors[name] = 'data' in feed ? toTensor(feed) : (feed as OrtPinned | OrtOutput).tensor;
        }
        try {
          const results = await session.run(tensors, outputs);
          return Object.fromEntries(outputs.map((name) => [name, wrapOutput(results[name])]));
        } catch (error) {
          throw translateFailure(error, 'run');
        }
      },
      async release() {
        await session.release();
      },
    };
  }
}

function wrapOutput(tensor: Tensor): OrtOutput {
  return {
    tensor,
    type: tensor.type,
    dims: tensor.dims,
    ...(tensor.location === 'gpu-buffer' && { buffer: tensor.gpuBuffer as GPUBuffer }),
    read: async () => (await tensor.getData()) as TensorData,
    release: () => tensor.dispose(),
  };
}
