/**
 * What a model's preprocessor does to an image, from preprocessor_config.json: resize, crop, rescale, normalise.
 *
 * Source: the image processors of Hugging Face's transformers, in their order: convert to RGB, resize, centre crop,
 * rescale, normalise. `size` is {height, width}, {shortest_edge, longest_edge?} or a number, which is the shortest
 * edge for the families of SHORTEST and a square for the others. A crop larger than the image is filled with 0, its
 * rest of an odd margin on top and on the left. `crop_pct` resizes to size ÷ crop_pct first, and crops back.
 *
 * Known limits: padding (`do_pad`) is left out; it is for batches of images of different sizes.
 */
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';
import { isResample, type Raster, Resample, resize } from './resize.ts';

type Size =
  | { readonly kind: 'exact'; readonly height: number; readonly width: number }
  | { readonly kind: 'shortest'; readonly edge: number; readonly longest?: number };

export interface Recipe {
  readonly size?: Size;
  readonly resample: number;
  readonly crop?: { readonly height: number; readonly width: number };
  readonly rescale: number;
  /** One value, or one a channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Without a file: pixels of 0–1; `size` is added where the model fixes it. */
export const PLAIN: Recipe = { resample: Resample.bilinear, rescale: 1 / 255, mean: [0], std: [1] };

/** Families whose `size`, given as one number, is that of the shortest edge. */
const SHORTEST =
  /clip|bit(image|feature)|convnext|levit|poolformer|mobilenet|mobilevit|flava|vivit|videomae/i;

type Json = Readonly<Record<string, unknown>>;

/** @throws DataError for a file that cannot be read, or asks for what is not known */
export async function readPreprocessor(file: NamedBlob | undefined): Promise<Recipe> {
  if (!file) return PLAIN;
  let json: Json;
  try {
    json = JSON.parse(await file.text());
  } catch {
    throw new DataError(
      `“${file.name}” is not valid JSON. Drop the preprocessor_config.json that was saved with the model.`,
    );
  }
  const wrong = (key: string) =>
    new DataError(
      `“${file.name}” has ${key} = ${JSON.stringify(json[key])}, which is not understood. Resize the images yourself and give them as .npy.`,
    );
  const { resample = Resample.bilinear } = json;
  if (typeof resample !== 'number' || !isResample(resample)) throw wrong('resample');
  const normalise = json.do_normalize !== false;
  const list = (value: unknown, otherwise: number) => {
    if (!normalise) return [otherwise];
    if (isPositive(value) || value === 0) return [value];
    return Array.isArray(value) && value.length > 0 && value.every((v) => Number.isFinite(v))
      ? (value as number[])
      : [otherwise];
  };
  return {
    ...sizes(json, wrong),
    resample,
    rescale:
      json.do_rescale === false ? 1 : typeof json.rescale_factor === 'number' ? json.rescale_factor : 1 / 255,
    mean: list(json.image_mean, 0),
    std: list(json.image_std, 1),
  };
}

function sizes(json: Json, wrong: (key: string) => DataError): Pick<Recipe, 'size' | 'crop'> {
  const family = String(json.image_processor_type ?? json.feature_extractor_type ?? '');
  const resizes = json.do_resize !== false && json.size !== undefined && json.size !== null;
  const size = resizes ? sizeOf(json.size, SHORTEST.test(family)) : undefined;
  if (resizes && !size) throw wrong('size');
  const percent = json.crop_pct;
  if (size && isPositive(percent) && percent <= 1) return cropped(size, percent, json, wrong);
  return { ...(size && { size }), ...cropOf(json, wrong) };
}

function cropOf(json: Json, wrong: (key: string) => DataError): Pick<Recipe, 'crop'> {
  if (json.do_center_crop !== true) return {};
  const key = json.crop_size === undefined || json.crop_size === null ? 'size' : 'crop_size';
  const crop = sizeOf(json[key], false);
  if (crop?.kind === 'exact') return { crop };
  // A crop of the shortest edge is a square of it.
  if (crop?.kind === 'shortest') return { crop: { height: crop.edge, width: crop.edge } };
  throw wrong(key);
}

/** ConvNeXt's rule where there is no crop of its own: squares from 384 on are not cropped at all. */
function cropped(
  size: Size,
  percent: number,
  json: Json,
  wrong: (key: string) => DataError,
): Pick<Recipe, 'size' | 'crop'> {
  const edge = size.kind === 'shortest' ? size.edge : Math.min(size.height, size.width);
  const larger: Size = { kind: 'shortest', edge: Math.trunc(edge / percent) };
  if (json.do_center_crop !== undefined) return { size: larger, ...cropOf(json, wrong) };
  if (edge >= 384) return { size: { kind: 'exact', height: edge, width: edge } };
  return { size: larger, crop: { height: edge, width: edge } };
}

function sizeOf(value: unknown, shortest: boolean): Size | undefined {
  if (isSize(value))
    return shortest ? { kind: 'shortest', edge: value } : { kind: 'exact', height: value, width: value };
  if (Array.isArray(value) && value.length === 2 && value.every(isSize))
    return { kind: 'exact', height: value[0], width: value[1] };
  if (typeof value !== 'object' || value === null) return undefined;
  const { height, width, shortest_edge: edge, longest_edge: longest } = value as Json;
  if (isSize(height) && isSize(width)) return { kind: 'exact', height, width };
  if (isSize(edge)) return { kind: 'shortest', edge, ...(isSize(longest) && { longest }) };
  return undefined;
}

function isSize(value: unknown): value is number {
  return isPositive(value) && Number.isInteger(value);
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

/** The size of an image after resizing. */
function resizedTo(recipe: Recipe, width: number, height: number): { width: number; height: number } {
  const { size } = recipe;
  if (!size) return { width, height };
  if (size.kind === 'exact') return size;
  const [short, long] = width <= height ? [width, height] : [height, width];
  let edge = size.edge;
  let other = Math.trunc((edge * long) / short);
  if (size.longest !== undefined && other > size.longest) {
    edge = Math.max(1, Math.trunc((size.longest * edge) / other));
    other = size.longest;
  }
  return width <= height ? { width: edge, height: other } : { width: other, height: edge };
}

/** The size of an image after everything. */
export function outputSize(recipe: Recipe, width: number, height: number): { width: number; height: number } {
  return recipe.crop ?? resizedTo(recipe, width, height);
}

/** Resizes and crops; the values stay levels of 0–255. */
export function reshape(image: Raster, recipe: Recipe): Raster {
  const to = resizedTo(recipe, image.width, image.height);
  const resized = resize(image, to.width, to.height, recipe.resample);
  return recipe.crop ? cropCentre(resized, recipe.crop.width, recipe.crop.height) : resized;
}

function cropCentre(image: Raster, width: number, height: number): Raster {
  if (width === image.width && height === image.height) return image;
  const { channels } = image;
  const left = Math.floor((image.width - width) / 2);
  const top = Math.floor((image.height - height) / 2);
  const data = new Uint8Array(width * height * channels);
  const from = Math.max(0, left);
  const count = (Math.min(image.width, left + width) - from) * channels;
  for (let y = Math.max(0, -top); y < height && y + top < image.height; y++) {
    const start = ((y + top) * image.width + from) * channels;
    data.set(image.data.subarray(start, start + count), (y * width + from - left) * channels);
  }
  return { width, height, channels, data };
}
