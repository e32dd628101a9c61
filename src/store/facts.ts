/** Initial facts, and which facts fall when the thing under them changes. */
import { defaultStride } from './metrics.ts';
import type { DataSummary, ModelSummary, StudioFacts } from './types.ts';

export const noSimilarity: StudioFacts['similarity'] = { byGroup: {}, seconds: null, engine: null };

export const initialFacts: StudioFacts = {
  engine: { status: 'idle', summary: null },
  model: null,
  data: null,
  needs: [],
  job: null,
  status: null,
  errors: [],
  similarity: noSimilarity,
  alignment: null,
  picks: { sets: [], saving: null },
  sweeps: {},
  plan: null,
  merge: {
    method: 'permute',
    reference: 'first',
    score: 'default',
    seed: 1,
    result: null,
    asked: null,
    held: null,
  },
  recover: {
    choice: {
      mode: 'best',
      rungs: ['R2', 'R3'],
      minutes: 2,
      steps: 400,
      rank: 4,
      seed: 1,
      tune: { steps: 150, rate: 5e-4, batch: 0, accumulate: 1, distil: 1, of: 'tied' },
    },
    run: null,
    history: [],
    paused: null,
  },
  metric: { chosen: null, held: null },
  evaluation: null,
  tried: [],
  examples: null,
  saveAs: { format: 'onnx', saved: null },
  tour: { running: false, skipped: [] },
  recipe: { asking: null, link: null },
  session: { was: null, sample: null },
  history: { past: [], future: [] },
  view: { kind: 'cka', groupId: null, table: false, stretch: true, stripWidth: null, theme: 'light' },
};

/** Another merge: the runs were on the one before it. A paused tuning says what it is of. */
export function nothingRecovered({ recover }: StudioFacts): StudioFacts['recover'] {
  return { ...recover, run: null, history: [] };
}

/** Another model: everything that was about the one before it. */
export function factsForModel(model: ModelSummary, before: StudioFacts): Partial<StudioFacts> {
  return {
    model,
    similarity: noSimilarity,
    alignment: null,
    picks: { sets: [], saving: null },
    sweeps: {},
    plan: null,
    merge: {
      ...before.merge,
      // Scores that use a gate fit gated FFNs only.
      score: 'default',
      result: null,
      asked: null,
      held: null,
    },
    recover: { ...nothingRecovered(before), paused: null },
    evaluation: null,
    tried: [],
    examples: null,
    saveAs: { format: 'onnx', saved: null },
    history: { past: [], future: [] },
    view: { ...before.view, kind: 'cka', groupId: model.groups[0]?.id ?? null, stripWidth: null },
  };
}

/** Other data: everything that was measured on the data before it. A merge stays; it is weights, not a measurement. */
export function factsForData(before: StudioFacts): Partial<StudioFacts> {
  return {
    recover: { ...nothingRecovered(before), paused: null },
    similarity: noSimilarity,
    alignment: null,
    sweeps: {},
    plan: null,
    evaluation: null,
    tried: [],
    examples: null,
  };
}

/** The metric that fits the data; the worker is told it before the first score. */
export function metricForData(data: DataSummary | null): StudioFacts['metric'] {
  if (!data) return { chosen: null, held: null };
  const { metric } = data;
  const stride = metric === 'strided-perplexity' ? { stride: defaultStride(data.contextLength) } : {};
  return { chosen: { metric, ...stride }, held: null };
}
