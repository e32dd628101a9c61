/**
 * From dropped files to a dataset for the open model, or to the sentences that ask for what is missing.
 *
 * What the model is for (task.ts) decides what is looked for; arrays by the names of all inputs feed any model.
 */
import { unpack } from '../data/archive.ts';
import { readConfig } from '../data/config.ts';
import type { Dataset } from '../data/dataset.ts';
import { planFeeds } from '../data/feeds.ts';
import type { NamedBlob, SortedFiles } from '../data/files.ts';
import { sortFiles } from '../data/files.ts';
import { createTensorDataset, fileNameOf, missingInputs } from '../data/tensors.ts';
import { prepareAudio } from './data-audio.ts';
import { prepareTextAndImages } from './data-clip.ts';
import { arraysOf, type DataFiles, type DataStage, inputsOf, missing, ready } from './data-common.ts';
import { prepareImages, takesImages } from './data-images.ts';
import { preparePairs, prepareText } from './data-text.ts';
import type { OpenedModel } from './opened.ts';
import type { Need } from './types.ts';

export type { DataFiles, DataStage } from './data-common.ts';

export const NO_FILES: DataFiles = { texts: [], images: [], labels: [], audios: [], archives: [] };

/**
 * Adds a drop: single files replace, data files of the same kind replace all of that kind. An archive may hold any
 * kind, so that a drop with one replaces the data that was there, as does a drop of data the archives.
 */
export function addFiles(have: DataFiles, more: SortedFiles): DataFiles {
  const { texts, images, labels, audios, archives } = more;
  const fresh = archives.length > 0;
  const kept = (mine: readonly NamedBlob[]) => (fresh ? [] : mine);
  return {
    ...singles({ ...have, ...more }),
    texts: texts.length > 0 ? texts : kept(have.texts),
    images: images.length > 0 ? images : kept(have.images),
    labels: labels.length > 0 ? labels : kept(have.labels),
    audios: audios.length > 0 ? audios : kept(have.audios),
    archives: fresh ? archives : texts.length + images.length + audios.length > 0 ? [] : have.archives,
  };
}

type Singles = Pick<DataFiles, 'config' | 'tokenizer' | 'preprocessor' | 'generation'>;

function singles({ config, tokenizer, preprocessor, generation }: Singles): Singles {
  return {
    ...(config && { config }),
    ...(tokenizer && { tokenizer }),
    ...(preprocessor && { preprocessor }),
    ...(generation && { generation }),
  };
}

/** The files with what their archives hold beside them; files outside of archives go first. */
async function withUnpacked(files: DataFiles): Promise<{ files: DataFiles; unused: readonly string[] }> {
  if (files.archives.length === 0) return { files, unused: [] };
  const { files: inside, unused } = await unpack(files.archives);
  const more = sortFiles(inside);
  return {
    files: {
      ...singles({ ...more, ...files }),
      texts: [...files.texts, ...more.texts],
      images: [...files.images, ...more.images],
      labels: [...files.labels, ...more.labels],
      audios: [...files.audios, ...more.audios],
      archives: [],
    },
    unused,
  };
}

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
  if (opened.missing !== undefined) return missing({ what: 'model', sentence: opened.missing });
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
  if (takesImages(opened)) return prepareImages(opened, files);
  const absent = missingInputs(arraysOf(files), opened.inputs);
  if (absent.length === 0) return prepareTensors(opened, files);
  switch (opened.task) {
    case 'causal-lm':
    case 'masked-lm':
    case 'text-encoder':
    case 'text-classification':
      return prepareText(opened, files, askedLength);
    case 'seq2seq-text':
      return preparePairs(opened, files, askedLength);
    case 'seq2seq-audio':
    case 'audio-ctc':
    case 'audio-encoder':
      return prepareAudio(opened, files);
    case 'text-and-image':
      return prepareTextAndImages(opened, files);
    default:
      return absent.length < opened.inputs.length
        ? prepareTensors(opened, files)
        : missing(tensorsNeed(opened));
  }
}

/** Arrays by input name; what needs no data (empty caches, switches) is filled where no array is given. */
async function prepareTensors(opened: OpenedModel, files: DataFiles): Promise<DataStage> {
  const inputs = inputsOf(opened);
  const arrays = arraysOf(files);
  const absent = missingInputs(arrays, inputs);
  const plan = planFeeds(absent, [], await readConfig(files.config));
  const given = inputs.filter((input) => !plan.filled.includes(input.name));
  const dataset = await createTensorDataset(arrays, given, opened.scoreOutput?.dims);
  const vectors = ['text-encoder', 'image-encoder', 'audio-encoder', 'text-and-image'].includes(opened.task);
  return ready(
    plan.filled.length === 0 ? dataset : alsoFed(dataset, (items) => plan.make({ items })),
    opened.task,
    vectors ? ['cosine'] : ['kl', 'agreement'],
  );
}

/** The same data with more inputs. */
function alsoFed(dataset: Dataset, more: (items: number) => ReturnType<Dataset['batch']>['feeds']): Dataset {
  return {
    ...dataset,
    batch(split, index, most) {
      const batch = dataset.batch(split, index, most);
      return { ...batch, feeds: { ...more(batch.items), ...batch.feeds } };
    },
  };
}

function tensorsNeed(opened: OpenedModel): Need {
  const { inputs } = opened.summary;
  const states = inputs.find((i) => i.name === 'encoder_hidden_states');
  if (states) {
    return {
      what: 'model',
      sentence: `This is a decoder alone, which asks for what its encoder makes: ${states.name} (${states.dtype}, ${states.shape}). Drop encoder_model.onnx together with it.`,
    };
  }
  const listed = inputs.map((i) => `${i.name} (${i.dtype}, ${i.shape})`).join(', ');
  const names = inputs.map((i) => `${fileNameOf(i.name)}.npy`);
  const files = names.length > 3 ? `${names.slice(0, 3).join(', ')}, …` : names.join(', ');
  return {
    what: 'data',
    sentence: `This model's inputs are not understood: ${listed}. To measure it, give them as arrays by name (${files}), or in one .npz; its FFNs can be looked at without.`,
  };
}
