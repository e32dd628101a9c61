/**
 * What of the page's facts is kept over a reload, and its check: results, plans and settings, not the model.
 *
 * The snapshot is kept by structured clone, so that matrices stay Float64Array and NaN stays NaN. It is of this origin,
 * but may be of another version of the page, or half written: every part is checked before it is shown.
 * Left out: jobs, errors, the aligned pair (n² numbers), examples (images), what the worker holds.
 */
import * as v from 'valibot';
import type { SweepSeed } from '../pipeline/sweep-seed.ts';
import { oneOf } from '../recipe/check.ts';
import { fileSchema, METHODS, METRICS, planSchema, TYING_METHODS } from '../recipe/schema.ts';
import type {
  DataSummary,
  EngineSummary,
  EvaluationResult,
  GroupSummary,
  LayerSet,
  MergeResult,
  MetricChoice,
  ModelSummary,
  PlanRun,
  Saving,
  SimilarityMatrix,
  SweepEntry,
  SweepRequest,
  SweepRun,
  TriedVariant,
} from './types.ts';

export const SESSION_FORMAT = 'layerfold-session';
/** Raised when a snapshot of before would be misread. */
export const SESSION_VERSION = 1;

/** Also NaN and infinities: a rank correlation may not be defined, a broken model's perplexity may be infinite. */
const number = v.custom<number>((x) => typeof x === 'number', 'a number');
const text = v.string('a text');
const flag = v.boolean('true or false');
const texts = v.array(text);

type Of<T> = v.GenericSchema<unknown, T>;

const engine = v.object({
  backend: oneOf(['webgpu', 'cpu']),
  inference: oneOf(['webgpu', 'wasm']),
  threads: number,
  adapter: v.optional(text),
  reason: text,
}) satisfies Of<EngineSummary>;

const value = v.object({ name: text, dtype: text, shape: text });

const group = v.object({
  id: text,
  name: text,
  layers: number,
  dModel: number,
  dFf: number,
  activation: text,
  gated: flag,
  parametersPerFfn: number,
  bytesPerFfn: number,
  bytesBesideFfn: v.optional(number, 0),
  layerLabels: texts,
  hasAttention: flag,
}) satisfies Of<GroupSummary>;

const task = oneOf([
  'causal-lm',
  'masked-lm',
  'text-encoder',
  'text-classification',
  'seq2seq-text',
  'seq2seq-audio',
  'audio-ctc',
  'audio-encoder',
  'image-classification',
  'image-encoder',
  'text-and-image',
  'unknown',
]);

const model = v.object({
  fileName: text,
  files: v.array(
    v.object({
      name: text,
      role: oneOf(['model', 'encoder', 'decoder', 'decoder-with-past']),
      bytes: number,
      dataFiles: texts,
    }),
  ),
  formats: v.array(oneOf(['onnx', 'onnx-float16', 'zip', 'safetensors'])),
  bytes: number,
  parameters: number,
  ffnParameters: number,
  ffnBytes: number,
  nodes: number,
  opset: number,
  producer: text,
  task,
  inputs: v.array(value),
  outputs: v.array(value),
  groups: v.array(group),
  refusals: texts,
  notes: texts,
}) satisfies Of<ModelSummary>;

const metric = oneOf(METRICS);
const metricChoice = v.object({ metric, stride: v.optional(number) }) satisfies Of<MetricChoice>;
const split = oneOf(['calibrate', 'select', 'report']);

const data = v.object({
  kind: oneOf(['text', 'pairs', 'images', 'audio', 'tensors']),
  task,
  splits: v.array(
    v.object({
      name: split,
      items: number,
      unit: oneOf(['tokens', 'images', 'clips', 'samples']),
      scored: number,
      scoredUnit: v.optional(v.literal('chunks')),
    }),
  ),
  rule: text,
  contextLength: v.optional(number),
  contextSource: v.optional(text),
  metric,
  metrics: v.array(metric),
  notes: texts,
}) satisfies Of<DataSummary>;

const KINDS = ['cka', 'cka-debiased', 'aligned', 'attention'] as const;

const matrix = v.pipe(
  v.object({
    kind: oneOf(KINDS),
    groupId: text,
    size: number,
    values: v.instance(Float64Array, 'a Float64Array'),
    samples: number,
  }),
  v.check(({ size, values }) => values.length === size * size, 'a square matrix'),
) satisfies Of<SimilarityMatrix>;

const matrices = v.object({
  cka: v.optional(matrix),
  'cka-debiased': v.optional(matrix),
  aligned: v.optional(matrix),
  attention: v.optional(matrix),
});

