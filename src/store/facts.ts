/** Initial facts, and which facts fall when the thing under them changes. */
import type { ModelSummary, StudioFacts } from './types.ts';

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
  picks: { windows: [], saving: null },
  merge: { method: 'permute', reference: 'first', result: null, held: null },
  evaluation: null,
  tried: [],
  view: { kind: 'cka', groupId: null, table: false, stretch: true, theme: 'light' },
};

/** Another model: everything that was about the one before it. */
export function factsForModel(model: ModelSummary, before: StudioFacts): Partial<StudioFacts> {
  return {
    model,
    similarity: noSimilarity,
    alignment: null,
    picks: { windows: [], saving: null },
    merge: { ...before.merge, result: null, held: null },
    evaluation: null,
    tried: [],
    view: { ...before.view, kind: 'cka', groupId: model.groups[0]?.id ?? null },
  };
}

/** Other data: everything that was measured on the data before it. A merge stays; it is weights, not a measurement. */
export function factsForData(): Partial<StudioFacts> {
  return { similarity: noSimilarity, alignment: null, evaluation: null, tried: [] };
}
