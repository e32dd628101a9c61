/**
 * Progress, estimates and cancellation of one job.
 *
 * Why: everything long can be cancelled at any moment and says how long it will take. Between two steps a job gives
 * the event loop a turn, so that a cancel message can arrive; a step (one batch) itself is not interrupted.
 */
import type { Progress } from './types.ts';

export interface JobOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export class Job {
  private done = 0;
  private total = 1;
  private readonly started = performance.now();
  private readonly options: JobOptions;

  constructor(options: JobOptions = {}) {
    this.options = options;
  }

  get signal(): AbortSignal | undefined {
    return this.options.signal;
  }

  /** Sets how many steps the whole job has; may be refined while it runs. */
  expect(steps: number): void {
    this.total = Math.max(1, steps);
  }

  /** Says what is being done now, without advancing. */
  announce(label: string): void {
    this.report(label);
  }

  /** One step is done: reports, yields to the event loop, and stops here where the job was cancelled. */
  async step(label: string): Promise<void> {
    this.done++;
    this.report(label);
    await turn();
    this.options.signal?.throwIfAborted();
  }

  /** Yields and stops here where the job was cancelled. */
  async check(): Promise<void> {
    await turn();
    this.options.signal?.throwIfAborted();
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  private report(label: string): void {
    const fraction = Math.min(1, this.done / this.total);
    const left = this.done > 0 ? (this.seconds / this.done) * (this.total - this.done) : undefined;
    this.options.onProgress?.({
      fraction,
      label,
      ...(left !== undefined && { secondsLeft: Math.max(0, left) }),
    });
  }
}

/** A turn of the event loop (a macrotask), so that messages are delivered. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
