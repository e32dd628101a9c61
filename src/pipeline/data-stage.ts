/**
 * From dropped files to a dataset for the open model, or to the sentences that ask for what is missing.
 */
import { unpack } from '../data/archive.ts';
import type { Dataset } from '../data/dataset.ts';
import { browserDecoder } from '../data/decode.ts';
import { DataError } from '../data/errors.ts';
import type { NamedBlob, SortedFiles } from '../data/files.ts';
import { SPLITS, sortFiles } from '../data/files.ts';
import { createImageDataset } from '../data/images.ts';
import { createTensorDataset, fileNameOf, missingInputs } from '../data/tensors.ts';
import { createTextDataset, TEXT_INPUTS } from '../data/text.ts';
import { DataType } from '../tensor/dtype.ts';
import type { OpenedModel } from './opened.ts';
import type { DataState, DataSummary, Metric, Need, SplitSummary } from './types.ts';

/** Files that belong to the open model, gathered over several drops. */
export interface DataFiles {
  readonly config?: NamedBlob;
  readonly tokenizer?: NamedBlob;
  readonly preprocessor?: NamedBlob;
  readonly texts: readonly NamedBlob[];
  readonly images: readonly NamedBlob[];
  readonly labels: readonly NamedBlob[];
  readonly archives: readonly NamedBlob[];
}

export const NO_FILES: DataFiles = { texts: [], images: [], labels: [], archives: [] };

/**
 * Adds a drop: single files replace, data files of the same kind replace all of that kind. An archive may hold any
 * kind, so that a drop with one replaces the data that was there, as does a drop of data the archives.
 */
export function addFiles(have: DataFiles, more: SortedFiles): DataFiles {
  const { config, tokenizer, preprocessor } = { ...have, ...more };
  const { texts, images, labels, archives } = more;
  const fresh = archives.length > 0;
  const kept = (mine: readonly NamedBlob[]) => (fresh ? [] : mine);
  return {
    ...(config && { config }),
    ...(tokenizer && { tokenizer }),
    ...(preprocessor && { preprocessor }),
    texts: texts.length > 0 ? texts : kept(have.texts),
    images: images.length > 0 ? images : kept(have.images),
    labels: labels.length > 0 ? labels : kept(have.labels),
    archives: fresh ? archives : texts.length + images.length > 0 ? [] : have.archives,
  };
}

/** The files with what their archives hold beside them; files outside of archives go first. */
async function withUnpacked(files: DataFiles): Promise<{ files: DataFiles; unused: readonly string[] }> {
  if (files.archives.length === 0) return { files, unused: [] };
  const { files: inside, unused } = await unpack(files.archives);
  const more = sortFiles(inside);
  const { config, tokenizer, preprocessor } = { ...more, ...files };
  return {
    files: {
      ...(config && { config }),
      ...(tokenizer && { tokenizer }),
      ...(preprocessor && { preprocessor }),
      texts: [...files.texts, ...more.texts],
      images: [...files.images, ...more.images],
      labels: [...files.labels, ...more.labels],
      archives: [],
    },
    unused,
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
  dropped: DataFiles,
  askedLength?: number,
): Promise<DataStage> {
  const { files, unused } = await withUnpacked(dropped);
  const stage = await prepareUnpacked(opened, files, askedLength);
  if (!stage.data || unused.length === 0) return stage;
  const shown = unused.slice(0, 3).join(', ');
  const note = `Not used: ${shown}${unused.length > 3 ? ` and ${unused.length - 3} more` : ''}.`;
  return { ...stage, data: { ...stage.data, notes: [...stage.data.notes, note] } };
}

async function prepareUnpacked(
  opened: OpenedModel,
  files: DataFiles,
  askedLength: number | undefined,
): Promise<DataStage> {
  if (opened.task === 'image-classification' && takesImages(opened)) return prepareImages(opened, files);
  const arrays = [...files.images, ...files.labels].filter((f) => /\.npy$/i.test(f.name));
  const missingArrays = missingInputs(arrays, opened.inputs);
  const given = opened.inputs.length - missingArrays.length;
  const text = opened.task === 'causal-lm';
  if (text ? missingArrays.length === 0 : given > 0) {
    const inputs = opened.inputs.map((v) => ({
      name: v.name,
      elemType: v.elemType ?? DataType.float,
      ...(v.dims && { dims: v.dims }),
    }));
    return ready(await createTensorDataset(arrays, inputs, opened.scoreOutput?.dims));
  }
  return text ? prepareText(opened, files, askedLength) : missing(tensorsNeed(opened));
}

function takesImages({ inputs: [{ elemType }] }: OpenedModel): boolean {
  return elemType === undefined || elemType === DataType.float || elemType === DataType.float16;
}

function tensorsNeed(opened: OpenedModel): Need {
  const { inputs } = opened.summary;
  const listed = inputs.map((i) => `${i.name} (${i.dtype}, ${i.shape})`).join(', ');
  const names = inputs.map((i) => `${fileNameOf(i.name)}.npy`);
  const files = names.length > 3 ? `${names.slice(0, 3).join(', ')}, …` : names.join(', ');
  return {
    what: 'data',
    sentence: `This model's inputs are not understood: ${listed}. To measure it, give them as arrays by name (${files}), or in one .npz; its FFNs can be looked at without.`,
  };
}

async function prepareImages(opened: OpenedModel, files: DataFiles): Promise<DataStage> {
  if (files.images.length === 0) {
    return missing({
      what: 'data',
      sentence:
        'Drop images: picture files, a folder or .zip of them (one folder a class, or a .csv of labels), or .npy files, with labels where you have them, e.g. calibrate-images.npy and calibrate-labels.npy.',
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
      elemType: input.elemType ?? DataType.float,
      dims: input.dims ?? [null, null, null, null],
      ...(typeof classes === 'number' && { classes }),
    },
  );
  return ready(dataset);
}

async function prepareText(
  opened: OpenedModel,
  files: DataFiles,
  askedLength: number | undefined,
): Promise<DataStage> {
  const foreign = opened.inputs.filter((v) => !TEXT_INPUTS.includes(v.name));
  if (foreign.length > 0) {
    const listed = foreign
      .map((v) => v.name)
      .slice(0, 4)
      .join(', ');
    return missing({
      what: 'model',
      sentence: `Besides text, this model asks for ${foreign.length} input${foreign.length > 1 ? 's' : ''} that cannot be filled yet: ${listed}${foreign.length > 4 ? ', …' : ''}. Export it without a cache, or give all of its inputs as arrays by name (${fileNameOf(opened.inputs[0].name)}.npy, …), or in one .npz.`,
    });
  }
  const needs: Need[] = [];
  if (!files.tokenizer)
    needs.push({ what: 'tokenizer', sentence: 'Drop the tokenizer.json that belongs to this model.' });
  if (files.texts.length === 0) {
    needs.push({
      what: 'data',
      sentence:
        'Drop text to calibrate on: .txt or .jsonl files, or calibrate.txt, select.txt and report.txt.',
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
    // The page's types (types.ts) do not name tensors and samples yet.
    kind: dataset.kind as DataSummary['kind'],
    splits: SPLITS.map((name) => ({
      name,
      unit: dataset.unit as SplitSummary['unit'],
      ...dataset.size(name),
    })),
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
