/** The report's sections of what was measured beside the merge: sweeps, proposals, similarity. */
import type { Block, HeatmapBlock, ReportSection, TableBlock } from '../report/types.ts';
import { describeSets, METHOD_SHORT, scoreValue, stackName, usesScore } from './describe.ts';
import { formatInteger, formatRho } from './format.ts';
import { formatDifference, formatMetric, metricPhrase } from './metrics.ts';
import { bytesOf } from './plan.ts';
import { setName } from './sets.ts';
import { rankedEntries } from './sweep.ts';
import type { SimilarityKind, SimilarityMatrix, StudioFacts, SweepRun } from './types.ts';

export function measuredBlocks(state: StudioFacts): ReportSection[] {
  const sweeps = Object.values(state.sweeps).filter(({ entries }) => entries.length > 0);
  const matrices = heatmaps(state);
  const { plan } = state;
  return [
    ...(sweeps.length > 0
      ? [{ heading: 'Sweep of windows', blocks: sweeps.flatMap((run) => sweepBlocks(run, state)) }]
      : []),
    ...(plan ? [{ heading: 'Proposed groups', blocks: [planTable(state)] }] : []),
    ...(matrices.length > 0 ? [{ heading: 'Similarity of layers', blocks: matrices }] : []),
  ];
}

const KINDS: Record<SimilarityKind, string> = {
  cka: 'FFN outputs, linear CKA',
  'cka-debiased': 'FFN outputs, CKA debiased',
  attention: 'Attention outputs, linear CKA',
  aligned: 'Hidden units, mean aligned score',
};

function sweepBlocks(run: SweepRun, { model }: StudioFacts): Block[] {
  const { request, metric, finished } = run;
  const stack = stackName(model?.groups ?? [], request.groupId);
  const score = usesScore(request.method) ? `, score ${scoreValue(request.score)}` : '';
  const entries = rankedEntries(run);
  const table: TableBlock = {
    kind: 'table',
    caption: `${stack ? `${stack}: ` : ''}${entries.length} windows, each merged (${METHOD_SHORT[request.method]}, ${request.reference} layer as reference${score}) and scored on the select split, best first${finished ? `; ${formatInteger(finished.samples)} items` : '; not finished'}`,
    columns: [
      { name: 'Rank', numeric: true },
      { name: 'Window' },
      { name: metricPhrase(metric), numeric: true },
      { name: 'Difference', numeric: true },
      { name: 'Bytes after', numeric: true },
    ],
    rows: entries.map(({ first, last, value, original, standardError, bytesAfter }, at) => [
      String(at + 1),
      `${first}–${last}`,
      formatMetric(metric.metric, value),
      formatDifference(metric.metric, value - original, standardError),
      formatInteger(bytesAfter),
    ]),
  };
  const known = (finished?.predictions ?? []).filter(({ rho }) => !Number.isNaN(rho));
  if (known.length === 0) return [table];
  return [
    table,
    {
      kind: 'table',
      caption:
        'How well similarity predicts the damage of a window: rank correlation (negative: more alike, less damage)',
      columns: [
        { name: 'Measure' },
        { name: 'Spearman’s ρ', numeric: true },
        { name: 'Windows', numeric: true },
      ],
      rows: known.map(({ measure, rho, count }) => [KINDS[measure], formatRho(rho), String(count)]),
    },
  ];
}

function planTable({ plan, model }: StudioFacts): TableBlock {
  const { request, result, metric } = plan!;
  const refitted = request.recover === true;
  return {
    kind: 'table',
    caption: `Proposals that remove ${result.removed} FFNs, merged whole and scored on the select split (original ${formatMetric(metric.metric, result.original)}). ${result.rule}`,
    columns: [
      { name: 'Groups' },
      { name: metricPhrase(metric), numeric: true },
      ...(refitted ? [{ name: 'With R3', numeric: true }] : []),
      { name: 'Bytes after', numeric: true },
    ],
    rows: result.candidates.map((candidate) => {
      const { sets, value, recovered } = candidate;
      const withR3 = recovered ? formatMetric(metric.metric, recovered.value) : '–';
      return [
        describeSets(sets, model?.groups),
        formatMetric(metric.metric, value),
        ...(refitted ? [withR3] : []),
        formatInteger(bytesOf(candidate)),
      ];
    }),
  };
}

function heatmaps({ similarity, model, merge }: StudioFacts): HeatmapBlock[] {
  const groups = model?.groups ?? [];
  const sets = merge.result?.plan.sets ?? [];
  return groups.flatMap(({ id }) =>
    (Object.keys(KINDS) as SimilarityKind[]).flatMap((kind) => {
      const matrix = similarity.byGroup[id]?.[kind];
      if (!matrix || !isMeasured(matrix)) return [];
      const stack = stackName(groups, id);
      const rows =
        matrix.samples > 0
          ? `Measured on ${formatInteger(matrix.samples)} rows of the calibrate split. `
          : '';
      return [
        {
          kind: 'heatmap' as const,
          title: `${stack ? `${stack}: ` : ''}${KINDS[kind]}`,
          caption: `${rows}Outlined: the layers that were merged.`,
          size: matrix.size,
          values: matrix.values,
          sets: sets
            .filter((set) => set.groupId === id)
            .map(({ layers }) => ({ layers, name: setName(layers) })),
        },
      ];
    }),
  );
}

/** Whether any pair of different layers has a value. */
function isMeasured({ size, values }: SimilarityMatrix): boolean {
  return values.some((value, at) => !Number.isNaN(value) && at % (size + 1) !== 0);
}
