/**
 * Writes a checkpoint with some tensors replaced and some tied: byte ranges of the originals and the few new tensors.
 *
 * Why: safetensors refuses tensors that share storage, so a tied tensor is stored once and its other names are listed
 * in the metadata `layerfold.tied` (JSON: alias → stored name) of the file that held them; loading-note.ts says how they
 * are tied again. Files without an edit are the originals, byte for byte.
 *
 * Headers are written as the format's own writer does: `__metadata__` first, padded with spaces so that values begin at
 * a multiple of 8. Tensors keep their order, so what was aligned stays so.
 */
import { elementCount, formatShape } from '../tensor/shape.ts';
import { encodeFloats, isFloatDtype } from './dtypes.ts';
import { weightMap } from './reader.ts';
import {
  type Checkpoint,
  CheckpointError,
  type CheckpointShard,
  type CheckpointTensor,
  TIED_KEY,
} from './types.ts';

export type TensorEdit =
  /** New values in the tensor's own layout, row-major; written in its own dtype. */
  | { readonly kind: 'replace'; readonly values: Float32Array }
  /** No longer stored: the name stands for another tensor of the same type and shape. */
  | { readonly kind: 'alias'; readonly of: string };

export interface ComposedCheckpointFile {
  readonly name: string;
  readonly blob: Blob;
}

export interface ComposedCheckpoint {
  /** The shards in their order, under their names, then the index where there was one. */
  readonly files: readonly ComposedCheckpointFile[];
  /** All aliases, those of an earlier merge included: alias → stored name. */
  readonly tied: ReadonlyMap<string, string>;
}

/**
 * The files of an edited checkpoint.
 * @param edits by tensor name
 * @throws CheckpointError for names that are not stored, values of another number or too large for the type, integer
 *   tensors, and aliases of another type or shape, of themselves or of each other
 */
export function composeSafetensors(
  checkpoint: Checkpoint,
  edits: ReadonlyMap<string, TensorEdit>,
): ComposedCheckpoint {
  const { shards, index, tensors } = checkpoint;
  const aliases = new Map<string, string>();
  for (const [name, edit] of edits) {
    const tensor = storedTensor(tensors, name, 'be edited');
    if (edit.kind === 'replace') checkValues(tensor, edit.values);
    else aliases.set(name, checkAlias(tensor, edit.of, tensors, edits));
  }
  // What was tied to a tensor that is now an alias itself is tied to what that stands for.
  const tied = new Map(aliases);
  for (const [alias, of] of checkpoint.tied) tied.set(alias, aliases.get(of) ?? of);
  const files: ComposedCheckpointFile[] = shards.map((shard) => ({
    name: shard.file.name,
    blob: composeShard(shard, edits, aliases, tied),
  }));
  if (index) files.push({ name: index.file.name, blob: composeIndex(checkpoint, aliases) });
  return { files, tied };
}

function storedTensor(
  tensors: ReadonlyMap<string, CheckpointTensor>,
  name: string,
  what: string,
): CheckpointTensor {
  const tensor = tensors.get(name);
  if (tensor) return tensor;
  throw new CheckpointError(
    `Tensor “${name}” was to ${what}, but this checkpoint does not store it. Drop the checkpoint that belongs to the model.`,
  );
}

function checkValues(tensor: CheckpointTensor, values: Float32Array): void {
  const { name, dtype, shape } = tensor;
  if (!isFloatDtype(dtype)) {
    throw new CheckpointError(
      `Tensor “${name}” is ${dtype}, and only F64, F32, F16 and BF16 can be replaced. Merge a checkpoint that is not quantized.`,
    );
  }
  if (values.length !== elementCount(shape)) {
    throw new CheckpointError(
      `Tensor “${name}” of shape ${formatShape(shape)} was to be replaced by ${values.length} values; as many are needed as it has.`,
    );
  }
}

