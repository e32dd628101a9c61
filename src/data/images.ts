/**
 * Images and labels from .npy files, with the preprocessor's rescaling and normalisation.
 *
 * Images are uint8 [N, H, W], [N, H, W, C] or [N, C, H, W], or floats already normalised in the model's own shape.
 * Labels are optional: without any, models can only be compared with each other.
 *
 * Known limits: no resizing yet; images must have the size that the model takes.
 */
import { DataType } from '../tensor/dtype.ts';
import type { Batch, Dataset } from './dataset.ts';
import { digestOf } from './digest.ts';
import { DataError } from './errors.ts';
import { type NamedBlob, SPLITS, type SplitName, splitOf } from './files.ts';
import { type NpyArray, parseNpy } from './npy.ts';
import { type Pixels, pictureOf } from './picture.ts';
import { splitItems } from './split.ts';

export interface ImageInput {
  readonly name: string;
  readonly elemType: number;
  /** [batch, channels, height, width]; null or a name where not fixed. */
  readonly dims: readonly (number | string | null)[];
  readonly classes?: number;
}

interface Preprocessor {
  readonly rescale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** One image, with its label where it has one. */
interface Item extends Pixels {
  readonly label?: number;
}

const IMAGES_PER_BATCH = 50;

/**
 * @throws DataError where an array, its labels, or its size do not fit the model
 */
export async function createImageDataset(
  images: readonly NamedBlob[],
  labels: readonly NamedBlob[],
  preprocessorFile: NamedBlob | undefined,
  input: ImageInput,
): Promise<Dataset> {
  if (input.elemType !== DataType.float) {
    throw new DataError(`The input “${input.name}” is not f32; images cannot be fed to it yet.`);
  }
  const preprocessor = await readPreprocessor(preprocessorFile);
  const labelled = labels.length > 0;
  const named: Partial<Record<SplitName, Item[]>> = {};
  const unnamed: Item[] = [];
  for (const file of images) {
    const labelFile = labelled ? labelsFor(file, labels, images.length) : undefined;
    const items = await readItems(file, labelFile, input);
    const split = splitOf(file.name);
    if (split) named[split] = [...(named[split] ?? []), ...items];
    else unnamed.push(...items);
  }
  const { splits, rule } = splitItems(named, unnamed, 'images');
  const fixed = typeof input.dims[0] === 'number' ? input.dims[0] : undefined;
  return {
    kind: 'images',
    unit: 'images',
    key: await keyOf(splits, input, preprocessor, labelled),
    rule,
    notes: [
      ...(preprocessorFile
        ? []
        : ['No preprocessor_config.json: pixels of 0–255 are scaled to 0–1 and not normalised.']),
      ...(labelled
        ? []
        : [
            'There are no labels, so a merged model is compared with the original’s outputs. Drop labels as .npy to measure accuracy.',
          ]),
    ],
    labelled,
    itemsPerBatch: fixed ?? IMAGES_PER_BATCH,
    size: (split) => ({ items: splits[split].length, scored: splits[split].length }),
    batches: (split, most) => Math.ceil(splits[split].length / most),
    batch: (split, index, most) =>
      makeBatch(splits[split].slice(index * most, (index + 1) * most), input, preprocessor, labelled),
    picture(split, index) {
      const item = splits[split][index];
      if (!item) throw new RangeError(`The split ${split} has no image ${index}.`);
      return { ...pictureOf(item), ...(item.label !== undefined && { label: item.label }) };
    },
  };
}

function keyOf(
  splits: Readonly<Record<SplitName, readonly Item[]>>,
  input: ImageInput,
  preprocessor: Preprocessor,
  labelled: boolean,
): Promise<string> {
  const items = SPLITS.flatMap((s) => splits[s]);
  const labels = Int32Array.from(items, (item) => item.label ?? -1);
  return digestOf([...items.map((item) => item.pixels), labels], {
    kind: 'images',
    input: input.name,
    preprocessor,
    labelled,
    splits: SPLITS.map((s) => splits[s].length),
    // One entry a file would do, but items do not know their file: runs of equal layouts.
    layouts: runsOf(
      items.map((i) =>
        [i.channels, i.height, i.width, i.channelsLast, i.bytes, i.pixels.constructor.name].join(),
      ),
    ),
  });
}

/** Each run of equal values as the value and its length. */
function runsOf(values: readonly string[]): [string, number][] {
  const runs: [string, number][] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last?.[0] === value) last[1]++;
    else runs.push([value, 1]);
  }
  return runs;
}

