/**
 * Chooses where things run, once: the composition root's only decision.
 *
 * A real GPU takes inference and linear algebra, on one device. A software adapter is many times slower than wasm
 * at inference, so it is not used unless asked for, and then for the kernels only. Without an adapter everything
 * runs on the CPU, and the page says why.
 */
import type { Backend } from '../kernels/backend.ts';
import { type GpuError, GpuLostError, gpuOutOfMemory } from '../kernels/errors.ts';
import { requestGpu } from '../kernels/webgpu/device.ts';
import type { TuneTools } from '../pipeline/tune-run.ts';
import type { EngineSummary } from '../pipeline/types.ts';
import { usableThreads } from '../runtime/ort/threads.ts';
import type { SessionFactory } from '../runtime/session.ts';
import type { GpuPreference } from './api.ts';
import { tunePlace } from './tune-place.ts';

export interface Engine {
  readonly backend: Backend;
  readonly sessions: SessionFactory;
  /** The wasm provider, to check another provider against and to fall back to. */
  readonly checkAgainst?: () => Promise<SessionFactory>;
  readonly tuning: TuneTools;
}

export interface EngineChoice {
  readonly summary: EngineSummary;
  /** Fetches what the choice runs on; the page is there before any of it. */
  load(): Promise<Engine>;
  /** The GPU's end, where it has come: whatever fails then fails for that. */
  lost(): GpuLostError | null;
  /**
   * An allocation on the GPU that failed since it was last asked, where nobody else caught it (those of the runtime):
   * what was computed since then may be wrong.
   */
  outOfMemory(): GpuError | null;
  /** Calls once at the GPU's end: what waits for it may wait for ever. */
  onLost(tell: (error: GpuLostError) => void): void;
}

/** Why there is one thread where more were possible; empty where not. */
function whyOneThread(): string {
  if (globalThis.crossOriginIsolated) return '';
  return ' One thread only: the browser does not isolate this page from other sites here. Loading it again helps where service workers are allowed (https, no private window).';
}

async function loadCpu(threads: number): Promise<Engine> {
  const [{ createCpuBackend }, { createRuntimeGemm }, sessions] = await Promise.all([
    import('../kernels/cpu/index.ts'),
    import('../runtime/ort/gemm.ts'),
    loadWasm(threads),
  ]);
  return { backend: createCpuBackend({ gemm: createRuntimeGemm(sessions) }), sessions, tuning: tuningOn() };
}

/** @param device the GPU that tuning shares; absent: on the CPU */
function tuningOn(device?: GPUDevice): TuneTools {
  return {
    differentiables: async () => {
      const { loadJaxFactory } = await import('../runtime/jax/jax.ts');
      return device ? loadJaxFactory('webgpu', device) : loadJaxFactory('wasm');
    },
    place: tunePlace(),
  };
}

async function loadWasm(threads: number): Promise<SessionFactory> {
  return (await import('../runtime/ort/browser.ts')).loadWasmFactory(threads);
}

export async function chooseEngine(preference: GpuPreference, askedThreads?: number): Promise<EngineChoice> {
  const threads = usableThreads(askedThreads);
  const cpu = (reason: string): EngineChoice => ({
    summary: { backend: 'cpu', inference: 'wasm', threads, reason: reason + whyOneThread() },
    load: () => loadCpu(threads),
    lost: () => null,
    outOfMemory: () => null,
    onLost: () => {},
  });
  const onThreads = `${threads} thread${threads > 1 ? 's' : ''}`;
  if (preference === 'off') return cpu(`Runs on the CPU (${onThreads}), as asked.`);
  const gpu = await requestGpu();
  if (!gpu.device) return cpu(`Runs on the CPU (${onThreads}). ${gpu.reason}`);
  const { device, isFallback } = gpu;
  const { vendor, architecture, description } = gpu.adapterInfo;
  const adapter =
    [vendor, architecture].filter((s) => s !== '').join(' ') || description || 'unnamed adapter';
  if (isFallback && preference !== 'force') {
    device.destroy();
    return cpu(
      `Runs on the CPU (${onThreads}): the only WebGPU adapter here is a software one (${adapter}), which is slower.`,
    );
  }
  let lost: GpuLostError | null = null;
  const ended = device.lost.then(({ reason, message }) => {
    lost = new GpuLostError(reason, message);
    return lost;
  });
  let refused: GpuError | null = null;
  device.addEventListener('uncapturederror', ({ error }) => {
    if (error instanceof GPUOutOfMemoryError) refused = gpuOutOfMemory(error.message);
  });
  const watch: Pick<EngineChoice, 'lost' | 'onLost' | 'outOfMemory'> = {
    lost: () => lost,
    outOfMemory: () => {
      const error = refused;
      refused = null;
      return error;
    },
    onLost: (tell) => void ended.then(tell),
  };
  const backend = async () => (await import('../kernels/webgpu/index.ts')).createWebGpuBackend(device);
  if (isFallback) {
    const reason = `The kernels and tuning run on a software WebGPU adapter (${adapter}), as asked; the model itself runs on the CPU (${onThreads}).`;
    return {
      summary: { backend: 'webgpu', inference: 'wasm', threads, adapter, reason },
      load: async () => ({
        backend: await backend(),
        sessions: await loadWasm(threads),
        tuning: tuningOn(device),
      }),
      ...watch,
    };
  }
  return {
    summary: {
      backend: 'webgpu',
      inference: 'webgpu',
      threads,
      adapter,
      reason: `Runs on your GPU (${adapter}).`,
    },
    load: async () => ({
      backend: await backend(),
      sessions: await (await import('../runtime/ort/browser.ts')).loadWebGpuFactory(threads, device),
      checkAgainst: () => loadWasm(threads),
      tuning: tuningOn(device),
    }),
    ...watch,
  };
}
