/**
 * Images with or without labels as a dataset: picture files, arrays (.npy), or both, preprocessed as the model's
 * preprocessor_config.json says.
 *
 * Picture files are taken in the order of their paths; where they have labels, one of each label in turn, so that
 * every split has all of them. Without any labels, models can only be compared with each other.
 */
import { DataType } from '../tensor/dtype.ts';
import { toHalf } from '../tensor/half.ts';
import type { Batch, Dataset } from './dataset.ts';
import type { ImageDecoder } from './decode.ts';
import { digestOf } from './digest.ts';
import { DataError } from './errors.ts';
import { type Extras, NO_EXTRAS } from './extras.ts';
import type { FeedPlan } from './feeds.ts';
import {
  isPicture,
  type NamedBlob,
  pathOf,
  SPLITS,
  type SplitName,
  splitOf,
  splitOfFolder,
} from './files.ts';
import { readArray } from './image-arrays.ts';
import { readPictures } from './image-files.ts';
import { type ImageInput, type ImageItem, type ImageShape, shapeOf } from './image-item.ts';
import { labelsOf } from './image-labels.ts';
import { pictureOf } from './picture.ts';
import { type Recipe, readPreprocessor } from './preprocessor.ts';
import { splitItems } from './split.ts';

export type { ImageInput } from './image-item.ts';

export interface ImageSources {
  /** Picture files and arrays. */
  readonly images: readonly NamedBlob[];
  /** Arrays (.npy) for arrays, tables (.csv, .tsv) for picture files. */
  readonly labels: readonly NamedBlob[];
  readonly preprocessor?: NamedBlob;
  /** For the names of classes. */
  readonly config?: NamedBlob;
  /** Of pictures that are not PNG. */
  readonly decoder?: ImageDecoder;
}

const IMAGES_PER_BATCH = 50;

/** What the model takes besides, and what it gives. */
export interface ImageModel {
  /** How all inputs are filled; where absent, there are only the images. */
  readonly feeds?: FeedPlan;
  readonly extras?: Extras;
  /** The outputs are vectors of this width, or of an unknown one, instead of classes. */
  readonly vectors?: { readonly width?: number };
}

/** Items with the split that their file or folder claims. */
interface Placed {
  readonly split: SplitName | undefined;
  readonly items: readonly ImageItem[];
}

/**
 * @throws DataError where an image, its label, or its size does not fit the model
 */
export async function createImageDataset(
  sources: ImageSources,
  input: ImageInput,
  model: ImageModel = {},
): Promise<Dataset> {
  const shape = shapeOf(input);
  const recipe = await readPreprocessor(sources.preprocessor);
  const arrays = await fromArrays(sources, input, shape, recipe);
  const pictures = await fromPictures(sources, input, shape, recipe);
  const named: Partial<Record<SplitName, ImageItem[]>> = {};
  const unnamed: ImageItem[] = [];
  for (const { split, items } of [...arrays, ...pictures.placed]) {
    if (split) named[split] = [...(named[split] ?? []), ...items];
    else unnamed.push(...items);
  }
  const all = [...unnamed, ...SPLITS.flatMap((s) => named[s] ?? [])];
  const labelled = !model.vectors && all.some((item) => item.label !== undefined);
  if (labelled && all.some((item) => item.label === undefined)) {
    throw new DataError(
      'Some of the images have labels and others have none. Drop labels for all of them, or leave the others out.',
    );
  }
  const { splits, rule } = splitItems(named, unnamed, 'images');
  const fixed = typeof input.dims[0] === 'number' ? input.dims[0] : undefined;
  const counts = {
    calibrate: splits.calibrate.length,
    select: splits.select.length,
    report: splits.report.length,
  };
  const extras = model.extras ?? NO_EXTRAS;
  extras.check(counts);
  const per = (most: number) => fixed ?? most;
  return {
    kind: 'images',
    unit: 'images',
    key: await keyOf(splits, input, recipe, labelled, model),
    rule,
    notes: [
      ...(sources.preprocessor ? [] : [plainNote(pictures.resizedTo)]),
      ...pictures.notes,
      ...(labelled || model.vectors
        ? []
        : [
            `There are no labels, so a merged model is compared with the original’s outputs. ${pictures.placed.length > 0 ? 'Put the images in one folder a class, or drop a .csv with a file and its label a line,' : 'Drop labels as .npy'} to measure accuracy.`,
          ]),
    ],
    labelled,
    itemsPerBatch: fixed ?? IMAGES_PER_BATCH,
    size: (split) => ({ items: splits[split].length, scored: splits[split].length }),
    batches: (split, most) => Math.ceil(splits[split].length / per(most)),
    batch(split, index, most) {
      const from = index * per(most);
      const chosen = splits[split].slice(from, from + per(most));
      // A fixed batch is filled up with its last image, which then is not counted.
      const items = fixed ?? chosen.length;
      const rows = Array.from({ length: items }, (_, k) => Math.min(k, chosen.length - 1));
      const filled = rows.map((k) => chosen[k]);
      const { feeds, targets } = makeBatch(filled, input, shape, recipe, labelled, model);
      const real = Uint8Array.from(rows, (_, k) => (k < chosen.length ? 1 : 0));
      const at = { split, rows: rows.map((k) => from + k) };
      return {
        feeds: {
          ...(model.feeds?.make({ items, made: feeds }) ?? feeds),
          ...extras.feeds(items, counts, at),
        },
        items,
        targets: items === chosen.length ? targets : { ...targets, real },
        ...(items !== chosen.length && { padding: { items: real } }),
      };
    },
    picture(split, index) {
      const item = splits[split][index];
      if (!item) throw new RangeError(`The split ${split} has no image ${index}.`);
      return { ...pictureOf(item.pixels()), ...(item.label !== undefined && { label: item.label }) };
    },
  };
}

