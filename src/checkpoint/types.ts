/**
 * What the lazy reader knows of a safetensors checkpoint: names, types and shapes in memory, values as byte ranges.
 *
 * Why: the checkpoint that belongs to an ONNX file may have gigabytes; matching it to the file and writing it back need
 * one tensor at a time, and what was not edited is copied as it was.
 */
import type { Dtype } from './dtypes.ts';

/** A checkpoint that cannot be used. The message is a sentence for the page: what was wrong and what to do. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** A file with a name; `File` in the page, a Blob with a name in Node. */
export interface CheckpointFile extends Blob {
  readonly name: string;
}

export interface CheckpointTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly file: CheckpointFile;
  /** Bytes [start, end) of the file, little-endian, row-major. */
  readonly start: number;
  readonly end: number;
}

/** One .safetensors file. */
export interface CheckpointShard {
  readonly file: CheckpointFile;
  /** `__metadata__`, in the order of the file. */
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their bytes, which follow each other without gaps. */
  readonly tensors: readonly CheckpointTensor[];
}

/** `model.safetensors.index.json`. */
export interface CheckpointIndex {
  readonly file: CheckpointFile;
  /** The whole of it, as parsed. */
  readonly json: Readonly<Record<string, unknown>>;
}

export interface Checkpoint {
  /** By the number in their names. */
  readonly shards: readonly CheckpointShard[];
  readonly index?: CheckpointIndex;
  /** All tensors that are stored, by name. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Names that stand for a stored tensor, as an earlier merge wrote them (`layerfold.tied`). */
  readonly tied: ReadonlyMap<string, string>;
}

/** The metadata key under which a file says which names are which stored tensors: JSON, alias → stored name. */
export const TIED_KEY = 'layerfold.tied';
