/**
 * The worker's client behind a door that opens on the first call, so that the page is painted before any of it loads.
 */
import type { StudioApi } from '../worker/api.ts';

export function createLazyApi(load: () => Promise<StudioApi>): StudioApi {
  let loading: Promise<StudioApi> | null = null;
  const client = (): Promise<StudioApi> => {
    loading ??= load().catch((error: unknown) => {
      loading = null;
      throw error;
    });
    return loading;
  };
  return {
    engine: async (...args) => (await client()).engine(...args),
    open: async (...args) => (await client()).open(...args),
    addData: async (...args) => (await client()).addData(...args),
    setContextLength: async (...args) => (await client()).setContextLength(...args),
    measure: async (...args) => (await client()).measure(...args),
    alignment: async (...args) => (await client()).alignment(...args),
    predict: async (...args) => (await client()).predict(...args),
    merge: async (...args) => (await client()).merge(...args),
    evaluate: async (...args) => (await client()).evaluate(...args),
    setMetric: async (...args) => (await client()).setMetric(...args),
    sweep: async (...args) => (await client()).sweep(...args),
    plan: async (...args) => (await client()).plan(...args),
    recover: async (...args) => (await client()).recover(...args),
    recovery: async (...args) => (await client()).recovery(...args),
    tuning: async (...args) => (await client()).tuning(...args),
    recipe: async (...args) => (await client()).recipe(...args),
    mergeRecipe: async (...args) => (await client()).mergeRecipe(...args),
    identity: async (...args) => (await client()).identity(...args),
    sweepSeed: async (...args) => (await client()).sweepSeed(...args),
    useSweepSeed: async (...args) => (await client()).useSweepSeed(...args),
    examples: async (...args) => (await client()).examples(...args),
    download: async (...args) => (await client()).download(...args),
  };
}

/** @param threads of the wasm runtime; as many as the machine has where absent */
export function createWorkerApi(threads?: number): StudioApi {
  return createLazyApi(async () =>
    (await import('../worker/client.ts')).createWorkerClient(threads === undefined ? {} : { threads }),
  );
}
