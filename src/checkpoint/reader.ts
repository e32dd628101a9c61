/**
 * Opens a safetensors checkpoint: one `model.safetensors`, or its shards with or without the index that lists them.
 *
 * Why: people drop what a model hub gave them. Headers are read and values are not; a shard that is missing is named.
 *
 * Source: names as transformers writes them (`model-00001-of-00002.safetensors`, `model.safetensors.index.json`).
 */
import { decodeFloats, isFloatDtype } from './dtypes.ts';
import { readBytes, readHeader } from './header.ts';
import {
  type Checkpoint,
  CheckpointError,
  type CheckpointFile,
  type CheckpointIndex,
  type CheckpointShard,
  type CheckpointTensor,
  TIED_KEY,
} from './types.ts';

const WEIGHTS = /\.safetensors$/i;
const INDEX = /\.safetensors\.index(\.[\w-]+)?\.json$/i;
const SHARD = /^(.*)-(\d+)-of-(\d+)\.safetensors$/i;

/** True for the files that `openSafetensors` takes. */
export function isCheckpointFile(name: string): boolean {
  return WEIGHTS.test(name) || INDEX.test(name);
}

/**
 * Reads the headers of a checkpoint.
 * @param files the files of one checkpoint; others (config.json …) are not looked at
 * @throws CheckpointError for a missing shard, for more than one checkpoint, and for damaged files
 */
export async function openSafetensors(files: readonly CheckpointFile[]): Promise<Checkpoint> {
  const weights = files.filter(({ name }) => WEIGHTS.test(name));
  const indices = files.filter(({ name }) => INDEX.test(name));
  if (weights.length === 0 && indices.length === 0) {
    throw new CheckpointError(
      'There is no checkpoint among these files: none of their names ends in .safetensors. Drop model.safetensors, or all of its shards.',
    );
  }
  if (indices.length > 1) {
    throw new CheckpointError(
      `“${indices[0].name}” and “${indices[1].name}” are the indices of two checkpoints. Drop the files of one.`,
    );
  }
  const index = indices[0] && (await readIndex(indices[0]));
  const named = index && [...new Set(weightMap(index).values())].sort();
  const ordered = named
    ? findNamed(weights, named, index.file.name)
    : weights.length === 1 && !SHARD.test(weights[0].name)
      ? weights
      : findShards(weights);
  const shards: CheckpointShard[] = [];
  for (const file of ordered) shards.push(await readHeader(file));
  const tensors = new Map<string, CheckpointTensor>();
  for (const tensor of shards.flatMap((shard) => shard.tensors)) {
    const other = tensors.get(tensor.name);
    if (other) {
      throw new CheckpointError(
        `Tensor “${tensor.name}” is in “${other.file.name}” and again in “${tensor.file.name}”. Drop the files of one checkpoint, as they were saved together.`,
      );
    }
    tensors.set(tensor.name, tensor);
  }
  if (index) checkIndex(index, tensors);
  return { shards, index, tensors, tied: readTied(shards, tensors) };
}

async function readIndex(file: CheckpointFile): Promise<CheckpointIndex> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(await readBytes(file, 0, file.size)));
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`“${file.name}” is not JSON. Download it again, or leave it out.`);
  }
  const map = (json as { weight_map?: unknown } | null)?.weight_map;
  const isMap = typeof map === 'object' && map !== null && !Array.isArray(map);
  if (!isMap || !Object.values(map).every((value) => typeof value === 'string')) {
    throw new CheckpointError(
      `“${file.name}” has no weight_map from tensors to files. Download it again, or leave it out.`,
    );
  }
  return { file, json: json as Record<string, unknown> };
}

/** Tensor → file name, as the index says. */
export function weightMap(index: CheckpointIndex): Map<string, string> {
  return new Map(Object.entries(index.json.weight_map as Record<string, string>));
}

function findNamed(
  weights: readonly CheckpointFile[],
  named: readonly string[],
  index: string,
): CheckpointFile[] {
  const byName = uniqueByName(weights);
  const missing = named.filter((name) => !byName.has(name));
  if (missing.length > 0) throw missingSentence(missing, `“${index}” names`);
  const other = weights.find(({ name }) => !named.includes(name));
  if (other) {
    throw new CheckpointError(
      `“${other.name}” is not one of the files that “${index}” names. Drop the files of one checkpoint.`,
    );
  }
  return named.map((name) => byName.get(name)!);
}

