/**
 * The report's facts, in words: what of the page's state goes into it, and what each number is called.
 *
 * Numbers of scores come with their standard error and sample size, never without; what was not measured is left out
 * rather than shown empty.
 */
import type { MergePlan, RecoveryStep } from '../pipeline/types.ts';
import type { DataIdentity, FileIdentity, Recipe } from '../recipe/schema.ts';
import type { Block, HeadlineNumber, NamedSet, Report, ReportSection } from '../report/types.ts';
import { knownScores } from './compare.ts';
import {
  describePlan,
  describeSets,
  METHOD_SHORT,
  stackName,
  usesReference,
  usesScore,
  withLayers,
} from './describe.ts';
import {
  formatBytes,
  formatBytesTick,
  formatCount,
  formatInteger,
  formatPercent,
  formatSeconds,
} from './format.ts';
import {
  choiceOf,
  formatDifference,
  formatMetric,
  higherIsBetter,
  metricPhrase,
  sameMetric,
} from './metrics.ts';
import { measuredBlocks } from './report-measured.ts';
import { againSection, citeSection, dataSection, machineSection, modelSection } from './report-setting.ts';
import { ffnsRemoved, setName } from './sets.ts';
import { scoreOf, triedPoints } from './tried.ts';
import type { DataSummary, EvaluationResult, ScoreTerm, StudioFacts } from './types.ts';

/** What the page's facts do not say of themselves. */
export interface ReportParts {
  /** Version of Layerfold. */
  readonly app: string;
  /** Day and time, as they are to be read. */
  readonly date: string;
  readonly files: readonly FileIdentity[];
  readonly data: DataIdentity | null;
  /** Of the merge. */
  readonly recipe: Recipe | null;
  /** The browser, as it names itself. */
  readonly browser: string;
}

