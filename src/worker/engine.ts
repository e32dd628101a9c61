/**
 * Chooses where things run, once: the composition root's only decision.
 *
 * A real GPU takes inference and linear algebra, on one device. A software adapter is many times slower than wasm
 * at inference, so it is not used unless asked for, and then for the kernels only. Without an adapter everything
 * runs on the CPU, and the page says why.
 */
import type { Backend } from '../kernels/backend.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { requestGpu } from '../kernels/webgpu/device.ts';
import { createWebGpuBackend } from '../kernels/webgpu/index.ts';
import type { EngineSummary } from '../pipeline/types.ts';
import { loadWasmFactory, loadWebGpuFactory, usableThreads } from '../runtime/ort/browser.ts';
import { createRuntimeGemm } from '../runtime/ort/gemm.ts';
import type { SessionFactory } from '../runtime/session.ts';
import type { GpuPreference } from './api.ts';

export interface Engine {
  readonly summary: EngineSummary;
  readonly backend: Backend;
  readonly sessions: SessionFactory;
  /** The wasm provider, to check another provider against and to fall back to. */
  readonly checkAgainst?: () => Promise<SessionFactory>;
}

/** Why there is one thread where more were possible; empty where not. */
function whyOneThread(): string {
  if (globalThis.crossOriginIsolated) return '';
  return ' One thread only: the browser does not isolate this page from other sites here. Loading it again helps where service workers are allowed (https, no private window).';
}

export async function createEngine(preference: GpuPreference, askedThreads?: number): Promise<Engine> {
  const threads = usableThreads(askedThreads);
  const cpu = async (reason: string): Promise<Engine> => {
    const sessions = await loadWasmFactory(threads);
    const summary: EngineSummary = {
      backend: 'cpu',
      inference: 'wasm',
      threads,
      reason: reason + whyOneThread(),
    };
    return { summary, backend: createCpuBackend({ gemm: createRuntimeGemm(sessions) }), sessions };
  };
  const onThreads = `${threads} thread${threads > 1 ? 's' : ''}`;
  if (preference === 'off') return cpu(`Runs on the CPU (${onThreads}), as asked.`);
  const gpu = await requestGpu();
  if (!gpu.device) return cpu(`Runs on the CPU (${onThreads}): ${gpu.reason}`);
  const { vendor, architecture, description } = gpu.adapterInfo;
  const adapter =
    [vendor, architecture].filter((s) => s !== '').join(' ') || description || 'unnamed adapter';
  const isFallback = gpu.isFallback;
  if (isFallback && preference !== 'force') {
    gpu.device.destroy();
    return cpu(
      `Runs on the CPU (${onThreads}): the only WebGPU adapter here is a software one (${adapter}), which is slower.`,
    );
  }
  const backend = createWebGpuBackend(gpu.device);
  if (isFallback) {
    const sessions = await loadWasmFactory(threads);
    const reason = `The kernels run on a software WebGPU adapter (${adapter}), as asked; the model itself runs on the CPU (${onThreads}).`;
    return { summary: { backend: 'webgpu', inference: 'wasm', threads, adapter, reason }, backend, sessions };
  }
  const sessions = await loadWebGpuFactory(threads, gpu.device);
  const reason = `Runs on your GPU (${adapter}).`;
  return {
    summary: { backend: 'webgpu', inference: 'webgpu', threads, adapter, reason },
    backend,
    sessions,
    checkAgainst: () => loadWasmFactory(threads),
  };
}
