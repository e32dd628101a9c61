/** One image of a dataset, whose pixels are made when they are asked for. */
import { DataType } from '../tensor/dtype.ts';
import { DataError } from './errors.ts';
import type { Pixels } from './picture.ts';

export interface ImageInput {
  readonly name: string;
  readonly elemType: number;
  /** [batch, channels, height, width], or channels last; null or a name where not fixed. */
  readonly dims: readonly (number | string | null)[];
  readonly classes?: number;
}

export interface ImageItem {
  readonly label?: number;
  /** As the model takes them, but for rescaling and normalising. @throws DataError for a damaged file */
  pixels(): Pixels;
  /** Makes `pixels` answer at once, for a while; absent where it always does. @throws DataError as it does */
  load?(): Promise<void>;
  /** What the pixels are made from, and how it is laid out: for the dataset's key. */
  readonly source: ArrayBufferView;
  readonly layout: string;
}

/** What one image must be for the model; absent where any will do. */
export interface ImageShape {
  readonly channels?: number;
  readonly height?: number;
  readonly width?: number;
  /** [height, width, channels], as graphs from TensorFlow take it. */
  readonly channelsLast: boolean;
}

/** @throws DataError for an input that images cannot be fed to */
export function shapeOf({ name, elemType, dims }: ImageInput): ImageShape {
  if (elemType !== DataType.float && elemType !== DataType.float16) {
    throw new DataError(
      `The input “${name}” is neither f32 nor f16; images cannot be fed to it yet. Give it as ${name}.npy.`,
    );
  }
  const [, a, b, c] = dims.map((d) => (typeof d === 'number' ? d : undefined));
  const colours = (size: number | undefined) => size !== undefined && size <= 4;
  const channelsLast = colours(c) && !colours(a);
  const [channels, height, width] = channelsLast ? [c, a, b] : [a, b, c];
  return {
    ...(channels !== undefined && { channels }),
    ...(height !== undefined && { height }),
    ...(width !== undefined && { width }),
    channelsLast,
  };
}

export function fits(shape: ImageShape, channels: number, height: number, width: number): boolean {
  return (
    (shape.channels === undefined || shape.channels === channels) &&
    (shape.height === undefined || shape.height === height) &&
    (shape.width === undefined || shape.width === width)
  );
}

/** channels×height×width as sentences say it. */
export function describeShape(shape: ImageShape): string {
  return [shape.channels, shape.height, shape.width].map((d) => d ?? '?').join('×');
}
