/**
 * Loads onnxruntime-web in a browser worker, from the page's own origin.
 *
 * Why two builds: the CPU build is smaller and faster on the CPU; the WebGPU build is only fetched where inference
 * runs there. Neither is part of the page's first load.
 */
import type { SessionFactory } from '../session.ts';
import { createWasmFactory, createWebGpuFactory, type Ort } from './factory.ts';

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
