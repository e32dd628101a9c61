/**
 * A StudioApi that computes nothing: plausible facts, smooth matrices, steps that take as long as asked and obey their
 * signal. For tests of the store and for looking at the page without a worker; never part of the built page.
 */
import type {
  DataState,
  EngineSummary,
  GroupSummary,
  LayerSet,
  MergePlan,
  MergeResult,
  MetricChoice,
  ModelSummary,
  OpenResult,
  RecoverResult,
  Saving,
  SimilarityKind,
  SimilarityMatrix,
  SweepEntry,
} from '../pipeline/types.ts';
import type { CallOptions, StudioApi } from '../worker/api.ts';
import {
  type FakeModelOptions,
  fakeData,
  fakeDownload,
  fakeGroups,
  fakeModel,
  fakeModelNeeds,
} from './fake-models.ts';
import { fakeIdentity, fakeRecipe, fakeSeed, planOfRecipe } from './fake-recipe.ts';
import { createFakeRecovery, ownBytes, pausedIn } from './fake-recovery.ts';
import { damageOf, entryOf, examplesFor, proposalsFor, scored } from './fake-scores.ts';

export interface FakeOptions extends FakeModelOptions {
  /** Milliseconds a step takes. */
  readonly delay?: number;
  /** Opens without data, and asks for it. */
  readonly needsData?: boolean;
  readonly needsContext?: boolean;
  /** Leaves these pairs' values out, as a partial measurement does. */
  readonly partial?: boolean;
  /** The sentence, or the error, that a method fails with; may be changed while the test runs. */
  readonly failing?: Partial<Record<keyof StudioApi, string | Error>>;
}

export interface FakeApi extends StudioApi {
  readonly calls: string[];
  /** What the worker holds: the plan of its current variant; null = the original. */
  variant(): MergePlan | null;
  /** Windows that a sweep scored anew, not from the cache: `4–7`, in order. */
  readonly scored: string[];
}

const engineSummary: EngineSummary = {
  backend: 'cpu',
  inference: 'wasm',
  threads: 2,
  reason: 'Runs on the CPU with 2 threads: this browser offers no GPU adapter.',
};

/** A wait that a signal ends, reporting progress on its way. */
async function wait(
  milliseconds: number,
  label: string,
  { signal, onProgress }: CallOptions = {},
): Promise<void> {
  const steps = Math.max(1, Math.round(milliseconds / 50));
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted();
    onProgress?.({
      fraction: step / steps,
      label: `${label}, step ${step + 1} of ${steps}`,
      secondsLeft: ((steps - step) * 50) / 1000,
    });
    await new Promise((resolve) => setTimeout(resolve, milliseconds / steps));
  }
  signal?.throwIfAborted();
}

function matrixOf(kind: SimilarityKind, group: GroupSummary, partial: boolean): SimilarityMatrix {
  const size = group.layers;
  const values = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const gap = Math.abs(i - j) / size;
      const depth = (i + j) / (2 * size);
      const decay = kind === 'attention' ? 9 : kind === 'aligned' ? 5 : 2.2;
      const ends = i === 0 || j === 0 || i === size - 1 || j === size - 1 ? 0.7 : 1;
      const ripple = 0.04 * Math.sin(7 * i + 7 * j) * Math.min(1, gap * size);
      values[i * size + j] = i === j ? 1 : ends * Math.exp(-decay * gap * (1.2 - depth)) + ripple;
      const asked = kind === 'aligned' ? Math.abs(i - j) === 0 : true;
      if (!asked || (partial && Math.abs(i - j) > size / 2)) values[i * size + j] = Number.NaN;
    }
  }
  return { kind, groupId: group.id, size, values, samples: 4096 };
}

