/**
 * Images and labels from .npy files, with the preprocessor's rescaling and normalisation.
 *
 * Images are uint8 [N, H, W], [N, H, W, C] or [N, C, H, W], or floats already normalised in the model's own shape.
 *
 * Known limits: no resizing yet; images must have the size that the model takes.
 */
import { DataType } from '../tensor/dtype.ts';
import type { Batch, Dataset } from './dataset.ts';
import { DataError } from './errors.ts';
import { type NamedBlob, type SplitName, splitOf } from './files.ts';
import { type NpyArray, parseNpy } from './npy.ts';
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

/** One image: a view of its pixels, and how to read them. */
interface Item {
  readonly pixels: ArrayLike<number | bigint>;
  readonly bytes: boolean;
  readonly channelsLast: boolean;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly label: number;
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
  const named: Partial<Record<SplitName, Item[]>> = {};
  const unnamed: Item[] = [];
  for (const file of images) {
    const items = await readItems(file, labelsFor(file, labels, images.length), input);
    const split = splitOf(file.name);
    if (split) named[split] = [...(named[split] ?? []), ...items];
    else unnamed.push(...items);
  }
  const { splits, rule } = splitItems(named, unnamed, 'images');
  const fixed = typeof input.dims[0] === 'number' ? input.dims[0] : undefined;
  return {
    kind: 'images',
    unit: 'images',
    key: `images:${images.map((f) => `${f.name}/${f.size}`).join(',')}`,
    rule,
    notes: preprocessorFile
      ? []
      : ['No preprocessor_config.json: pixels of 0–255 are scaled to 0–1 and not normalised.'],
    itemsPerBatch: fixed ?? IMAGES_PER_BATCH,
    size: (split) => ({ items: splits[split].length, scored: splits[split].length }),
    batches: (split, most) => Math.ceil(splits[split].length / most),
    batch: (split, index, most) =>
      makeBatch(splits[split].slice(index * most, (index + 1) * most), input, preprocessor),
  };
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

async function readItems(file: NamedBlob, labelFile: NamedBlob, input: ImageInput): Promise<Item[]> {
  const array = parseNpy(new Uint8Array(await file.arrayBuffer()), file.name);
  const labels = parseNpy(new Uint8Array(await labelFile.arrayBuffer()), labelFile.name);
  const layout = layoutOf(array, file.name, input);
  const count = array.shape[0];
  if (labels.data.length !== count) {
    throw new DataError(
      `“${labelFile.name}” has ${labels.data.length} labels for ${count} images of “${file.name}”.`,
    );
  }
  const size = layout.channels * layout.height * layout.width;
  return Array.from({ length: count }, (_, k) => {
    const label = Number(labels.data[k]);
    if (!Number.isInteger(label) || label < 0 || (input.classes !== undefined && label >= input.classes)) {
      throw new DataError(
        `“${labelFile.name}” has the label ${label} at position ${k}; the model has ${input.classes ?? 'no'} classes, from 0.`,
      );
    }
    return { ...layout, pixels: array.data.subarray(k * size, (k + 1) * size) as ArrayLike<number>, label };
  });
}

function layoutOf(array: NpyArray, name: string, input: ImageInput): Omit<Item, 'pixels' | 'label'> {
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

function makeBatch(items: readonly Item[], input: ImageInput, { rescale, mean, std }: Preprocessor): Batch {
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
    targets: { kind: 'class', labels: Int32Array.from(items, (i) => i.label) },
  };
}
