/**
 * jax-js in Node, so that tuning runs and is tested without a browser: on wasm, one thread.
 *
 * The library asks again and again whether there is a global `Worker`, and takes one for a browser's. onnxruntime-web
 * defines one in Node (from worker_threads), and kernels compiled after that do not fit the memory made before. So there
 * is none here, which onnxruntime needs for more than one thread only.
 */
import type { DifferentiableFactory } from '../differentiable.ts';
import { loadJaxFactory } from './jax.ts';

export function loadNodeJaxFactory(): Promise<DifferentiableFactory> {
  Object.defineProperty(globalThis, 'Worker', { configurable: true, get: () => undefined, set: () => {} });
  return loadJaxFactory('wasm');
}
