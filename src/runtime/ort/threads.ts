/** How many threads the wasm runtime gets, known before any of it is loaded. */

/** Threads that the wasm runtime can use here: 1 where the page is not cross-origin isolated. */
export function usableThreads(asked?: number): number {
  if (!globalThis.crossOriginIsolated) return 1;
  const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.max(1, Math.min(asked ?? cores, cores, 8));
}