function checkAlias(
  tensor: CheckpointTensor,
  of: string,
  tensors: ReadonlyMap<string, CheckpointTensor>,
  edits: ReadonlyMap<string, TensorEdit>,
): string {
  const target = storedTensor(tensors, of, `stand for “${tensor.name}”`);
  if (edits.get(of)?.kind === 'alias') {
    const wrong =
      of === tensor.name ? 'tied to itself' : `tied to “${of}”, which is itself tied to another tensor`;
    throw new CheckpointError(`Tensor “${tensor.name}” was to be ${wrong}. Tie it to one that is stored.`);
  }
  const [mine, its] = [tensor, target].map(({ dtype, shape }) => `${dtype} ${formatShape(shape)}`);
  if (mine !== its) {
    throw new CheckpointError(
      `Tensor “${tensor.name}” (${mine}) cannot be tied to “${of}” (${its}): types and shapes differ. Merge layers that are stored alike.`,
    );
  }
  return of;
}

function composeShard(
  shard: CheckpointShard,
  edits: ReadonlyMap<string, TensorEdit>,
  aliases: ReadonlyMap<string, string>,
  tied: ReadonlyMap<string, string>,
): Blob {
  const { file, metadata, tensors } = shard;
  const before = Object.entries<string>(JSON.parse(metadata.get(TIED_KEY) ?? '{}'));
  const isRetied = before.some(([alias, of]) => tied.get(alias) !== of);
  if (!isRetied && tensors.every(({ name }) => !edits.has(name))) return file;
  const added = tensors.filter(({ name }) => aliases.has(name));
  const own = [...before.map(([alias]) => alias), ...added.map(({ name }) => name)];
  const texts = new Map(metadata);
  if (own.length > 0) {
    texts.set(TIED_KEY, JSON.stringify(Object.fromEntries(own.map((alias) => [alias, tied.get(alias)]))));
  }
  const entries: string[] = [];
  if (texts.size > 0) entries.push(`"__metadata__":${JSON.stringify(Object.fromEntries(texts))}`);
  const parts: (CheckpointRange | Uint8Array<ArrayBuffer>)[] = [];
  let at = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape, start, end } = tensor;
    const edit = edits.get(name);
    if (edit?.kind === 'alias') continue;
    const offsets = [at, at + end - start];
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: offsets })}`);
    at += end - start;
    const last = parts.at(-1);
    if (edit) parts.push(encode(tensor, edit.values));
    else if (last && 'end' in last && last.end === start) last.end = end;
    else parts.push({ start, end });
  }
  const blobs = parts.map((part) => ('end' in part ? file.slice(part.start, part.end) : part));
  return new Blob([...headerOf(`{${entries.join(',')}}`), ...blobs]);
}

interface CheckpointRange {
  readonly start: number;
  end: number;
}

/** The length and the JSON, with spaces up to a multiple of 8. */
function headerOf(json: string): Uint8Array<ArrayBuffer>[] {
  const text = new TextEncoder().encode(json);
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  return [length, padded];
}

function encode({ name, dtype }: CheckpointTensor, values: Float32Array): Uint8Array<ArrayBuffer> {
  if (!isFloatDtype(dtype)) throw new Error(`${dtype} was not refused.`);
  if (dtype === 'F16') {
    const tooLarge = values.find((value) => Math.abs(value) >= 65520 && Number.isFinite(value));
    if (tooLarge !== undefined) {
      throw new CheckpointError(
        `Tensor “${name}” would hold ${tooLarge}, which its type F16 cannot. Use the checkpoint in BF16 or F32.`,
      );
    }
  }
  return encodeFloats(values, dtype);
}

/** The index without the aliases, and its sums without what they took. */
function composeIndex({ index, tensors }: Checkpoint, aliases: ReadonlyMap<string, string>): Blob {
  if (!index) throw new Error('There is no index.');
  if (aliases.size === 0) return index.file;
  const map = [...weightMap(index)].filter(([name]) => !aliases.has(name));
  const metadata = { ...(index.json.metadata as object | undefined) } as Record<string, unknown>;
  const gone = [...aliases.keys()].map((name) => tensors.get(name)!);
  metadata.total_size = [...tensors.values()]
    .filter(({ name }) => !aliases.has(name))
    .reduce((sum, { start, end }) => sum + end - start, 0);
  if (typeof metadata.total_parameters === 'number') {
    metadata.total_parameters -= gone.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  }
  const json = { ...index.json, metadata, weight_map: Object.fromEntries(map) };
  return new Blob([`${JSON.stringify(json, null, 2)}\n`]);
}
