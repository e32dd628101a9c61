/**
 * The recipe: what was merged and how, so that the same model gives the same file again without calibration.
 *
 * Format `layerfold-recipe`, version 1, JSON (UTF-8), file name `*.layerfold.json`:
 *
 * | field | |
 * |---|---|
 * | `format`, `version` | `"layerfold-recipe"`, `1`. A change that an older page would misread raises the version |
 * | `app` | version of Layerfold that wrote it; for people |
 * | `model.name` | for people |
 * | `model.files[]` | `name`, `bytes`, `sha256` of every file: .onnx and external data. The hashes are the identity, as `sha256sum` and model hubs give them; names are for asking |
 * | `data` | what aligned and scored it, or null: `key` (SHA-256 of contents and settings), `kind`, `contextLength`, `files` (names). Needed again only for recovery and for a recipe without permutations |
 * | `plan` | as carried out: `sets[]` of `groupId` and `layers` (0-based, ascending), `method`, `reference`, `score`, `seed`, `recovery[]` |
 * | `droppedLayers[]` | for `layer-drop`: per group, the layers left out |
 * | `permutations[]` | one for every layer that was aligned: `groupId`, `reference`, `layer`, `units`, and `order`: base64 of little-endian unsigned integers, 16 bit for up to 65,536 units, else 32; order[u] = the unit of `layer` that stands at unit u of `reference`. Of the merge, before recovery. Absent in a link |
 * | `results` | saving, scores and notes as they were; for people, never read back as truth |
 *
 * A share link (`link.ts`) holds the same without `permutations` and `results`.
 *
 * Known limits: unknown fields are refused, so that a typing error is not silently an option that does nothing.
 */
import * as v from 'valibot';
import { finite, listOf, oneOf, sha256Text, text, whole } from './check.ts';

export const RECIPE_FORMAT = 'layerfold-recipe';
export const RECIPE_VERSION = 1;

export const NAME_LENGTH = 255;
const MOST_LAYERS = 1024;
const MOST_UNITS = 1 << 20;

const name = text(NAME_LENGTH);
const groupId = text(1000);
const layer = whole(0, MOST_LAYERS - 1);
const layers = (least: number) =>
  v.pipe(
    listOf(layer, least, MOST_LAYERS),
    v.check(
      (list) => list.every((l, k) => k === 0 || l > list[k - 1]),
      'layers in ascending order, each once',
    ),
  );

/** A file by its contents. */
export const fileSchema = v.strictObject({
  name,
  bytes: whole(0, Number.MAX_SAFE_INTEGER),
  sha256: sha256Text,
});

const optionSchema = v.union(
  [finite, v.boolean(), text(NAME_LENGTH), listOf(text(NAME_LENGTH), 0, 64)],
  'a number, true or false, a text, or a list of texts',
);

const recoveryStepSchema = v.strictObject({
  rung: oneOf(['R0c', 'R0b', 'R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'tune']),
  /** Position in the plan's sets. */
  set: whole(0, MOST_LAYERS),
  refreshed: v.boolean('true or false'),
  options: v.record(text(64), optionSchema, 'an object of options'),
});

/** Those that make one FFN of a set. */
export const TYING_METHODS = ['permute', 'vanilla', 'copy'] as const;
export const METHODS = [...TYING_METHODS, 'random', 'ffn-drop', 'layer-drop'] as const;
const TERMS = ['preactivation', 'gate', 'hidden', 'input-weights', 'output-weights'] as const;

const scoreSchema = v.union(
  [v.picklist(['default', 'best']), listOf(oneOf(TERMS), 1, TERMS.length)],
  `“default”, “best” or a list of ${TERMS.map((t) => `“${t}”`).join(', ')}`,
);

export const planSchema = v.strictObject({
  sets: listOf(v.strictObject({ groupId, layers: layers(2) }), 1, MOST_LAYERS),
  method: oneOf(METHODS),
  reference: oneOf(['first', 'middle', 'last']),
  score: scoreSchema,
  seed: v.exactOptional(whole(0, Number.MAX_SAFE_INTEGER)),
  recovery: v.exactOptional(listOf(recoveryStepSchema, 0, 4096)),
});

const permutationSchema = v.strictObject({
  groupId,
  reference: layer,
  layer,
  units: whole(1, MOST_UNITS),
  order: v.pipe(v.string('base64'), v.regex(/^[A-Za-z0-9+/]*={0,2}$/, 'base64')),
});

export const METRICS = [
  'perplexity',
  'strided-perplexity',
  'token-accuracy',
  'accuracy',
  'kl',
  'agreement',
  'cosine',
] as const;

const evaluationSchema = v.strictObject({
  metric: oneOf(METRICS),
  stride: v.exactOptional(whole(1, Number.MAX_SAFE_INTEGER)),
  split: oneOf(['calibrate', 'select', 'report']),
  /** Null where it was no number (a model that broke). */
  original: v.nullable(finite),
  merged: v.nullable(finite),
  standardError: v.nullable(finite),
  samples: whole(0, Number.MAX_SAFE_INTEGER),
});

const bytes = whole(0, Number.MAX_SAFE_INTEGER);

const resultsSchema = v.strictObject({
  bytesBefore: bytes,
  bytesAfter: bytes,
  parametersSaved: finite,
  evaluations: listOf(evaluationSchema, 0, 64),
  notes: listOf(v.string('a sentence'), 0, 256),
});

const dataSchema = v.strictObject({
  key: text(256),
  kind: oneOf(['text', 'pairs', 'images', 'audio', 'tensors']),
  contextLength: v.exactOptional(whole(1, Number.MAX_SAFE_INTEGER)),
  files: listOf(name, 0, 1000),
});

export const recipeSchema = v.strictObject({
  format: v.literal(RECIPE_FORMAT, `“${RECIPE_FORMAT}”`),
  version: v.literal(RECIPE_VERSION, `${RECIPE_VERSION}`),
  app: text(64),
  model: v.strictObject({ name: text(1000), files: listOf(fileSchema, 1, 2000) }),
  data: v.nullable(dataSchema),
  plan: planSchema,
  droppedLayers: v.exactOptional(listOf(v.strictObject({ groupId, layers: layers(0) }), 0, MOST_LAYERS)),
  permutations: v.exactOptional(listOf(permutationSchema, 0, MOST_LAYERS)),
  results: v.exactOptional(resultsSchema),
});

export type Recipe = v.InferOutput<typeof recipeSchema>;
export type FileIdentity = v.InferOutput<typeof fileSchema>;
export type DataIdentity = v.InferOutput<typeof dataSchema>;
export type RecipeResults = v.InferOutput<typeof resultsSchema>;
export type StoredPermutation = v.InferOutput<typeof permutationSchema>;
