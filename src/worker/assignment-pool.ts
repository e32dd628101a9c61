/**
 * Assignments solved side by side in worker threads.
 *
 * Why: one assignment of some thousand units takes seconds on one core, and a window needs several. Threads are made
 * on first use and kept; a cancelled request ends its threads, since a solve cannot be interrupted.
 */
import { Permutation } from '../align/permutation.ts';
import type { AssignmentSolver } from '../pipeline/pairs.ts';
import type { AssignmentReply, AssignmentRequest } from './assignment.worker.ts';

interface Waiting {
  readonly request: AssignmentRequest;
  readonly signal?: AbortSignal;
  resolve(value: { permutation: Permutation; objective: number }): void;
  reject(error: unknown): void;
}

/** @param size most threads */
export function createAssignmentPool(size: number): AssignmentSolver {
  const idle: Worker[] = [];
  const queue: Waiting[] = [];
  let running = 0;

  const next = () => {
    const waiting = queue.shift();
    if (!waiting) return;
    const { signal, request } = waiting;
    if (signal?.aborted) {
      waiting.reject(signal.reason);
      next();
      return;
    }
    running++;
    const worker =
      idle.pop() ?? new Worker(new URL('./assignment.worker.ts', import.meta.url), { type: 'module' });
    const finish = (keep: boolean) => {
      signal?.removeEventListener('abort', abort);
      running--;
      if (keep) idle.push(worker);
      else worker.terminate();
      next();
    };
    const abort = () => {
      waiting.reject(signal?.reason);
      finish(false);
    };
    signal?.addEventListener('abort', abort, { once: true });
    worker.onmessage = ({ data }: MessageEvent<AssignmentReply>) => {
      if ('error' in data) waiting.reject(new RangeError(data.error));
      else waiting.resolve({ permutation: Permutation.from(data.permutation), objective: data.objective });
      finish(true);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      waiting.reject(new RangeError(`An assignment of ${request.size} units failed: ${event.message}`));
      finish(false);
    };
    worker.postMessage(request);
  };

  return (score, units, signal) =>
    new Promise((resolve, reject) => {
      queue.push({ request: { score, size: units }, resolve, reject, ...(signal && { signal }) });
      if (running < size) next();
    });
}
