/** What “Open” was given, read: the model, and the data that came with it. Nothing of an open model changes here. */
import { DataError } from '../data/errors.ts';
import { type NamedBlob, type SortedFiles, sortFiles } from '../data/files.ts';
import { foreignCheckpoint } from './checkpoint.ts';
import { addFiles, type DataFiles, type DataStage, NO_FILES, prepareData } from './data-stage.ts';
import { dropNotes, modelDrop } from './model-drop.ts';
import { type OpenedModel, openModels } from './opened.ts';
import type { Job } from './progress.ts';

export interface ReadDrop {
  readonly opened: OpenedModel;
  readonly files: DataFiles;
  readonly stage: DataStage;
  /** Sentences. */
  readonly notes: readonly string[];
  /** Without a checkpoint of another model. */
  readonly sorted: SortedFiles;
}

/** @throws DataError where no model is in it; OnnxError where it cannot be read; AbortError */
export async function readDrop(dropped: readonly NamedBlob[], job: Job): Promise<ReadDrop> {
  const { all, sorted, variants } = await modelDrop(dropped);
  job.announce(`Reading ${variants.models.map((m) => m.name).join(', ')}`);
  const opened = await openModels(variants.models, all);
  await job.check();
  const files = addFiles(NO_FILES, sorted);
  const notes = dropNotes(opened, sorted, variants);
  const foreign = await foreignCheckpoint(opened, sorted.checkpoints);
  if (foreign !== undefined) notes.push(foreign);
  const own = foreign === undefined ? sorted : { ...sorted, checkpoints: [] };
  return { opened, files, stage: await dataOf(opened, files), notes, sorted: own };
}

/** The model itself is fine where its data is not: it is kept, and what is wrong is said. */
async function dataOf(opened: OpenedModel, files: DataFiles): Promise<DataStage> {
  try {
    return await prepareData(opened, files);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { data: null, needs: [{ what: 'data', sentence: error.message }], dataset: null };
  }
}

/** What is added to an open model. @throws DataError for a model, for files that are no data, for another's checkpoint */
export async function readAddition(opened: OpenedModel, dropped: readonly NamedBlob[]): Promise<SortedFiles> {
  const sorted = sortFiles(dropped);
  const [model] = sorted.models;
  if (model) throw new DataError(`“${model.name}” is a model, not calibration data. Drop it under “Open”.`);
  const useful = dropped.length - sorted.unused.length - sorted.externals.size;
  if (useful === 0) {
    throw new DataError(
      `“${dropped[0]?.name ?? 'nothing'}” cannot be used as data. Text with a tokenizer.json, pairs of texts, images, sound (.wav) or arrays (.npy), with their labels beside them, can.`,
    );
  }
  const foreign = await foreignCheckpoint(opened, sorted.checkpoints);
  if (foreign !== undefined) throw new DataError(foreign);
  return sorted;
}
