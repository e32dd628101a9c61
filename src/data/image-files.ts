/**
 * Picture files as items of a dataset.
 *
 * Files are kept as they are and decoded when a batch asks for them; what was resized last is kept, up to KEPT_BYTES. A
 * PNG is decoded at once; other formats need a decoder that answers later, so that a batch of them is loaded first.
 * Of those the first is decoded when it is dropped, to tell early what cannot be read; and all are, where the recipe
 * leaves the size to the picture.
 */
import { decodePng, formatOf, type ImageDecoder, pngSize, toChannels } from './decode.ts';
import { DataError } from './errors.ts';
import { type NamedBlob, pathOf } from './files.ts';
import { describeShape, fits, type ImageItem, type ImageShape } from './image-item.ts';
import type { Pixels } from './picture.ts';
import { outputSize, type Recipe, reshape } from './preprocessor.ts';
import type { Raster } from './resize.ts';

const KEPT_BYTES = 256 * 2 ** 20;

/** As many of the last ones are kept, however large they are: a batch must not lose its first while it loads. */
const KEPT_ITEMS = 128;

/** Recently used pixels, the oldest given up first. */
class Recent {
  private readonly kept = new Map<object, Pixels>();
  private bytes = 0;

  /** Kept pixels, which thereby are the last used. */
  find(key: object): Pixels | undefined {
    const value = this.kept.get(key);
    if (!value) return undefined;
    this.kept.delete(key);
    this.kept.set(key, value);
    return value;
  }

  keep(key: object, value: Pixels): Pixels {
    this.bytes += value.pixels.byteLength;
    this.kept.set(key, value);
    for (const [oldest, pixels] of this.kept) {
      if (this.bytes <= KEPT_BYTES || this.kept.size <= KEPT_ITEMS) break;
      this.kept.delete(oldest);
      this.bytes -= pixels.pixels.byteLength;
    }
    return value;
  }
}

/**
 * @param decoder for formats other than PNG
 * @param asked whether the recipe comes from a preprocessor_config.json
 * @returns one item a file, in their order
 * @throws DataError for a file that is no picture, is cut short or does not come out in the model's shape
 */
export async function readPictures(
  files: readonly NamedBlob[],
  shape: ImageShape,
  recipe: Recipe,
  asked: boolean,
  decoder: ImageDecoder | undefined,
): Promise<ImageItem[]> {
  const channels = shape.channels ?? 3;
  if (channels !== 1 && channels !== 3) {
    throw new DataError(
      `The model takes images of ${channels} channels; picture files give 1 or 3. Give the images as .npy.`,
    );
  }
  const recent = new Recent();
  const pixelsOf = (image: Raster): Pixels => {
    const { data, width, height } = reshape(toChannels(image, channels), recipe);
    return { pixels: data, bytes: true, channelsLast: true, channels, width, height };
  };
  const items: ImageItem[] = [];
  const leavesSize = !recipe.crop && recipe.size?.kind !== 'exact';
  let tried = false;
  let first: { width: number; height: number; path: string } | undefined;
  for (const file of files) {
    const path = pathOf(file);
    const source = new Uint8Array(await file.arrayBuffer());
    const type = formatOf(source);
    const key = {};
    const load = async () => {
      if (!recent.find(key)) recent.keep(key, pixelsOf(await decodeElsewhere(source, type, path, decoder)));
    };
    const elsewhere = type !== 'image/png';
    if (elsewhere && (!(type && decoder) || leavesSize || !tried)) {
      await load();
      tried = true;
    }
    const to = elsewhere ? (recent.find(key) ?? outputSize(recipe, 1, 1)) : sizeOfPng(source, path, recipe);
    if (!fits(shape, channels, to.height, to.width))
      throw new DataError(misfit(path, to, channels, shape, asked));
    first ??= { width: to.width, height: to.height, path };
    if (to.width !== first.width || to.height !== first.height) {
      throw new DataError(
        `“${path}” comes out ${to.width}×${to.height} and “${first.path}” ${first.width}×${first.height}, but images of one batch must be of one size. ${asked ? 'Crop them to one size first.' : 'Drop the preprocessor_config.json that was saved with the model, or resize them first.'}`,
      );
    }
    const layout = [channels, to.height, to.width, type].join();
    items.push({
      pixels() {
        const known = recent.find(key);
        if (known) return known;
        if (elsewhere) throw new RangeError(`“${path}” was not loaded before its batch was made.`);
        return recent.keep(key, pixelsOf(decodePng(source, path)));
      },
      ...(elsewhere && { load }),
      source,
      layout,
    });
  }
  return items;
}

function sizeOfPng(source: Uint8Array, path: string, recipe: Recipe): { width: number; height: number } {
  const { width, height } = pngSize(source, path);
  return outputSize(recipe, width, height);
}

async function decodeElsewhere(
  bytes: Uint8Array<ArrayBuffer>,
  type: string | undefined,
  path: string,
  decoder: ImageDecoder | undefined,
): Promise<Raster> {
  if (!type)
    throw new DataError(
      `“${path}” is not a picture that is known here. Use PNG, JPEG or WebP, or leave it out.`,
    );
  const format = type.slice('image/'.length).toUpperCase();
  if (!decoder)
    throw new DataError(`“${path}” is ${format}, which only a browser can decode. Save it as PNG.`);
  try {
    return await decoder(bytes, type);
  } catch (error) {
    throw new DataError(
      `“${path}” could not be decoded as ${format}: ${error instanceof Error ? error.message : String(error)}. Save it again, or leave it out.`,
    );
  }
}

function misfit(
  path: string,
  { width, height }: { width: number; height: number },
  channels: number,
  shape: ImageShape,
  asked: boolean,
): string {
  const made = `“${path}” comes out as ${channels}×${height}×${width}`;
  const wanted = `the model takes ${describeShape(shape)}`;
  return asked
    ? `${made} by preprocessor_config.json, but ${wanted}. Check that it belongs to this model, or crop the images first.`
    : `${made}, but ${wanted}. Drop the preprocessor_config.json that was saved with the model, or resize the images first.`;
}
