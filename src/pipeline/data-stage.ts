/**
 * From dropped files to a dataset for the open model, or to the sentences that ask for what is missing.
 */
import type { Dataset } from '../data/dataset.ts';
import { browserDecoder } from '../data/decode.ts';
import { DataError } from '../data/errors.ts';
import type { NamedBlob, SortedFiles } from '../data/files.ts';
import { SPLITS } from '../data/files.ts';
import { createImageDataset } from '../data/images.ts';
import { createTextDataset, TEXT_INPUTS } from '../data/text.ts';
import type { OpenedModel } from './opened.ts';
import type { DataState, DataSummary, Metric, Need } from './types.ts';

/** Files that belong to the open model, gathered over several drops. */
export interface DataFiles {
  readonly config?: NamedBlob;
  readonly tokenizer?: NamedBlob;
  readonly preprocessor?: NamedBlob;
  readonly texts: readonly NamedBlob[];
  readonly images: readonly NamedBlob[];
  readonly labels: readonly NamedBlob[];
}

export const NO_FILES: DataFiles = { texts: [], images: [], labels: [] };

/** Adds a drop: single files replace, data files of the same kind replace all of that kind. */
export function addFiles(have: DataFiles, more: SortedFiles): DataFiles {
  const { config, tokenizer, preprocessor } = { ...have, ...more };
  return {
    ...(config && { config }),
    ...(tokenizer && { tokenizer }),
    ...(preprocessor && { preprocessor }),
    texts: more.texts.length > 0 ? more.texts : have.texts,
    images: more.images.length > 0 ? more.images : have.images,
    labels: more.labels.length > 0 ? more.labels : have.labels,
  };
}

export interface DataStage extends DataState {
  readonly dataset: Dataset | null;
}

/** Longest chunk that is chosen without being asked for: a batch of activations must fit in memory. */
const LONGEST_CHUNK = 1024;

/**
 * Makes the dataset where everything is there.
 * @param askedLength context length that the person gave
 * @throws DataError where files are there but cannot be used
 */
export async function prepareData(
  opened: OpenedModel,
  files: DataFiles,
  askedLength?: number,
): Promise<DataStage> {
  if (opened.task === 'unknown') {
    const listed = opened.summary.inputs.map((i) => `${i.name} (${i.dtype}, ${i.shape})`).join(', ');
    return missing({
      what: 'model',
      sentence: `This model's inputs are not understood yet: ${listed}. Its FFNs can be looked at, but not measured.`,
    });
  }
  if (opened.task === 'image-classification') {
    if (files.images.length === 0) {
      return missing({
        what: 'data',
        sentence:
          'Drop images as .npy files, with labels where you have them, e.g. calibrate-images.npy and calibrate-labels.npy.',
      });
    }
    const [input] = opened.inputs;
    const classes = opened.scoreOutput?.dims?.at(-1);
    const decoder = browserDecoder();
    const dataset = await createImageDataset(
      {
        images: files.images,
        labels: files.labels,
        ...(files.preprocessor && { preprocessor: files.preprocessor }),
        ...(files.config && { config: files.config }),
        ...(decoder && { decoder }),
      },
      {
        name: input.name,
        elemType: input.elemType ?? 1,
        dims: input.dims ?? [null, null, null, null],
        ...(typeof classes === 'number' && { classes }),
      },
    );
    return ready(dataset);
  }

  const foreign = opened.inputs.filter((v) => !TEXT_INPUTS.includes(v.name));
  if (foreign.length > 0) {
    const listed = foreign
      .map((v) => v.name)
      .slice(0, 4)
      .join(', ');
    return missing({
      what: 'model',
      sentence: `Besides text, this model asks for ${foreign.length} input${foreign.length > 1 ? 's' : ''} that cannot be filled yet: ${listed}${foreign.length > 4 ? ', …' : ''}. Export it without a cache.`,
    });
  }
  const needs: Need[] = [];
  if (!files.tokenizer)
    needs.push({ what: 'tokenizer', sentence: 'Drop the tokenizer.json that belongs to this model.' });
  if (files.texts.length === 0) {
    needs.push({
      what: 'data',
      sentence: 'Drop text to calibrate on: one .txt file, or calibrate.txt, select.txt and report.txt.',
    });
  }
  const context = await contextLength(opened, files, askedLength);
  if (!context) {
    needs.push({
      what: 'context-length',
      sentence:
        'The context length is in neither config.json nor the graph: say how many tokens a chunk should have.',
    });
  }
  if (needs.length > 0 || !files.tokenizer || !context) return { data: null, needs, dataset: null };
  const [fixedBatch, fixedLength] = opened.inputs.find((v) => v.name === 'input_ids')?.dims ?? [];
  const dataset = await createTextDataset(files.texts, files.tokenizer, {
    contextLength: context.length,
    contextSource: context.source,
    ...(typeof fixedBatch === 'number' && { fixedBatch }),
    fixedLength: typeof fixedLength === 'number',
    inputs: opened.inputs.map((v) => v.name),
    ...(opened.vocabulary !== undefined && { vocabulary: opened.vocabulary }),
  });
  return ready(dataset);
}

