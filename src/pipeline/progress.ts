/**
 * Progress, estimates and cancellation of one job.
 *
 * Why: everything long can be cancelled at any moment and says how long it will take. Between two steps a job gives
 * the event loop a turn, so that a cancel message can arrive; a step (one batch) itself is not interrupted. A job of
 * several stages gives each a part of itself, so that there is one bar for the whole.
 */
import type { Progress } from './types.ts';

export interface JobOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export class Job {
  private done = 0;
  private total = 1;
  /** Where the next part begins, 0 to 1 of this job. */
  private handedOut = 0;
  private readonly started = performance.now();
  private readonly options: JobOptions;
  private readonly root: Job;
  private readonly base: number;
  private readonly scale: number;

  constructor(options: JobOptions = {}, root?: Job, base = 0, scale = 1) {
    this.options = options;
    this.root = root ?? this;
    this.base = base;
    this.scale = scale;
  }

  get signal(): AbortSignal | undefined {
    return this.options.signal;
  }

  /** The next `share` (0 to 1) of this job, as a job of its own. */
  part(share: number): Job {
    const base = this.base + this.scale * this.handedOut;
    this.handedOut = Math.min(1, this.handedOut + share);
    return new Job(this.options, this.root, base, this.scale * share);
  }

  /** The same, cancelled with it, but silent: for work whose progress is told otherwise. */
  quiet(): Job {
    const { signal } = this.options;
    return new Job(signal ? { signal } : {}, this.root, this.base, 0);
  }

  /** Sets how many steps this job (or part) has; may be refined while it runs. */
  expect(steps: number): void {
    this.total = Math.max(1, steps);
  }

  /** Says what is being done now, without advancing. */
  announce(label: string): void {
    this.report(label);
  }

  /** The same, with the share (0 to 1) of this job that is done. */
  tell(label: string, share: number, partial?: Progress['partial']): void {
    this.done = share * this.total;
    this.report(label, partial);
  }

  /**
   * One step is done: reports, yields to the event loop, and stops here where the job was cancelled.
   * @param partial a result that is there already
   */
  async step(label: string, partial?: Progress['partial']): Promise<void> {
    this.done++;
    this.report(label, partial);
    await this.check();
  }

  /** Yields and stops here where the job was cancelled. */
  async check(): Promise<void> {
    await this.breathe();
    this.options.signal?.throwIfAborted();
  }

  /** Yields only: for work that ends by itself once it sees that it was cancelled. */
  async breathe(): Promise<void> {
    await turn();
  }

  /** Since the whole job began. */
  get seconds(): number {
    return (performance.now() - this.root.started) / 1000;
  }

  private report(label: string, partial?: Progress['partial']): void {
    const fraction = Math.min(
      1,
      this.base + this.scale * Math.min(1, Math.max(this.handedOut, this.done / this.total)),
    );
    const left = fraction > 0.01 ? (this.seconds / fraction) * (1 - fraction) : undefined;
    this.options.onProgress?.({
      fraction,
      label,
      ...(left !== undefined && { secondsLeft: Math.max(0, left) }),
      ...(partial && { partial }),
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
