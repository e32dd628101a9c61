/**
 * Images and labels from .npy files.
 *
 * Images are uint8 [N, H, W], [N, H, W, C] or [N, C, H, W], or floats already normalised in the model's own shape.
 * Arrays of the model's size are taken as they are; uint8 of other sizes go through the preprocessor's resizing.
 */
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';
import { describeShape, fits, type ImageItem, type ImageShape } from './image-item.ts';
import { type NpyArray, parseNpy } from './npy.ts';
import type { Pixels } from './picture.ts';
import { outputSize, type Recipe, reshape } from './preprocessor.ts';

/**
 * @param labels label arrays, empty where there are none
 * @param imageFiles number of arrays of images
 * @throws DataError where an array or its labels do not fit
 */
export async function readArray(
  file: NamedBlob,
  labels: readonly NamedBlob[],
  imageFiles: number,
  shape: ImageShape,
  recipe: Recipe,
  classes: number | undefined,
): Promise<ImageItem[]> {
  const labelFile = labels.length > 0 ? labelsFor(file, labels, imageFiles) : undefined;
  const array = parseNpy(new Uint8Array(await file.arrayBuffer()), file.name);
  const { layout, resized } = layoutOf(array, file.name, shape, recipe);
  const [count] = array.shape;
  const values = labelFile && (await readLabels(labelFile, file.name, count, classes));
  const size = layout.channels * layout.height * layout.width;
  const brightest = layout.bytes ? (array.data as Uint8Array).reduce((m, v) => Math.max(m, v), 0) : undefined;
  return Array.from({ length: count }, (_, k) => {
    const pixels: Pixels = {
      ...layout,
      pixels: array.data.subarray(k * size, (k + 1) * size),
      ...(brightest !== undefined && { brightest }),
    };
    return {
      ...(values && { label: values[k] }),
      pixels: resized ? () => throughRecipe(pixels, recipe) : () => pixels,
      source: pixels.pixels,
      layout: [
        layout.channels,
        layout.height,
        layout.width,
        layout.channelsLast,
        layout.bytes,
        array.dtype,
        resized,
      ].join(),
    };
  });
}

function throughRecipe(image: Pixels, recipe: Recipe): Pixels {
  const { channels, width, height } = image;
  const plane = width * height;
  const levels = image.pixels as Uint8Array;
  const data = image.channelsLast
    ? levels
    : Uint8Array.from(levels, (_, k) => levels[(k % channels) * plane + Math.floor(k / channels)]);
  const made = reshape({ width, height, channels, data }, recipe);
  return { ...image, width: made.width, height: made.height, pixels: made.data, channelsLast: true };
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

function layoutOf(
  array: NpyArray,
  name: string,
  wanted: ImageShape,
  recipe: Recipe,
): { layout: Omit<Pixels, 'pixels' | 'brightest'>; resized: boolean } {
  const { shape } = array;
  const bytes = array.dtype === '|u1';
  const [, a, b, c] = shape;
  const planes = { channels: a, height: b, width: c, channelsLast: false };
  const last = { channels: c, height: a, width: b, channelsLast: true };
  const candidates =
    shape.length === 3
      ? [{ channels: 1, height: a, width: b, channelsLast: false }]
      : shape.length !== 4
        ? []
        : wanted.channelsLast
          ? [last, planes]
          : [planes, last];
  const reshapes = bytes && (recipe.size !== undefined || recipe.crop !== undefined);
  const fixed = wanted.height !== undefined && wanted.width !== undefined;
  const asIs = candidates.find((l) => fits(wanted, l.channels, l.height, l.width));
  if (asIs && (fixed || !reshapes)) return { layout: { ...asIs, bytes }, resized: false };
  const made = candidates.find((l) => {
    if (!reshapes || ![1, 3].includes(l.channels) || l.height * l.width === 0) return false;
    const to = outputSize(recipe, l.width, l.height);
    return fits(wanted, l.channels, to.height, to.width);
  });
  if (made) return { layout: { ...made, bytes }, resized: true };
  throw new DataError(
    `“${name}” has shape (${shape.join(', ')}), but the model takes images of ${describeShape(wanted)}. Resize them first.`,
  );
}
