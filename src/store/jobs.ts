/**
 * The one running job: its progress, its cancellation, and how its end is told. Every long action goes through here,
 * so that an error is always a sentence on the page and a cancel never is an error.
 * A worker that finishes although it was asked to stop is believed: its result is kept, since it holds it too.
 */
import { platformSentence } from '../worker/platform-errors.ts';
import type { JobRunner } from './context.ts';
import type { JobUpdate, Step, StudioError, StudioState } from './types.ts';

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** The worker's errors are sentences already; the browser's own are given one; anything else is named for what it is. */
export function sentenceOf(error: unknown): string {
  if (error instanceof DOMException || error instanceof RangeError) {
    const sentence = platformSentence(error.name, error.message);
    if (sentence !== null) return sentence;
  }
  if (error instanceof Error && error.message) return error.message;
  return `Something failed without saying why (${String(error)}). Reload the page and try again.`;
}

/** The GPU was lost, or the worker died: the model that was open is not open any more. */
function endsEngine(error: unknown): boolean {
  return error instanceof Error && ['GpuLostError', 'WorkerDied'].includes(error.name);
}

export function createErrorList(set: (part: Partial<StudioState>) => void, get: () => StudioState) {
  let next = 1;
  return (step: Step, sentence: string): void => {
    const error: StudioError = { id: next++, step, sentence };
    const others = get().errors.filter((shown) => shown.sentence !== sentence);
    set({ errors: [...others, error] });
  };
}

export function createJobRunner(
  set: (part: Partial<StudioState>) => void,
  get: () => StudioState,
  fail: (step: Step, sentence: string) => void,
  engineStopped: () => void,
): JobRunner {
  let controller: AbortController | null = null;
  let next = 1;
  return {
    async run({ step, label, cancelled }, work) {
      if (get().job) return false;
      const id = next++;
      const mine = new AbortController();
      controller = mine;
      set({ job: { id, step, label, fraction: 0, cancelling: false }, status: null, errors: [] });
      const onProgress = (progress: JobUpdate) => {
        const job = get().job;
        if (job?.id !== id) return;
        const { fraction, secondsLeft } = progress;
        set({
          job: {
            id,
            step,
            label: progress.label || job.label,
            fraction,
            secondsLeft,
            cancelling: job.cancelling,
          },
        });
      };
      try {
        const status = await work({ signal: mine.signal, onProgress });
        set({ job: null, status });
      } catch (error) {
        set({ job: null });
        if (mine.signal.aborted || isAbort(error)) {
          const kept = typeof cancelled === 'string' ? cancelled : cancelled();
          set({ status: { kind: 'cancelled', text: `Cancelled. ${kept}` } });
        } else {
          fail(step, sentenceOf(error));
          if (endsEngine(error)) engineStopped();
        }
      } finally {
        if (controller === mine) controller = null;
      }
      return true;
    },
    cancel() {
      const job = get().job;
      if (!job || !controller) return;
      set({ job: { ...job, cancelling: true } });
      controller.abort(new DOMException('Cancelled.', 'AbortError'));
    },
  };
}