const layerSet = v.object({ groupId: text, layers: v.array(number) }) satisfies Of<LayerSet>;

const saving = v.object({
  parametersSaved: number,
  bytesSaved: number,
  bytesBefore: number,
  bytesAfter: number,
}) satisfies Of<Saving>;

const merge = v.object({
  plan: planSchema,
  droppedLayers: v.optional(v.array(layerSet)),
  saving,
  notes: texts,
  aligned: v.array(matrix),
  seconds: number,
}) satisfies Of<MergeResult>;

const evaluation = v.object({
  metric,
  stride: v.optional(number),
  split,
  original: number,
  merged: number,
  samples: number,
  standardError: number,
  seconds: number,
  engine,
}) satisfies Of<EvaluationResult>;

const reference = oneOf(['first', 'middle', 'last']);
const score = planSchema.entries.score;
const windowMethod = oneOf(TYING_METHODS);

const sweepRequest = v.object({
  groupId: text,
  widths: v.array(number),
  method: windowMethod,
  reference,
  score,
}) satisfies Of<SweepRequest>;

const sweepFields = {
  groupId: text,
  first: number,
  last: number,
  value: number,
  original: number,
  standardError: number,
  bytesAfter: number,
  blockRuns: number,
};
const sweepEntry = v.object(sweepFields) satisfies Of<SweepEntry>;

const sweep = v.object({
  request: sweepRequest,
  metric: metricChoice,
  entries: v.array(sweepEntry),
  finished: v.nullable(
    v.object({
      request: sweepRequest,
      metric,
      samples: number,
      predictions: v.array(v.object({ measure: oneOf(KINDS), rho: number, count: number })),
      seconds: number,
      plainBlockRuns: number,
    }),
  ),
}) satisfies Of<SweepRun>;

const candidate = v.object({
  sets: v.array(layerSet),
  estimate: number,
  value: number,
  bytesAfter: number,
  recovered: v.optional(v.object({ plan: planSchema, value: number, bytesAfter: number })),
});

const plan = v.object({
  request: v.object({
    groupId: text,
    target: v.union([v.strictObject({ removed: number }), v.strictObject({ size: number })]),
    method: windowMethod,
    reference,
    score,
    recover: v.optional(flag),
  }),
  metric: metricChoice,
  result: v.object({
    removed: number,
    metric,
    original: number,
    candidates: v.array(candidate),
    rule: text,
    seconds: number,
  }),
  sized: v.nullable(v.object({ percent: number, candidate, evaluation })),
}) satisfies Of<PlanRun>;

const tried = v.object({
  id: number,
  asked: planSchema,
  plan: planSchema,
  droppedLayers: v.optional(v.array(layerSet)),
  saving,
  scores: v.array(evaluation),
}) satisfies Of<TriedVariant>;

const seed = v.object({
  identity: v.object({ app: text, model: texts, data: text, inference: oneOf(['webgpu', 'wasm']) }),
  entries: v.array(v.strictTuple([text, v.object({ ...sweepFields, damage: number })])),
}) satisfies Of<SweepSeed>;

export const sessionSchema = v.object({
  format: v.literal(SESSION_FORMAT),
  version: v.literal(SESSION_VERSION),
  /** Milliseconds since 1970. */
  savedAt: number,
  /** The model’s files. */
  files: v.array(fileSchema),
  /** The dataset's key; null without data. */
  dataKey: v.nullable(text),
  /** Scored windows, for the worker. */
  sweepSeed: v.nullable(seed),
  /** Of the merge, as a file: with its permutations, so that it comes back without calibration. */
  recipe: v.nullable(text),
  /** The sample that the model is, where it is one. */
  sample: v.optional(v.nullable(text)),
  facts: v.object({
    model,
    data: v.nullable(data),
    similarity: v.object({
      byGroup: v.record(text, matrices),
      seconds: v.nullable(number),
      engine: v.nullable(engine),
    }),
    picks: v.object({ sets: v.array(layerSet), saving: v.nullable(saving) }),
    sweeps: v.record(text, sweep),
    plan: v.nullable(plan),
    merge: v.object({
      method: oneOf(METHODS),
      reference,
      score,
      seed: number,
      result: v.nullable(merge),
      asked: v.nullable(planSchema),
    }),
    metric: v.nullable(metricChoice),
    evaluation: v.nullable(evaluation),
    tried: v.array(tried),
    view: v.object({
      kind: oneOf(KINDS),
      groupId: v.nullable(text),
      table: flag,
      stretch: flag,
      stripWidth: v.nullable(number),
    }),
  }),
});

export type SessionSnapshot = v.InferOutput<typeof sessionSchema>;