/** @returns null while there is no merge to report on */
export function reportOf(state: StudioFacts, parts: ReportParts): Report | null {
  const { model, merge } = state;
  const { result, asked } = merge;
  if (!model || !result || !asked) return null;
  const scores = scoresOf(state);
  const { saving, plan } = result;
  const smaller = formatPercent(saving.bytesSaved / saving.bytesBefore);
  const first = scores[0] as EvaluationResult | undefined;
  const size: HeadlineNumber = {
    label: `File, ${smaller} smaller`,
    value: `${formatBytes(saving.bytesBefore)} → ${formatBytes(saving.bytesAfter)}`,
    detail: `${formatInteger(saving.bytesBefore)} to ${formatInteger(saving.bytesAfter)} bytes; ${formatCount(saving.parametersSaved)} of ${formatCount(model.parameters)} parameters removed`,
  };
  const quality: readonly HeadlineNumber[] = first
    ? [
        {
          label: `${metricPhrase(first)}, ${higherIsBetter(first.metric) ? 'higher' : 'lower'} is better`,
          value: `${formatMetric(first.metric, first.original)} → ${formatMetric(first.metric, first.merged)}`,
          detail: `${formatDifference(first.metric, first.merged - first.original, first.standardError)} on ${samplesOf(first, state.data)} of the ${first.split} split`,
        },
      ]
    : [];
  const { groups } = model;
  return {
    title: model.fileName,
    summary: `${sentence(withLayers(describePlan(plan, result.droppedLayers, groups)))}${plan.recovery?.length ? ', then recovered' : ''}. The file is ${smaller} smaller; ${
      first
        ? `${metricPhrase(first).toLowerCase()} is ${formatMetric(first.metric, first.merged)} instead of ${formatMetric(first.metric, first.original)}`
        : 'what that costs was not evaluated'
    }.`,
    origin: `Layerfold ${parts.app}, ${parts.date}`,
    headline: [size, ...quality],
    sections: [
      mergeSection(state, plan),
      { heading: 'What it costs', blocks: costBlocks(state, scores) },
      ...triedSection(state),
      ...measuredBlocks(state),
      modelSection(model, parts.files),
      ...dataSection(state.data, parts.data),
      machineSection(first?.engine ?? state.engine.summary, parts),
      againSection(parts.recipe),
      citeSection,
    ],
  };
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Of the merge that is reported, the metric that is chosen now first. */
function scoresOf(state: StudioFacts): readonly EvaluationResult[] {
  const { evaluation } = state;
  const known = knownScores(state);
  if (!evaluation) return known;
  const chosen = choiceOf(evaluation);
  return [evaluation, ...known.filter((score) => !sameMetric(choiceOf(score), chosen))];
}

function samplesOf({ samples, split }: EvaluationResult, data: DataSummary | null): string {
  const of = data?.splits.find(({ name }) => name === split);
  return `${formatInteger(samples)} ${of?.scoredUnit ?? of?.unit ?? 'samples'}`;
}

const TERMS: Record<ScoreTerm, string> = {
  preactivation: 'correlation of pre-activations',
  gate: 'correlation of the gate’s pre-activations',
  hidden: 'correlation of post-activations',
  'input-weights': 'cosine of input weights',
  'output-weights': 'cosine of output weights',
};

const RUNGS: Record<RecoveryStep['rung'], string> = {
  R0c: 'R0c, aligned anew to the running mean',
  R0b: 'R0b, own output biases',
  R1: 'R1, up-projection refitted',
  R2: 'R2, own scale and shift of pre-activations',
  R3: 'R3, down-projection refitted',
  R4: 'R4, own gains of hidden units',
  R5: 'R5, own low-rank deltas',
  R6: 'R6, local distillation',
  tune: 'tuning from end to end',
};

function mergeSection({ model, merge }: StudioFacts, plan: MergePlan): ReportSection {
  const groups = model?.groups ?? [];
  const { droppedLayers, notes = [], seconds = 0 } = merge.result ?? {};
  const tiedSets = (groupId: string): NamedSet[] =>
    plan.method === 'layer-drop' || plan.method === 'ffn-drop'
      ? []
      : plan.sets
          .filter((set) => set.groupId === groupId)
          .map(({ layers }) => ({ layers, name: setName(layers) }));
  const stacks = groups
    .filter(({ id }) => tiedSets(id).length > 0)
    .map(
      ({ id, layers }): Block => ({
        kind: 'stack',
        caption: `${sentence(`${stackName(groups, id)} layers`.trim())} 0 to ${layers - 1}. A bar over several layers is one stored FFN that they share.`,
        layers,
        sets: tiedSets(id),
      }),
    );
  const { score } = plan;
  const how =
    score === 'default'
      ? 'the default: correlation of pre-activations, of gated FFNs also of the gate'
      : score === 'best'
        ? 'the best of all'
        : score.map((term) => TERMS[term]).join(' + ');
  const rows: (readonly [string, string])[] = [
    ['Layers', describeSets(plan.sets, groups)],
    ['FFNs removed', String(ffnsRemoved(plan.sets))],
    ['Method', METHOD_SHORT[plan.method]],
    ...(usesReference(plan.method) ? [['Reference', `${plan.reference} layer of each set`] as const] : []),
    ...(usesScore(plan.method) ? [['Alignment score', how] as const] : []),
    ...(plan.seed === undefined ? [] : [['Seed', String(plan.seed)] as const]),
    ...(droppedLayers ?? []).map(
      ({ groupId, layers }) =>
        [
          `Left out${groups.length > 1 ? ` of ${stackName(groups, groupId)}` : ''}`,
          layers.join(', '),
        ] as const,
    ),
    ['Time to merge', formatSeconds(seconds)],
  ];
  const recovery: Block[] = plan.recovery?.length
    ? [
        {
          kind: 'table',
          caption: 'Recovery, in the order in which it was carried out',
          columns: [{ name: 'Rung' }, { name: 'Layers' }, { name: 'Inputs of' }, { name: 'Options' }],
          rows: plan.recovery.map(({ rung, set, refreshed, options }) => [
            RUNGS[rung],
            plan.sets[set] ? setName(plan.sets[set].layers) : String(set),
            refreshed ? 'the merged model' : 'the original',
            Object.entries(options)
              .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(' + ') : String(value)}`)
              .join(', '),
          ]),
        },
      ]
    : [];
  return {
    heading: 'What was merged, and how',
    blocks: [
      ...stacks,
      { kind: 'facts', rows },
      ...recovery,
      ...(notes.length > 0 ? [{ kind: 'list', items: notes } as const] : []),
    ],
  };
}

function costBlocks({ data }: StudioFacts, scores: readonly EvaluationResult[]): Block[] {
  if (scores.length === 0) return [{ kind: 'text', text: 'This merge was not evaluated.' }];
  return [
    {
      kind: 'table',
      caption:
        'The original and the merged model on the same items; ± is one paired standard error of the difference',
      columns: [
        { name: 'Metric' },
        { name: 'Split' },
        { name: 'Original', numeric: true },
        { name: 'Merged', numeric: true },
        { name: 'Difference', numeric: true },
        { name: 'Scored', numeric: true },
        { name: 'Ran on' },
      ],
      rows: scores.map((score) => [
        metricPhrase(score),
        score.split,
        formatMetric(score.metric, score.original),
        formatMetric(score.metric, score.merged),
        formatDifference(score.metric, score.merged - score.original, score.standardError),
        samplesOf(score, data),
        score.engine.inference === 'webgpu' ? 'GPU (WebGPU)' : 'CPU (WebAssembly)',
      ]),
    },
  ];
}

function triedSection({ tried, metric, evaluation, model }: StudioFacts): ReportSection[] {
  const choice = metric.chosen ?? evaluation;
  const points = triedPoints(tried, choice);
  if (!choice || points.length < 3) return [];
  const name = metricPhrase(choice);
  const nameOf = (id: number) => {
    const variant = tried.find((one) => one.id === id);
    return variant ? describePlan(variant.plan, variant.droppedLayers, model?.groups) : 'the original';
  };
  return [
    {
      heading: 'Everything that was tried',
      blocks: [
        {
          kind: 'tradeoff',
          title: 'Quality against size',
          caption:
            'Filled points are on the Pareto front: nothing that was tried is both smaller and better.',
          metric: name,
          higherIsBetter: higherIsBetter(choice.metric),
          points: points.map((point) => ({ ...point, name: nameOf(point.id) })),
          bytesText: formatBytesTick,
          scoreText: (score) => formatMetric(choice.metric, score),
        },
        {
          kind: 'table',
          caption: `Variants on the report split, by ${name.toLowerCase()}; numbers as in the figure`,
          columns: [
            { name: 'No.', numeric: true },
            { name: 'Variant' },
            { name: 'Bytes', numeric: true },
            { name, numeric: true },
            { name: 'Difference', numeric: true },
          ],
          rows: points.map(({ id, bytes, score }) => {
            const variant = tried.find((one) => one.id === id);
            const scored = variant && scoreOf(variant, choice);
            const difference = scored
              ? formatDifference(choice.metric, scored.merged - scored.original, scored.standardError)
              : '–';
            return [
              String(id),
              nameOf(id),
              formatInteger(bytes),
              formatMetric(choice.metric, score),
              difference,
            ];
          }),
        },
      ],
    },
  ];
}
