/** Texts and images for models with a tower for each. */
import { wholeOf } from '../data/config.ts';
import { browserDecoder } from '../data/decode.ts';
import { createImageDataset } from '../data/images.ts';
import { withTexts } from '../data/text-and-images.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import { DataType, isFloatType } from '../tensor/dtype.ts';
import {
  arraysOf,
  contextLength,
  type DataFiles,
  type DataStage,
  filesBut,
  fillInputs,
  inputsOf,
  missing,
  ready,
} from './data-common.ts';
import type { OpenedModel } from './opened.ts';
import type { Need } from './types.ts';

/** Tokens that CLIP reads. */
const MOST_TOKENS = 77;

export async function prepareTextAndImages(opened: OpenedModel, files: DataFiles): Promise<DataStage> {
  const filling = await fillInputs(opened, files, ['tokens', 'image'], 'texts and images');
  const needs: Need[] = [...filling.needs];
  const tables = files.labels.filter((f) => /\.[ct]sv$/i.test(f.name));
  const pixels = opened.inputs.find((v) => v.name === 'pixel_values')!;
  const images = filesBut(
    files.images,
    inputsOf(opened).filter((i) => i.name !== pixels.name),
  );
  if (images.length === 0 || files.texts.length + tables.length === 0) {
    const texts = 'a .txt with a text a line, or a .csv of files and texts';
    needs.push({
      what: 'data',
      sentence:
        images.length > 0
          ? `${images.length === 1 ? 'One image is' : `${images.length} images are`} here. Drop the texts that go with them: ${texts}.`
          : files.texts.length + tables.length > 0
            ? 'Texts are here. Drop the images that go with them: picture files or .npy.'
            : `Drop images and texts: picture files or .npy, and ${texts}${arraysOf(files).length > 0 ? '' : '; or the arrays of all inputs by name'}.`,
    });
  }
  if (!files.tokenizer) {
    needs.push({ what: 'tokenizer', sentence: 'Drop the tokenizer.json that belongs to this model.' });
  }
  if (needs.length > 0 || !files.tokenizer) return missing(...needs);
  const decoder = browserDecoder();
  const pictures = await createImageDataset(
    {
      images,
      labels: [],
      ...(files.preprocessor && { preprocessor: files.preprocessor }),
      ...(decoder && { decoder }),
    },
    {
      name: pixels.name,
      elemType: pixels.elemType ?? DataType.float,
      dims: pixels.dims ?? [null, null, null, null],
    },
    { vectors: {} },
  );
  const { length: most } = (await contextLength(opened, files, undefined, MOST_TOKENS))!;
  const fixed = opened.inputs.find((v) => v.name === 'input_ids')?.dims?.[1];
  const full = typeof fixed === 'number' || /siglip/i.test(String(filling.config.model_type ?? ''));
  const floats = opened.model.graph.outputs.filter(
    (v) => v.elemType === undefined || isFloatType(v.elemType),
  );
  const embeds = floats.filter((v) => /embeds$/.test(v.name)).map((v) => v.name);
  const dataset = await withTexts(pictures, files.texts, tables, {
    codec: await loadTokenizer(files.tokenizer, opened.vocabulary),
    plan: filling.plan,
    most,
    ...(full && { length: most }),
    pad: wholeOf(filling.config, ['pad_token_id'], 0) ?? 0,
    outputs: embeds.length > 0 ? embeds : [opened.scoreOutput?.name ?? floats[0].name],
  });
  return ready(dataset, opened.task, ['cosine']);
}
