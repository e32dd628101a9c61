/**
 * The worker's entry: owns the engine and the studio, answers calls one after the other.
 *
 * Calls are queued: after a cancel, the batch that is running ends before the next call begins, so two jobs never
 * share the model. The number of wasm threads comes with the worker's name (`layerfold:1`).
 *
 * A GPU that is lost takes its engine and its studio with it, and ends the call that runs, which may wait for the device
 * for ever. What the studio knew of its files and scores can still be asked, until a model is opened on another engine.
 * So it is with a runtime that is broken, but for the worker: the page starts another one (client.ts).
 */

import { GpuLostError } from '../kernels/errors.ts';
import type { JobOptions } from '../pipeline/progress.ts';
import type { Studio } from '../pipeline/studio.ts';
import type { SweepSeed } from '../pipeline/sweep-seed.ts';
import type {
  DownloadFormat,
  EvaluationResult,
  GenerateRequest,
  LayerSet,
  MergePlan,
  MetricChoice,
  PlanRequest,
  RecoverRequest,
  SplitName,
  SweepRequest,
} from '../pipeline/types.ts';
import type { Recipe } from '../recipe/schema.ts';
import { RuntimeFailure } from '../runtime/session.ts';
import type { GpuPreference } from './api.ts';
import { createAssignmentPool } from './assignment-pool.ts';
import { chooseEngine, type EngineChoice } from './engine.ts';
import {
  BESIDE,
  type FromWorker,
  type Method,
  type SentFile,
  type ToWorker,
  toWire,
  unpackFiles,
} from './protocol.ts';

const askedThreads = Number(self.name.split(':')[1]) || undefined;
/** What was asked for last; an engine that takes a lost one's place is chosen alike. */
let preference: GpuPreference = 'auto';
let choice: EngineChoice | null = null;
let studio: Studio | null = null;
/** The studio of an engine that was lost: it answers what is asked beside. */
let stopped: Studio | null = null;
let queue: Promise<void> = Promise.resolve();
const controllers = new Map<number, AbortController>();
/** Ends the call that runs with an error. */
let endCall: (error: GpuLostError) => void = () => {};

async function chosen(): Promise<EngineChoice> {
  if (!choice) {
    const mine = await chooseEngine(preference, askedThreads);
    choice ??= mine;
    mine.onLost((error) => {
      if (choice === mine) endCall(error);
    });
  }
  return choice;
}

/** The first call that needs a studio loads it, and the runtime with it. */
async function ready(): Promise<Studio> {
  if (!studio) {
    const { summary, load } = await chosen();
    const [pipeline, engine] = await Promise.all([import('../pipeline/studio.ts'), load()]);
    const solve = createAssignmentPool(Math.min(4, summary.threads));
    studio = new pipeline.Studio({ engine: summary, solve, ...engine });
  }
  return studio;
}

/** Opens on an engine that works; what was left of a lost one is let go first, with the memory it holds. */
async function open(files: readonly SentFile[], options: JobOptions) {
  const left = stopped;
  stopped = null;
  // Not waited for: a run that waits for the lost device may never end.
  void left?.dispose().catch(() => undefined);
  return (await ready()).open(unpackFiles(files), options);
}

/** For what only reads: nothing is loaded for it. */
function known(): Studio {
  const holds = stopped ?? studio;
  if (!holds) throw new RangeError('No model is open. Drop an .onnx file or open a sample first.');
  return holds;
}

type Handler = (options: JobOptions, args: readonly never[]) => Promise<unknown>;

const handlers: Record<Method, Handler> = {
  engine: async (_, [asked]: readonly GpuPreference[]) => {
    preference = asked;
    return studio?.engine ?? (await chosen()).summary;
  },
  open: async (o, [files]: readonly SentFile[][]) => open(files, o),
  addData: async (_, [files]: readonly SentFile[][]) => (await ready()).addData(unpackFiles(files)),
  setContextLength: async (_, [tokens]: readonly number[]) => (await ready()).setContextLength(tokens),
  measure: async (o) => (await ready()).measure(o),
  alignment: async (o, [group, reference, layer]: readonly never[]) =>
    (await ready()).alignment(group, reference, layer, o),
  predict: async (_, [sets]: readonly LayerSet[][]) => (await ready()).predict(sets),
  merge: async (o, [plan]: readonly MergePlan[]) => (await ready()).merge(plan, o),
  evaluate: async (o, [split]: readonly SplitName[]) => (await ready()).evaluate(split, o),
  setMetric: async (_, [choice]: readonly MetricChoice[]) => (await ready()).setMetric(choice),
  sweep: async (o, [request]: readonly SweepRequest[]) => (await ready()).sweep(request, o),
  plan: async (o, [request]: readonly PlanRequest[]) => (await ready()).plan(request, o),
  recover: async (o, [request]: readonly RecoverRequest[]) => (await ready()).recover(request, o),
  recovery: async () => (await ready()).recovery(),
  tuning: async (o, [plan]: readonly MergePlan[]) => (await ready()).tuning(plan, o),
  recipe: async (o, [evaluations]: readonly EvaluationResult[][]) => (await ready()).recipe(evaluations, o),
  mergeRecipe: async (o, [recipe]: readonly (string | Recipe)[]) => (await ready()).mergeRecipe(recipe, o),
  identity: async (o) => known().identity(o),
  sweepSeed: async (o) => known().sweepSeed(o),
  useSweepSeed: async (o, [seed]: readonly SweepSeed[]) => (await ready()).useSweepSeed(seed, o),
  examples: async (o, [request]: readonly GenerateRequest[]) => (await ready()).examples(request, o),
  download: async (o, [format]: readonly DownloadFormat[]) => (await ready()).download(format, o),
};

const post = (message: FromWorker) => self.postMessage(message);

async function answer(id: number, method: Method, args: readonly unknown[]): Promise<void> {
  const controller = controllers.get(id)!;
  try {
    controller.signal.throwIfAborted();
    const work = handlers[method](
      { signal: controller.signal, onProgress: (progress) => post({ type: 'progress', id, progress }) },
      args as readonly never[],
    );
    const value = BESIDE.includes(method) ? await work : await orLoss(work);
    const refused = BESIDE.includes(method) ? null : choice?.outOfMemory();
    if (refused) throw refused;
    post({ type: 'result', id, value });
  } catch (error) {
    const isAbort = error instanceof Error && error.name === 'AbortError';
    const refused = choice?.outOfMemory();
    const lost = error instanceof GpuLostError ? error : isAbort ? null : choice?.lost();
    const died = !lost && error instanceof RuntimeFailure && error.code === 'stopped';
    if (lost || died) [stopped, studio, choice] = [studio ?? stopped, null, null];
    const told = toWire(lost ?? (isAbort ? error : (refused ?? error)));
    post({ type: 'error', id, error: died ? { ...told, name: 'WorkerDied' } : told });
  } finally {
    controllers.delete(id);
  }
}

/** What a call gives, or the loss of the GPU that it waits for. */
function orLoss<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    endCall = reject;
    work.then(resolve, reject);
  });
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === 'cancel') {
    controllers.get(data.id)?.abort(new DOMException('Cancelled.', 'AbortError'));
    return;
  }
  controllers.set(data.id, new AbortController());
  if (BESIDE.includes(data.method)) {
    void answer(data.id, data.method, data.args);
    return;
  }
  queue = queue.then(() => answer(data.id, data.method, data.args));
};
