/**
 * Messages between the page and the worker. Errors cross as plain facts, never as a bare string or a stack.
 */
import type { Progress } from '../pipeline/types.ts';
import type { StudioApi } from './api.ts';
import { platformSentence } from './platform-errors.ts';

export type Method = keyof StudioApi;

/** Answered while another call runs, and by what is left of an engine: they only read what is known already. */
export const BESIDE: readonly Method[] = ['identity', 'sweepSeed'];

export type ToWorker =
  | { readonly type: 'call'; readonly id: number; readonly method: Method; readonly args: readonly unknown[] }
  | { readonly type: 'cancel'; readonly id: number };

/**
 * A file on its way to the worker. The path in the folder that was dropped goes beside it: drop zones keep it as a
 * property, which copying a File between threads leaves behind, and not every browser hands `webkitRelativePath` on.
 */
export interface SentFile {
  readonly file: File;
  readonly path: string;
}

export function packFiles(files: readonly File[]): SentFile[] {
  return files.map((file: File & { readonly path?: string }) => ({
    file,
    path: file.path || file.webkitRelativePath || file.name,
  }));
}

export function unpackFiles(sent: readonly SentFile[]): (File & { readonly path: string })[] {
  return sent.map(
    ({ file, path }) =>
      Object.defineProperty(file, 'path', { value: path, configurable: true }) as File & {
        readonly path: string;
      },
  );
}

export interface WireError {
  readonly name: string;
  /** A sentence for the page. */
  readonly message: string;
  readonly details?: string;
}

export type FromWorker =
  | { readonly type: 'progress'; readonly id: number; readonly progress: Progress }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: WireError };

/** Errors whose message was written for people. Anything else is a fault of ours, and says so. */
const SPOKEN = new Set([
  'OnnxError',
  'DataError',
  'CheckpointError',
  'RecipeError',
  'QuantizeError',
  'RuntimeFailure',
  'GpuError',
  'GpuLostError',
  'GpuLimitError',
  'MemoryBudgetError',
  'AbortError',
]);

/** An error as facts that can cross. */
export function toWire(error: unknown): WireError {
  const name = error instanceof Error || error instanceof DOMException ? error.name : 'Error';
  const message = error instanceof Error || error instanceof DOMException ? error.message : String(error);
  if (SPOKEN.has(name)) return { name, message };
  const sentence = platformSentence(name, message);
  if (sentence !== null) return { name, message: sentence, details: message };
  // The platform's own RangeErrors are not sentences; ours end as one.
  if (name === 'RangeError' && message.endsWith('.')) return { name, message };
  return {
    name,
    message:
      'Something went wrong inside the studio. Nothing was lost; try the step again, and report it if it stays.',
    details: error instanceof Error ? (error.stack ?? message) : message,
  };
}

/** An error of the worker, on the page's side. */
export class StudioError extends Error {
  override readonly name: string;
  readonly details: string | undefined;
  constructor(error: WireError) {
    super(error.message);
    this.name = error.name;
    this.details = error.details;
  }
}