async function readPreprocessor(file: NamedBlob | undefined): Promise<Preprocessor> {
  if (!file) return { rescale: 1 / 255, mean: [0], std: [1] };
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(await file.text());
  } catch {
    throw new DataError(
      `“${file.name}” is not valid JSON. Drop the preprocessor_config.json that was saved with the model.`,
    );
  }
  const normalise = json.do_normalize !== false;
  const list = (value: unknown, otherwise: number) =>
    normalise && Array.isArray(value) && value.every((v) => Number.isFinite(v))
      ? (value as number[])
      : [otherwise];
  const rescale =
    json.do_rescale === false ? 1 : typeof json.rescale_factor === 'number' ? json.rescale_factor : 1 / 255;
  return { rescale, mean: list(json.image_mean, 0), std: list(json.image_std, 1) };
}

/** The label file of an image file: the same name with “labels” for “images”, or the only one there is. */
function labelsFor(file: NamedBlob, labels: readonly NamedBlob[], imageFiles: number): NamedBlob {
  const wanted = file.name.replace(/images?/i, 'labels');
  const match =
    labels.find((l) => l.name === wanted) ??
    (imageFiles === 1 && labels.length === 1 ? labels[0] : undefined);
  if (!match)
    throw new DataError(
      `There are no labels for “${file.name}”. Drop “${wanted}” (one whole number an image) with it.`,
    );
  return match;
}

async function readItems(
  file: NamedBlob,
  labelFile: NamedBlob | undefined,
  input: ImageInput,
): Promise<Item[]> {
  const array = parseNpy(new Uint8Array(await file.arrayBuffer()), file.name);
  const layout = layoutOf(array, file.name, input);
  const [count] = array.shape;
  const labels = labelFile && (await readLabels(labelFile, file.name, count, input.classes));
  const size = layout.channels * layout.height * layout.width;
  const brightest = layout.bytes ? (array.data as Uint8Array).reduce((m, v) => Math.max(m, v), 0) : undefined;
  return Array.from({ length: count }, (_, k) => ({
    ...layout,
    pixels: array.data.subarray(k * size, (k + 1) * size),
    ...(brightest !== undefined && { brightest }),
    ...(labels && { label: labels[k] }),
  }));
}

async function readLabels(
  file: NamedBlob,
  imageFile: string,
  count: number,
  classes: number | undefined,
): Promise<readonly number[]> {
  const { data } = parseNpy(new Uint8Array(await file.arrayBuffer()), file.name);
  if (data.length !== count) {
    throw new DataError(`“${file.name}” has ${data.length} labels for ${count} images of “${imageFile}”.`);
  }
  return Array.from(data as ArrayLike<number | bigint>, (value, k) => {
    const label = Number(value);
    if (!Number.isInteger(label) || label < 0 || (classes !== undefined && label >= classes)) {
      throw new DataError(
        `“${file.name}” has the label ${label} at position ${k}; the model has ${classes ?? 'no'} classes, from 0.`,
      );
    }
    return label;
  });
}

function layoutOf(array: NpyArray, name: string, input: ImageInput): Omit<Pixels, 'pixels' | 'brightest'> {
  const [, channels, height, width] = input.dims.map((d) => (typeof d === 'number' ? d : undefined));
  const { shape } = array;
  const fits = (c: number, h: number, w: number) =>
    (channels === undefined || channels === c) &&
    (height === undefined || height === h) &&
    (width === undefined || width === w);
  const bytes = array.dtype === '|u1';
  const candidates =
    shape.length === 3
      ? [{ channels: 1, height: shape[1], width: shape[2], channelsLast: false }]
      : shape.length === 4
        ? [
            { channels: shape[1], height: shape[2], width: shape[3], channelsLast: false },
            { channels: shape[3], height: shape[1], width: shape[2], channelsLast: true },
          ]
        : [];
  const found = candidates.find((c) => fits(c.channels, c.height, c.width));
  if (!found) {
    throw new DataError(
      `“${name}” has shape (${shape.join(', ')}), but the model takes images of ${input.dims
        .slice(1)
        .map((d) => d ?? '?')
        .join('×')}. Resize them first.`,
    );
  }
  return { ...found, bytes };
}

function makeBatch(
  items: readonly Item[],
  input: ImageInput,
  { rescale, mean, std }: Preprocessor,
  labelled: boolean,
): Batch {
  const { channels, height, width } = items[0];
  const plane = height * width;
  const data = new Float32Array(items.length * channels * plane);
  items.forEach((item, n) => {
    for (let c = 0; c < channels; c++) {
      const m = mean[c % mean.length];
      const s = std[c % std.length];
      const base = (n * channels + c) * plane;
      for (let p = 0; p < plane; p++) {
        const value = Number(item.pixels[item.channelsLast ? p * channels + c : c * plane + p]);
        data[base + p] = item.bytes ? (value * rescale - m) / s : value;
      }
    }
  });
  return {
    feeds: { [input.name]: { type: 'float32', dims: [items.length, channels, height, width], data } },
    items: items.length,
    targets: labelled
      ? { kind: 'class', labels: Int32Array.from(items, (i) => i.label!) }
      : { kind: 'none', items: items.length },
  };
}