function findShards(weights: readonly CheckpointFile[]): CheckpointFile[] {
  const [first] = weights;
  const parts = SHARD.exec(first.name);
  const other = weights.find(({ name }) => {
    const its = SHARD.exec(name);
    return its?.[1] !== parts?.[1] || its?.[3] !== parts?.[3] || !its;
  });
  if (!parts || other) {
    const second = other === first || !other ? weights[1] : other;
    throw new CheckpointError(
      `“${first.name}” and “${second.name}” are not parts of one checkpoint. Drop one checkpoint at a time.`,
    );
  }
  const [, stem, number, total] = parts;
  const byName = uniqueByName(weights);
  const count = Number(total);
  const expected = Array.from(
    { length: Math.min(count, 10_000) },
    (_, k) => `${stem}-${String(k + 1).padStart(number.length, '0')}-of-${total}.safetensors`,
  );
  const missing = expected.filter((name) => !byName.has(name));
  if (missing.length > 0) throw missingSentence(missing, `“${first.name}” is one of ${count} and needs`);
  if (weights.length > expected.length) {
    const stray = weights.find(({ name }) => !expected.includes(name))!;
    throw new CheckpointError(`“${stray.name}” is not one of 1 to ${count}. Give it the name that it had.`);
  }
  return expected.map((name) => byName.get(name)!);
}

function uniqueByName(files: readonly CheckpointFile[]): Map<string, CheckpointFile> {
  const byName = new Map<string, CheckpointFile>();
  for (const file of files) {
    if (byName.has(file.name)) {
      throw new CheckpointError(
        `There are two files named “${file.name}”. Drop the files of one checkpoint at a time.`,
      );
    }
    byName.set(file.name, file);
  }
  return byName;
}

function missingSentence(missing: readonly string[], who: string): CheckpointError {
  const shown = missing
    .slice(0, 3)
    .map((name) => `“${name}”`)
    .join(', ');
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
  const verb = missing.length === 1 ? 'is' : 'are';
  return new CheckpointError(
    `${who} ${shown}${more}, which ${verb} not among these files. Drop all shards together.`,
  );
}

/** What the index says of a tensor holds; names without a tensor would make every loader fail. */
function checkIndex(index: CheckpointIndex, tensors: ReadonlyMap<string, CheckpointTensor>): void {
  for (const [name, file] of weightMap(index)) {
    const tensor = tensors.get(name);
    if (tensor?.file.name === file) continue;
    const where = tensor ? `it is in “${tensor.file.name}”` : 'it is in none';
    throw new CheckpointError(
      `“${index.file.name}” says that tensor “${name}” is in “${file}”, but ${where}. Drop the files as they were saved together.`,
    );
  }
}

function readTied(
  shards: readonly CheckpointShard[],
  tensors: ReadonlyMap<string, CheckpointTensor>,
): Map<string, string> {
  const tied = new Map<string, string>();
  for (const { file, metadata } of shards) {
    const text = metadata.get(TIED_KEY);
    if (text === undefined) continue;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = null;
    }
    const entries = typeof json === 'object' && json !== null ? Object.entries(json) : [['', '']];
    for (const [alias, of] of entries) {
      if (tensors.has(alias) || !tensors.has(of)) {
        throw new CheckpointError(
          `“${file.name}” says in ${TIED_KEY} that “${alias}” is stored as “${of}”, which does not hold. Drop the checkpoint as Layerfold wrote it.`,
        );
      }
      tied.set(alias, of);
    }
  }
  return tied;
}

/**
 * A tensor's values as f32, in its own shape, row-major.
 * @throws CheckpointError for integers, 8-bit floats and complex numbers, and where the file cannot be read
 */
export async function readAsFloats(tensor: CheckpointTensor): Promise<Float32Array<ArrayBuffer>> {
  return readRange(tensor, 0, (tensor.end - tensor.start) / bytesOf(tensor));
}

/** Elements [from, to) of a tensor as f32. @throws CheckpointError as `readAsFloats` */
export async function readRange(
  tensor: CheckpointTensor,
  from: number,
  to: number,
): Promise<Float32Array<ArrayBuffer>> {
  const { dtype, file, start, name } = tensor;
  const size = bytesOf(tensor);
  if (!isFloatDtype(dtype)) {
    throw new CheckpointError(
      `Tensor “${name}” in “${file.name}” is ${dtype}; only F64, F32, F16 and BF16 can be merged.`,
    );
  }
  return decodeFloats(await readBytes(file, start + from * size, start + to * size), dtype);
}

const SIZES: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };
const bytesOf = ({ dtype }: CheckpointTensor) => SIZES[dtype] ?? 1;
