/**
 * Reads the header of one .safetensors file: 8 bytes of length (little-endian), that many bytes of JSON, then values.
 *
 * Why: files come from anywhere, and a header says where to read. As in the format's own reader, tensors must fill the
 * rest of the file from its first byte to its last, each byte once; what Python would refuse is refused here, in words.
 *
 * Source: https://github.com/huggingface/safetensors, README, "Format".
 * Known limits: of a name that stands twice, JSON keeps the last, and the bytes of the first are then missing.
 */
import { elementCount, formatShape } from '../tensor/shape.ts';
import { byteLength, isDtype } from './dtypes.ts';
import {
  CheckpointError,
  type CheckpointFile,
  type CheckpointShard,
  type CheckpointTensor,
} from './types.ts';

/** The format's own limit for the JSON, in bytes. */
const MOST_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

/**
 * Reads names, types, shapes and places; no value.
 * @throws CheckpointError for what is no whole safetensors file
 */
export async function readHeader(file: CheckpointFile): Promise<CheckpointShard> {
  const refuse: Refuse = (wrong) => {
    throw new CheckpointError(`“${file.name}” ${wrong}`);
  };
  if (file.size < LENGTH_BYTES) {
    refuse(
      `has ${file.size} bytes, and a safetensors file begins with 8 that say how long its header is. ${AGAIN}`,
    );
  }
  const length = new DataView(await readBytes(file, 0, LENGTH_BYTES)).getBigUint64(0, true);
  if (length > MOST_HEADER_BYTES) {
    refuse(
      `claims a header of ${length} bytes, where safetensors allows 100 MB; so it is damaged or of another format. Drop a .safetensors file as save_file wrote it.`,
    );
  }
  const dataStart = LENGTH_BYTES + Number(length);
  if (dataStart > file.size) {
    refuse(
      `ends in its header: it has ${file.size} bytes, and the header alone takes ${dataStart}. ${AGAIN}`,
    );
  }
  const header = parseHeader(await readBytes(file, LENGTH_BYTES, dataStart), refuse);
  const metadata = new Map<string, string>();
  const tensors: CheckpointTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') readMetadata(entry, metadata, refuse);
    else tensors.push(readEntry(file, name, entry, dataStart, refuse));
  }
  tensors.sort((a, b) => a.start - b.start || a.end - b.end);
  checkPlaces(file, tensors, dataStart, refuse);
  return { file, metadata, tensors };
}

const AGAIN = 'It was probably cut short: copy or download it again.';
const DAMAGED = 'Download the file again, or save it anew with safetensors.';

type Refuse = (wrong: string) => never;

/** @throws CheckpointError where the file cannot be read any more, RangeError where memory is too short */
export async function readBytes(file: CheckpointFile, start: number, end: number): Promise<ArrayBuffer> {
  try {
    return await file.slice(start, end).arrayBuffer();
  } catch (error) {
    // Memory ran short, and nothing is wrong with the file.
    if (error instanceof RangeError) throw error;
    const reason = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
    throw new CheckpointError(
      `“${file.name}” could not be read (${reason}); it may have been changed or moved, so drop it again.`,
    );
  }
}

function parseHeader(bytes: ArrayBuffer, refuse: Refuse): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    refuse(`is not a safetensors file, or is damaged: its header is not JSON. ${DAMAGED}`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    refuse(`is not a safetensors file, or is damaged: its header is not a JSON object. ${DAMAGED}`);
  }
  return header as Record<string, unknown>;
}

function readMetadata(entry: unknown, into: Map<string, string>, refuse: Refuse): void {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    refuse(`has a __metadata__ that is no JSON object. ${DAMAGED}`);
  }
  for (const [key, value] of Object.entries(entry as object)) {
    if (typeof value !== 'string') {
      refuse(`has metadata “${key}” that is not text, which safetensors requires. ${DAMAGED}`);
    }
    into.set(key, value);
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function readEntry(
  file: CheckpointFile,
  name: string,
  entry: unknown,
  dataStart: number,
  refuse: Refuse,
): CheckpointTensor {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (!isDtype(dtype)) {
    return refuse(
      `holds tensor “${name}” of type ${JSON.stringify(dtype)}, which Layerfold does not know. Save the checkpoint in F32, F16 or BF16.`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return refuse(
      `holds tensor “${name}” with shape ${JSON.stringify(shape)}, which is no list of sizes. ${DAMAGED}`,
    );
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    return refuse(
      `places tensor “${name}” at ${JSON.stringify(offsets)}, which is no range of bytes. ${DAMAGED}`,
    );
  }
  const [from, to] = offsets as [number, number];
  if (dataStart + to > file.size) {
    refuse(
      `places tensor “${name}” at bytes ${from} to ${to} of its values, but holds only ${file.size - dataStart}. ${AGAIN}`,
    );
  }
  const bytes = byteLength(dtype, elementCount(shape));
  if (bytes !== to - from) {
    refuse(
      `gives tensor “${name}” ${to - from} bytes, but ${dtype} of shape ${formatShape(shape)} takes ${bytes}. ${DAMAGED}`,
    );
  }
  return { name, dtype, shape, file, start: dataStart + from, end: dataStart + to };
}

/** Tensors fill the file, each byte once. */
function checkPlaces(
  file: CheckpointFile,
  tensors: readonly CheckpointTensor[],
  dataStart: number,
  refuse: Refuse,
): void {
  let at = dataStart;
  let before = '';
  for (const { name, start, end } of tensors) {
    if (start < at) refuse(`gives the same bytes to tensors “${before}” and “${name}”. ${DAMAGED}`);
    if (start > at) refuse(`has ${start - at} bytes before tensor “${name}” that belong to none. ${DAMAGED}`);
    at = end;
    before = name;
  }
  if (at < file.size) refuse(`has ${file.size - at} bytes at its end that belong to no tensor. ${DAMAGED}`);
}
