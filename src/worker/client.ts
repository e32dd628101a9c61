/**
 * The page's side of the worker: typed calls with progress and cancellation.
 *
 * Cancelling answers at once: the call rejects with an AbortError while the worker still finishes the batch it is in;
 * the next call waits for that. If the worker dies (out of memory), pending calls reject with a sentence and the next
 * call starts a new one. One that says itself that its runtime is broken still tells what it knows until then.
 */
import type { Progress } from '../pipeline/types.ts';
import type { CallOptions, GpuPreference, StudioApi } from './api.ts';
import { BESIDE, type FromWorker, type Method, packFiles, StudioError, type ToWorker } from './protocol.ts';

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  onProgress?: (progress: Progress) => void;
}

export interface ClientOptions {
  /** Threads of the wasm runtime; by default as many as the machine has. */
  readonly threads?: number;
}

/** Starts the worker on the first call. */
export function createWorkerClient(options: ClientOptions = {}): StudioApi {
  let worker: Worker | null = null;
  /** It has said that its runtime is broken. */
  let broken = false;
  let nextId = 1;
  /** What was asked for last: a new worker is asked for the same. */
  let preference: GpuPreference | undefined;
  const pending = new Map<number, Pending>();

  const start = (): Worker => {
    const name = options.threads === undefined ? 'layerfold' : `layerfold:${options.threads}`;
    const created = new Worker(new URL('./studio.worker.ts', import.meta.url), { type: 'module', name });
    created.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      const call = pending.get(data.id);
      if (!call) return;
      if (data.type === 'progress') {
        call.onProgress?.(data.progress);
        return;
      }
      pending.delete(data.id);
      if (data.type === 'error' && data.error.name === 'WorkerDied') broken = true;
      if (data.type === 'result') call.resolve(data.value);
      else if (data.error.name === 'AbortError')
        call.reject(new DOMException(data.error.message, 'AbortError'));
      else call.reject(new StudioError(data.error));
    };
    created.onerror = (event) => {
      event.preventDefault();
      end(created, event.message);
    };
    return created;
  };

  const end = (ended: Worker, details: string) => {
    worker = null;
    broken = false;
    ended.terminate();
    const error = new StudioError({
      name: 'WorkerDied',
      message:
        'The engine stopped unexpectedly, most often because memory ran out; what is shown stays. Open the model again to go on.',
      ...(details && { details }),
    });
    for (const call of pending.values()) call.reject(error);
    pending.clear();
  };

  const call = <T>(
    method: Method,
    args: readonly unknown[],
    { signal, onProgress }: CallOptions = {},
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new DOMException('Cancelled.', 'AbortError'));
        return;
      }
      if (worker && broken && !BESIDE.includes(method)) end(worker, '');
      const restarted = worker === null;
      worker ??= start();
      const target = worker;
      if (restarted && preference !== undefined && method !== 'engine') {
        target.postMessage({
          type: 'call',
          id: nextId++,
          method: 'engine',
          args: [preference],
        } satisfies ToWorker);
      }
      const id = nextId++;
      const abort = () => {
        pending.delete(id);
        target.postMessage({ type: 'cancel', id } satisfies ToWorker);
        reject(new DOMException('Cancelled.', 'AbortError'));
      };
      const settle = () => signal?.removeEventListener('abort', abort);
      pending.set(id, {
        resolve: (value) => {
          settle();
          resolve(value as T);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
        ...(onProgress && { onProgress }),
      });
      signal?.addEventListener('abort', abort, { once: true });
      target.postMessage({ type: 'call', id, method, args } satisfies ToWorker);
    });

  return {
    engine: (gpu: GpuPreference, o) => {
      preference = gpu;
      return call('engine', [gpu], o);
    },
    open: (files, o) => call('open', [packFiles(files)], o),
    addData: (files, o) => call('addData', [packFiles(files)], o),
    setContextLength: (tokens, o) => call('setContextLength', [tokens], o),
    measure: (o) => call('measure', [], o),
    alignment: (groupId, reference, layer, o) => call('alignment', [groupId, reference, layer], o),
    predict: (sets, o) => call('predict', [sets], o),
    merge: (plan, o) => call('merge', [plan], o),
    evaluate: (split, o) => call('evaluate', [split], o),
    setMetric: (choice, o) => call('setMetric', [choice], o),
    sweep: (request, o) => call('sweep', [request], o),
    plan: (request, o) => call('plan', [request], o),
    recover: (request, o) => call('recover', [request], o),
    recovery: (o) => call('recovery', [], o),
    tuning: (plan, o) => call('tuning', [plan], o),
    recipe: (evaluations, o) => call('recipe', [evaluations], o),
    mergeRecipe: (recipe, o) => call('mergeRecipe', [recipe], o),
    identity: (o) => call('identity', [], o),
    sweepSeed: (o) => call('sweepSeed', [], o),
    useSweepSeed: (seed, o) => call('useSweepSeed', [seed], o),
    examples: (request, o) => call('examples', [request], o),
    download: (format, o) => call('download', [format], o),
  };
}
