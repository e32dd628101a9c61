/** Images for classifiers and encoders of images. */
import { browserDecoder } from '../data/decode.ts';
import { createImageDataset } from '../data/images.ts';
import { DataType } from '../tensor/dtype.ts';
import { type DataFiles, type DataStage, fillInputs, missing, ready } from './data-common.ts';
import type { OpenedModel } from './opened.ts';

/** Whether pictures can be fed: a model of images whose pixels are floats. */
export function takesImages({ task, inputs }: OpenedModel): boolean {
  if (task !== 'image-classification' && task !== 'image-encoder') return false;
  const { elemType } = pixelsOf(inputs);
  return elemType === undefined || elemType === DataType.float || elemType === DataType.float16;
}

function pixelsOf(inputs: OpenedModel['inputs']) {
  return inputs.find((v) => v.name === 'pixel_values') ?? inputs[0];
}

export async function prepareImages(opened: OpenedModel, files: DataFiles): Promise<DataStage> {
  const input = pixelsOf(opened.inputs);
  const others = opened.inputs.length > 1;
  const filling = others ? await fillInputs(opened, files, ['image'], 'images') : undefined;
  if (filling && filling.needs.length > 0) return missing(...filling.needs);
  const names = new Set(opened.inputs.filter((v) => v !== input).map((v) => `${v.name}.npy`));
  const images = files.images.filter((f) => !names.has(f.name));
  if (images.length === 0) {
    return missing({
      what: 'data',
      sentence:
        'Drop images: picture files, a folder or .zip of them (one folder a class, or a .csv of labels), or .npy files, with labels where you have them, e.g. calibrate-images.npy and calibrate-labels.npy.',
    });
  }
  const width = opened.scoreOutput?.dims?.at(-1);
  const encodes = opened.task === 'image-encoder';
  const decoder = browserDecoder();
  const dataset = await createImageDataset(
    {
      images,
      labels: files.labels,
      ...(files.preprocessor && { preprocessor: files.preprocessor }),
      ...(files.config && { config: files.config }),
      ...(decoder && { decoder }),
    },
    {
      name: input.name,
      elemType: input.elemType ?? DataType.float,
      dims: input.dims ?? [null, null, null, null],
      ...(typeof width === 'number' && !encodes && { classes: width }),
    },
    {
      ...(filling && { feeds: filling.plan, extras: filling.extras }),
      ...(encodes && { vectors: typeof width === 'number' ? { width } : {} }),
    },
  );
  if (encodes) return ready(dataset, opened.task, ['cosine']);
  return ready(
    dataset,
    opened.task,
    dataset.labelled ? ['accuracy', 'kl', 'agreement'] : ['kl', 'agreement'],
  );
}
