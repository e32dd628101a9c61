/**
 * Loads onnxruntime-web in Node, so that the core runs and is tested without a browser.
 *
 * Known limits: one thread unless asked; the page uses browser.ts.
 */
import type { SessionFactory } from '../session.ts';
import { createWasmFactory, type Ort } from './factory.ts';

export async function loadNodeFactory(threads = 1): Promise<SessionFactory> {
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads = threads;
  return createWasmFactory(ort as unknown as Ort, threads);
}
