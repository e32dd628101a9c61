/**
 * Loads onnxruntime-web in a browser worker, from the page's own origin.
 *
 * Why two builds: the CPU build is smaller and faster on the CPU; the WebGPU build is only fetched where inference
 * runs there. Neither is part of the page's first load.
 */
import type { SessionFactory } from '../session.ts';
import { createWasmFactory, createWebGpuFactory, type Ort } from './factory.ts';

/** Threads that the wasm runtime can use here: 1 where the page is not cross-origin isolated. */
export function usableThreads(asked?: number): number {
  if (!globalThis.crossOriginIsolated) return 1;
  const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.max(1, Math.min(asked ?? cores, cores, 8));
}

export async function loadWasmFactory(threads: number): Promise<SessionFactory> {
  const [ort, wasm, mjs] = await Promise.all([
    import('onnxruntime-web/wasm'),
    import('onnxruntime-web/ort-wasm-simd-threaded.wasm?url'),
    import('onnxruntime-web/ort-wasm-simd-threaded.mjs?url'),
  ]);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = { wasm: wasm.default, mjs: mjs.default };
  return createWasmFactory(ort as unknown as Ort, threads);
}

export async function loadWebGpuFactory(threads: number, device: GPUDevice): Promise<SessionFactory> {
  const [ort, wasm, mjs] = await Promise.all([
    import('onnxruntime-web/webgpu'),
    import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url'),
    import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url'),
  ]);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = { wasm: wasm.default, mjs: mjs.default };
  return createWebGpuFactory(ort as unknown as Ort, threads, device);
}