function plainNote(resizedTo: string | undefined): string {
  const resizing = resizedTo ? `images are resized to ${resizedTo} (bilinear), ` : '';
  return `No preprocessor_config.json: ${resizing}pixels of 0–255 are scaled to 0–1 and not normalised.`;
}

async function fromArrays(
  { images, labels }: ImageSources,
  input: ImageInput,
  shape: ImageShape,
  recipe: Recipe,
): Promise<Placed[]> {
  const files = images.filter((f) => !isPicture(f));
  const tables = labels.filter(isTable);
  if (files.length === images.length && files.length > 0 && tables.length > 0) {
    throw new DataError(
      `“${tables[0].name}” names picture files, but the images are in “${files[0].name}”. Drop their labels as .npy, in the order of the images.`,
    );
  }
  const marks = labels.filter((f) => !isTable(f));
  const placed: Placed[] = [];
  for (const file of files) {
    const items = await readArray(file, marks, files.length, shape, recipe, input.classes);
    placed.push({ split: splitOf(file.name), items });
  }
  return placed;
}

const isTable = (file: NamedBlob) => /\.[ct]sv$/i.test(file.name);

async function fromPictures(
  { images, labels, preprocessor, config, decoder }: ImageSources,
  input: ImageInput,
  shape: ImageShape,
  recipe: Recipe,
): Promise<{ placed: Placed[]; notes: readonly string[]; resizedTo?: string }> {
  const files = images.filter(isPicture).sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1));
  if (files.length === 0) return { placed: [], notes: [] };
  const marks = labels.filter((f) => !isTable(f));
  if (marks.length > 0 && files.length === images.length) {
    throw new DataError(
      `“${marks[0].name}” has labels without names, but the images are picture files. Give their labels as a .csv with a file and its label a line, or by folders.`,
    );
  }
  const { height, width } = shape;
  const toModel = !preprocessor && height !== undefined && width !== undefined;
  const used: Recipe = toModel ? { ...recipe, size: { kind: 'exact', height, width } } : recipe;
  const told = await labelsOf(files, labels.filter(isTable), config, input.classes);
  const items = await readPictures(files, shape, used, preprocessor !== undefined, decoder);
  const bySplit = new Map<SplitName | undefined, ImageItem[]>();
  items.forEach((item, k) => {
    const folders = pathOf(files[k]).split('/').slice(0, -1);
    const split = folders.map(splitOfFolder).find((s) => s !== undefined);
    const label = told.values?.[k];
    const whole = label === undefined ? item : { ...item, label };
    bySplit.set(split, [...(bySplit.get(split) ?? []), whole]);
  });
  return {
    placed: [...bySplit].map(([split, of]) => ({ split, items: inTurn(of) })),
    notes: told.notes,
    ...(toModel && { resizedTo: `${width}×${height}` }),
  };
}

/** One of each label in turn, each label's in order. */
function inTurn(items: readonly ImageItem[]): ImageItem[] {
  const seen = new Map<number | undefined, number>();
  const turns = items.map((item) => {
    const turn = seen.get(item.label) ?? 0;
    seen.set(item.label, turn + 1);
    return { item, turn };
  });
  if (seen.size < 2) return [...items];
  return turns
    .sort((a, b) => a.turn - b.turn || (a.item.label ?? 0) - (b.item.label ?? 0))
    .map(({ item }) => item);
}

function keyOf(
  splits: Readonly<Record<SplitName, readonly ImageItem[]>>,
  input: ImageInput,
  recipe: Recipe,
  labelled: boolean,
  { feeds, extras }: ImageModel,
): Promise<string> {
  const items = SPLITS.flatMap((s) => splits[s]);
  const labels = Int32Array.from(items, (item) => item.label ?? -1);
  return digestOf([...items.map((item) => item.source), labels, ...(extras?.parts ?? [])], {
    kind: 'images',
    input: input.name,
    dims: input.dims.slice(1),
    recipe,
    labelled,
    ...(extras && { extras: extras.settings, filled: feeds?.filled }),
    splits: SPLITS.map((s) => splits[s].length),
    // One entry a file would do, but items do not know their file: runs of equal layouts.
    layouts: runsOf(items.map((i) => `${i.layout},${i.source.byteLength}`)),
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

function makeBatch(
  items: readonly ImageItem[],
  input: ImageInput,
  shape: ImageShape,
  { rescale, mean, std }: Recipe,
  labelled: boolean,
  { vectors }: ImageModel,
): Batch {
  const { channels, height, width } = items[0].pixels();
  const plane = height * width;
  const data = new Float32Array(items.length * channels * plane);
  items.forEach((item, n) => {
    const image = item.pixels();
    for (let c = 0; c < channels; c++) {
      const m = mean[c % mean.length];
      const s = std[c % std.length];
      const base = n * channels * plane + (shape.channelsLast ? c : c * plane);
      const step = shape.channelsLast ? channels : 1;
      for (let p = 0; p < plane; p++) {
        const value = Number(image.pixels[image.channelsLast ? p * channels + c : c * plane + p]);
        data[base + p * step] = image.bytes ? (value * rescale - m) / s : value;
      }
    }
  });
  const dims = shape.channelsLast
    ? [items.length, height, width, channels]
    : [items.length, channels, height, width];
  return {
    feeds: {
      [input.name]:
        input.elemType === DataType.float16
          ? { type: 'float16', dims, data: Uint16Array.from(data, toHalf) }
          : { type: 'float32', dims, data },
    },
    items: items.length,
    targets: labelled
      ? { kind: 'class', labels: Int32Array.from(items, (i) => i.label!) }
      : { kind: 'none', items: items.length, ...(vectors?.width !== undefined && { width: vectors.width }) },
  };
}
