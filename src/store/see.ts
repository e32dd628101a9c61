/** Similarity of layers: measuring all pairs, aligning one pair, and the files of both. */

import type { SliceContext } from './context.ts';
import { alignmentJson, matrixCsv, matrixFileName } from './export.ts';
import { formatInteger, formatSeconds } from './format.ts';
import { modelTitle } from './formats.ts';
import { sentenceOf } from './jobs.ts';
import { setName } from './sets.ts';
import type { GroupMatrices, MatrixFigure, SimilarityMatrix, StudioActions, StudioFacts } from './types.ts';

type SeeActions = Pick<
  StudioActions,
  | 'measure'
  | 'align'
  | 'saveMatrix'
  | 'saveMatrixFigure'
  | 'saveAlignment'
  | 'showKind'
  | 'showGroup'
  | 'showTable'
  | 'setStretch'
>;

/** The matrices by group and kind, with some replaced. */
export function withMatrices(
  byGroup: StudioFacts['similarity']['byGroup'],
  matrices: readonly SimilarityMatrix[],
): Record<string, GroupMatrices> {
  const next: Record<string, GroupMatrices> = { ...byGroup };
  for (const matrix of matrices) next[matrix.groupId] = { ...next[matrix.groupId], [matrix.kind]: matrix };
  return next;
}

/** The matrix shown; where none was measured, one of the group's size that says so. */
export function shownMatrix(state: StudioFacts): SimilarityMatrix | null {
  const { kind, groupId } = state.view;
  const group = state.model?.groups.find(({ id }) => id === groupId);
  if (!group) return null;
  const measured = state.similarity.byGroup[group.id]?.[kind];
  if (measured) return measured;
  return emptyMatrix(group.id, kind, group.layers);
}

const empties = new Map<string, SimilarityMatrix>();

/** One object a key: a selector must return the same thing for the same state. */
function emptyMatrix(groupId: string, kind: SimilarityMatrix['kind'], size: number): SimilarityMatrix {
  const key = `${kind} ${size} ${groupId}`;
  let matrix = empties.get(key);
  if (!matrix) {
    matrix = { kind, groupId, size, values: new Float64Array(size * size).fill(Number.NaN), samples: 0 };
    empties.set(key, matrix);
  }
  return matrix;
}

const FIGURE_TITLES: Record<SimilarityMatrix['kind'], string> = {
  cka: 'CKA of FFN outputs',
  'cka-debiased': 'Debiased CKA of FFN outputs',
  aligned: 'Aligned correlation of hidden units',
  attention: 'CKA of attention outputs',
};

/** The matrix shown, with what a reader needs who has not the page; null where no model is open. */
export function matrixFigure(state: StudioFacts): MatrixFigure | null {
  const matrix = shownMatrix(state);
  const { model, view, picks } = state;
  const group = model?.groups.find(({ id }) => id === matrix?.groupId);
  if (!matrix || !model || !group) return null;
  const measured =
    matrix.samples > 0 ? `measured on ${formatInteger(matrix.samples)} calibration rows` : 'not measured yet';
  return {
    matrix,
    stretch: view.stretch,
    title: FIGURE_TITLES[matrix.kind],
    lines: [modelTitle(model), `${group.name}, ${group.layers} layers, ${measured}`],
    windows: picks.sets.flatMap(({ groupId, layers }, set) =>
      groupId === group.id ? [{ set, layers, name: `Layers ${setName(layers)}` }] : [],
    ),
  };
}

export function createSeeActions({ api, files, set, get, jobs, fail }: SliceContext): SeeActions {
  const view = (part: Partial<StudioFacts['view']>) => set({ view: { ...get().view, ...part } });
  return {
    async measure() {
      const cancelled = 'What was measured before is kept.';
      await jobs.run({ step: 'calibrate', label: 'Measuring similarity', cancelled }, async (options) => {
        const { matrices, seconds, engine } = await api.measure(options);
        // Pairs that an alignment filled in before stay where this measurement has no value of its own.
        const { byGroup } = get().similarity;
        set({ similarity: { byGroup: withMatrices(byGroup, matrices), seconds, engine } });
        return { kind: 'done', text: `Measured in ${formatSeconds(seconds)}.` };
      });
    },

    async align(reference, layer) {
      const { groupId } = get().view;
      const group = get().model?.groups.find(({ id }) => id === groupId);
      if (!group) return;
      const last = group.layers - 1;
      const known = (index: number) => Number.isInteger(index) && index >= 0 && index <= last;
      if (!known(reference) || !known(layer))
        return fail('see', `Layers are whole numbers from 0 to ${last}.`);
      if (reference === layer)
        return fail('see', 'A layer aligns with itself exactly: ask for two different layers.');
      const label = `Aligning layer ${layer} to layer ${reference}`;
      const cancelled = 'No pair was aligned.';
      await jobs.run({ step: 'see', label, cancelled }, async (options) => {
        const alignment = await api.alignment(group.id, reference, layer, options);
        const { similarity } = get();
        const byGroup = withMatrices(similarity.byGroup, [alignment.matrix]);
        set({ alignment, similarity: { ...similarity, byGroup } });
        return { kind: 'done', text: `Aligned layer ${layer} to layer ${reference}.` };
      });
    },

    saveMatrix() {
      const matrix = shownMatrix(get());
      if (!matrix) return;
      files.saveAsLink(new Blob([matrixCsv(matrix)], { type: 'text/csv' }), matrixFileName(matrix));
    },

    async saveMatrixFigure(format, draw) {
      const figure = matrixFigure(get());
      if (!figure) return;
      try {
        files.saveAsLink(await draw(figure), matrixFileName(figure.matrix, format));
      } catch (error) {
        fail('see', sentenceOf(error));
      }
    },

    saveAlignment() {
      const { alignment } = get();
      if (!alignment) return;
      const name = `alignment-${alignment.reference}-${alignment.layer}.json`;
      files.saveAsLink(new Blob(alignmentJson(alignment), { type: 'application/json' }), name);
    },

    showKind: (kind) => view({ kind }),
    showGroup: (groupId) => {
      view({ groupId, stripWidth: get().sweeps[groupId]?.request.widths[0] ?? null });
      if (get().alignment?.groupId !== groupId) set({ alignment: null });
    },
    showTable: (table) => view({ table }),
    setStretch: (stretch) => view({ stretch }),
  };
}