export function createFakeApi(options: FakeOptions = {}): FakeApi {
  const { layers = 12, delay = 0, failing = {} } = options;
  const groups = fakeGroups(options);
  const [first] = groups;
  const calls: string[] = [];
  const scoredWindows: string[] = [];
  const cache = new Map<string, SweepEntry>();
  let current: MergePlan | null = null;
  let lastRun: RecoverResult | null = null;
  let choice: MetricChoice = { metric: fakeData(options).metric };
  let model: ModelSummary | null = null;
  let hasData = !options.needsData;
  let added = false;
  let hasContext = !options.needsContext;

  const fail = (name: keyof StudioApi): void => {
    const why = failing[name];
    if (why) throw why instanceof Error ? why : new Error(why);
  };
  const step = async (
    name: keyof StudioApi,
    label: string,
    callOptions?: CallOptions,
    time = delay,
  ): Promise<void> => {
    calls.push(name);
    await wait(time, label, callOptions);
    fail(name);
  };

  const state = (): DataState => {
    const modelNeeds = hasData && !added ? fakeModelNeeds(options) : null;
    if (modelNeeds) return modelNeeds;
    if (!hasData)
      return {
        data: null,
        needs: [
          {
            what: 'data' as const,
            sentence: 'Text to calibrate on: a .txt file of a few thousand words or more.',
          },
          { what: 'tokenizer' as const, sentence: 'The model’s tokenizer.json, to turn text into tokens.' },
        ],
      };
    if (!hasContext)
      return {
        data: null,
        needs: [
          { what: 'context-length' as const, sentence: 'The number of tokens that the model reads at once.' },
        ],
      };
    return { data: fakeData(options), needs: [] };
  };
  const savingOf = (picked: readonly LayerSet[], own = 0): Saving => {
    const bytesBefore = model?.bytes ?? 0;
    let parametersSaved = 0;
    for (const { groupId, layers: tied } of picked) {
      const group = groups.find(({ id }) => id === groupId);
      parametersSaved += (tied.length - 1) * (group?.parametersPerFfn ?? 0);
    }
    return {
      parametersSaved,
      bytesSaved: parametersSaved * 4 - own,
      bytesBefore,
      bytesAfter: bytesBefore - parametersSaved * 4 + own,
    };
  };

  /** As the worker tells it: windows drawn, the best score found. */
  const carriedOut = (plan: MergePlan): MergePlan => {
    if (plan.method === 'random') {
      const shift = (plan.seed ?? 0) % 3;
      const sets = plan.sets.map((set) => ({
        ...set,
        layers: set.layers.map((layer) => Math.max(0, layer - shift)),
      }));
      return { ...plan, sets };
    }
    return plan.score === 'best' ? { ...plan, score: ['preactivation', 'output-weights'] } : plan;
  };

  const mergeBy = (plan: MergePlan): MergeResult => {
    current = plan.sets.length > 0 ? plan : null;
    lastRun = null;
    const removed = plan.sets.reduce((sum, set) => sum + set.layers.length - 1, 0);
    const dropped = [{ groupId: first.id, layers: [2, 4, 7, 9, 10].slice(0, removed) }];
    return {
      plan: carriedOut(plan),
      saving: savingOf(plan.sets, ownBytes(plan, groups)),
      notes: [],
      aligned: [],
      seconds: 1.7,
      ...(plan.method === 'layer-drop' && { droppedLayers: dropped }),
    };
  };
  const identity = () => fakeIdentity(model, model && state().data);

  return {
    calls,
    scored: scoredWindows,
    variant: () => current,
    async engine(_gpu, callOptions) {
      await step('engine', 'Looking for a GPU', callOptions, Math.min(delay, 50));
      return engineSummary;
    },
    async open(files, callOptions): Promise<OpenResult> {
      await step('open', 'Reading the graph', callOptions);
      model = fakeModel(options, groups, files);
      current = null;
      return { model, ...state() };
    },
    async addData(_files, callOptions) {
      await step('addData', 'Tokenizing', callOptions);
      hasData = true;
      added = true;
      return state();
    },
    async setContextLength(_tokens, callOptions) {
      await step('setContextLength', 'Splitting', callOptions);
      hasContext = true;
      return state();
    },
    async measure(callOptions) {
      await step('measure', 'Measuring, batch', callOptions);
      const kinds: SimilarityKind[] = ['cka', 'cka-debiased', 'aligned', 'attention'];
      const matrices = groups.flatMap((group) =>
        kinds.map((kind) => matrixOf(kind, group, options.partial ?? false)),
      );
      return { matrices, seconds: 2.4, engine: engineSummary };
    },
    async alignment(groupId, reference, layer, callOptions) {
      await step('alignment', 'Correlating', callOptions);
      const group = groups.find(({ id }) => id === groupId) ?? first;
      const size = 8;
      const matrix = matrixOf('aligned', group, false);
      matrix.values[reference * group.layers + layer] = matrix.values[layer * group.layers + reference] =
        0.62;
      return {
        groupId,
        reference,
        layer,
        size,
        correlation: Float32Array.from({ length: size * size }, (_, index) => Math.sin(index)),
        permutation: Uint32Array.from({ length: size }, (_, index) => (index + 3) % size),
        objective: 4.96,
        alignedMean: 0.62,
        diagonalMean: 0.013,
        matrix,
      };
    },
    async predict(picked) {
      await step('predict', 'Predicting', undefined, 0);
      return savingOf(picked);
    },
    async merge(plan, callOptions) {
      await step('merge', 'Aligning pair', callOptions);
      return mergeBy(plan);
    },
    async evaluate(split, callOptions) {
      await step('evaluate', 'Scoring, batch', callOptions);
      const { original, value, error } = scored(choice.metric, current ? damageOf(current, layers) : 0);
      return {
        ...choice,
        split,
        original,
        merged: value,
        samples: options.images ? 1000 : 8128,
        standardError: error,
        seconds: 3.1,
        engine: engineSummary,
      };
    },
    async setMetric(wanted) {
      await step('setMetric', 'Choosing the metric', undefined, 0);
      choice = wanted;
    },
    async sweep(request, callOptions) {
      calls.push('sweep');
      const group = groups.find(({ id }) => id === request.groupId) ?? first;
      const windows = request.widths.flatMap((width) =>
        Array.from({ length: group.layers - width + 1 }, (_, start) => [start, start + width - 1] as const),
      );
      const entries: SweepEntry[] = [];
      for (const [start, end] of windows) {
        callOptions?.signal?.throwIfAborted();
        const key = JSON.stringify([choice, request.groupId, request.method, request.score, start, end]);
        const known = cache.has(key);
        if (!known) {
          await new Promise((resolve) => setTimeout(resolve, delay / 4));
          callOptions?.signal?.throwIfAborted();
          scoredWindows.push(`${start}–${end}`);
        }
        const { bytesAfter } = savingOf([
          { groupId: group.id, layers: Array.from({ length: end - start + 1 }) },
        ]);
        const entry = entryOf(choice.metric, group.id, start, end, group.layers, bytesAfter, request);
        if (!known) cache.set(key, entry);
        entries.push(known ? { ...entry, blockRuns: 0 } : entry);
        callOptions?.onProgress?.({
          fraction: entries.length / windows.length,
          label: `Scored window ${start}–${end}, ${entries.length} of ${windows.length}`,
          secondsLeft: ((windows.length - entries.length) * delay) / 4000,
          partial: { sweep: entries[entries.length - 1] },
        });
        if (entries.length > windows.length / 2) fail('sweep');
      }
      const higher = choice.metric !== 'kl' && !choice.metric.includes('perplexity');
      return {
        request,
        metric: choice.metric,
        samples: options.images ? 400 : 4064,
        entries: entries.sort((a, b) => (higher ? b.value - a.value : a.value - b.value)),
        predictions: [
          { measure: 'cka', rho: -0.41, count: windows.length },
          { measure: 'cka-debiased', rho: -0.47, count: windows.length },
          { measure: 'aligned', rho: -0.72, count: windows.length },
          { measure: 'attention', rho: -0.12, count: windows.length },
        ],
        seconds: 8.2,
        plainBlockRuns: 4 * group.layers,
      };
    },
    async plan(request, callOptions) {
      await step('plan', 'Scoring proposal', callOptions);
      const group = groups.find(({ id }) => id === request.groupId) ?? first;
      const whole = model?.bytes ?? 1;
      const { target } = request;
      const removed =
        'removed' in target ? target.removed : Math.ceil(((1 - target.size) * whole) / group.bytesPerFfn);
      const bytesAfter = whole - removed * group.bytesPerFfn;
      return {
        removed,
        metric: choice.metric,
        original: scored(choice.metric, 0).original,
        candidates: proposalsFor(removed, group.id, group.layers, choice.metric, bytesAfter, request),
        rule: 'Windows of 2 to 4 layers are measured on the select split; wider ones are estimated from those.',
        seconds: 5.5,
      };
    },
    async recover(request, callOptions) {
      calls.push('recover');
      fail('recover');
      if (!current) throw new Error('Nothing is merged: merge first.');
      const facts = { groups, layers, metric: choice.metric, delay, engine: engineSummary, savingOf };
      const run = createFakeRecovery(current, request, facts, (result) => {
        current = result.plan;
        lastRun = result;
      });
      return run(callOptions ?? {});
    },
    async recovery() {
      await step('recovery', 'Asking', undefined, 0);
      return lastRun;
    },
    async tuning(plan) {
      await step('tuning', 'Asking', undefined, 0);
      return pausedIn(plan, lastRun);
    },
    async recipe(_evaluations, callOptions) {
      await step('recipe', 'Writing the recipe', callOptions, Math.min(delay, 50));
      return fakeRecipe(current && carriedOut(current), identity());
    },
    async mergeRecipe(recipe, callOptions) {
      await step('mergeRecipe', 'Merging by the recipe', callOptions);
      return mergeBy(planOfRecipe(recipe, identity()));
    },
    async identity(callOptions) {
      await step('identity', 'Reading the file for its hash', callOptions, 0);
      return identity();
    },
    async sweepSeed() {
      await step('sweepSeed', 'Asking', undefined, 0);
      return fakeSeed(cache, identity());
    },
    async useSweepSeed(seed, callOptions) {
      await step('useSweepSeed', 'Taking scored windows over', callOptions, 0);
      for (const [key, entry] of seed.entries) cache.set(key, entry);
      return seed.entries.length;
    },
    async examples(request, callOptions) {
      await step('examples', 'Writing, token', callOptions);
      return examplesFor(request, options.images ?? false, current !== null);
    },
    async download(format, callOptions) {
      await step('download', 'Composing', callOptions, Math.min(delay, 200));
      if (!model?.formats.includes(format)) throw new Error(`The format “${format}” cannot be saved.`);
      return fakeDownload(model, format, current !== null);
    },
  };
}