function missing(need: Need): DataStage {
  return { data: null, needs: [need], dataset: null };
}

/** What can be measured, the default first. */
function metricsFor(dataset: Dataset): readonly [Metric, ...Metric[]] {
  if (dataset.kind === 'text')
    return ['perplexity', 'strided-perplexity', 'token-accuracy', 'kl', 'agreement'];
  return dataset.labelled ? ['accuracy', 'kl', 'agreement'] : ['kl', 'agreement'];
}

function ready(dataset: Dataset): DataStage {
  const metrics = metricsFor(dataset);
  const data: DataSummary = {
    kind: dataset.kind,
    splits: SPLITS.map((name) => ({ name, unit: dataset.unit, ...dataset.size(name) })),
    rule: dataset.rule,
    ...(dataset.contextLength !== undefined && { contextLength: dataset.contextLength }),
    ...(dataset.contextSource !== undefined && { contextSource: dataset.contextSource }),
    metric: metrics[0],
    metrics,
    notes: dataset.notes,
  };
  return { data, needs: [], dataset };
}

/** Tokens a chunk: a fixed input length, else what was asked for, else config.json, else the position table. */
async function contextLength(
  opened: OpenedModel,
  files: DataFiles,
  asked: number | undefined,
): Promise<{ length: number; source: string } | undefined> {
  const fixed = opened.inputs.find((v) => v.name === 'input_ids')?.dims?.[1];
  if (typeof fixed === 'number') return { length: fixed, source: `The model takes exactly ${fixed} tokens.` };
  const most = (await configLength(files.config)) ?? opened.positions;
  if (asked !== undefined) {
    if (!Number.isInteger(asked) || asked < 2) {
      throw new DataError(`A context length of ${asked} is not possible: give a whole number of at least 2.`);
    }
    if (most !== undefined && asked > most) {
      throw new DataError(
        `A context length of ${asked} is longer than the ${most} positions that the model knows.`,
      );
    }
    return { length: asked, source: 'As you asked.' };
  }
  if (most === undefined) return undefined;
  const origin =
    files.config && (await configLength(files.config)) !== undefined
      ? 'config.json'
      : 'the position table in the graph';
  if (most > LONGEST_CHUNK) {
    return {
      length: LONGEST_CHUNK,
      source: `${origin} allows ${most} tokens; chunks of ${LONGEST_CHUNK} keep memory in bounds.`,
    };
  }
  return { length: most, source: `From ${origin}.` };
}

async function configLength(config: NamedBlob | undefined): Promise<number | undefined> {
  if (!config) return undefined;
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(await config.text());
  } catch {
    throw new DataError(
      `“${config.name}” is not valid JSON. Drop the config.json that was saved with the model.`,
    );
  }
  for (const key of ['n_positions', 'max_position_embeddings', 'n_ctx', 'max_seq_len']) {
    const value = json[key];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 2) return value;
  }
  return undefined;
}
