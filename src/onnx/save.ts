/**
 * Saving a model with the files that hold its external data.
 *
 * Why: weights that leave must leave the data file too, so the ranges that stay are laid out anew and the tensors
 * told where they now are; nothing is read until the result is. Without edits every file is byte for byte what it was.
 *
 * Known limits: bytes of a data file that no tensor of the model refers to are dropped with the first edit.
 */
import { rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { layoutOf } from './layout.ts';
import type { ModelEdits, NewTensor, OnnxModel, TensorInfo } from './types.ts';
import { OnnxError } from './types.ts';
import { composeOnnx } from './writer.ts';

/** A file to save: its path beside the model, and its contents as ranges of the original and new bytes. */
export interface SavedFile {
  readonly name: string;
  readonly size: number;
  toBlob(): Blob;
}

type ExternalStorage = Extract<TensorInfo['storage'], { kind: 'external' }>;

interface External {
  readonly tensor: TensorInfo;
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** New tensors below this size are kept in the model's own file. */
const SMALLEST_EXTERNAL = 1024;

/**
 * The files of a model with edits: the .onnx file first, then its data files in the order of their names.
 * @param fileName of the .onnx file
 * @param files its data files, by location (`externalLocations`)
 * @param locationOf the new location of a data file that is written anew; where it differs, the file is
 * @throws OnnxError as `composeOnnx`; `missing-external` where a data file was not opened
 */
export function saveModel(
  model: OnnxModel,
  edits: ModelEdits,
  fileName: string,
  files: ReadonlyMap<string, Blob>,
  locationOf: (location: string) => string = (location) => location,
): SavedFile[] {
  const moves = [...files.keys()].some((location) => locationOf(location) !== location);
  if (!(moves || hasEdits(edits)) || files.size === 0) {
    const whole = composeOnnx(model, edits);
    const data = [...files].map(([name, blob]) => ({ name, size: blob.size, toBlob: () => blob }));
    return [{ name: fileName, size: whole.size, toBlob: whole.toBlob }, ...data];
  }
  const tensors = new Map(edits.tensors);
  const added: NewTensor[] = [];
  const layouts = new Map(
    [...files.keys()].map((location) => [location, new DataFile(locationOf(location))]),
  );
  const dropped = droppedTensors(edits);
  const kept = externalsOf(model).filter(
    ({ tensor }) => tensors.get(tensor) !== 'drop' && !dropped.has(tensor),
  );
  for (const { location, offset } of kept) layouts.get(location)?.noteAlignment(offset);
  for (const { tensor, location, offset, length } of kept.sort((a, b) => a.offset - b.offset)) {
    const edit = tensors.get(tensor) as NewTensor | undefined;
    const file = files.get(location);
    const layout = layouts.get(location);
    if (!file || !layout) throw missingExternal(tensor, location);
    const bytes = edit ? blobOf(edit) : file.slice(offset, offset + length);
    const range = edit ? layout.append(bytes) : layout.keep(offset, length, bytes);
    const { name, dataType, dims } = edit ?? tensor;
    tensors.set(tensor, { name, dataType, dims, data: { location: layout.location, ...range } });
  }
  const [first] = layouts.values();
  for (const tensor of edits.addInitializers ?? []) {
    const bytes = blobOf(tensor);
    const isSmall = bytes.size < SMALLEST_EXTERNAL;
    added.push(isSmall ? tensor : { ...tensor, data: { location: first.location, ...first.append(bytes) } });
  }
  const whole = composeOnnx(model, { ...edits, tensors, addInitializers: added });
  const data = [...layouts.values()].filter((l) => l.size > 0).map((l) => l.finish());
  return [{ name: fileName, size: whole.size, toBlob: whole.toBlob }, ...data];
}

/** Whether the data files of a model with these edits are written anew. */
export function hasEdits({ tensors, nodes, addInitializers }: ModelEdits): boolean {
  return [tensors, nodes, addInitializers].some((e) => e && [...e.keys()].length > 0);
}

/** Locations of a model's external data, each once, in file order. */
export function externalLocations(model: OnnxModel): string[] {
  return [...new Set(externalsOf(model).map((e) => e.location))];
}

function externalsOf(model: OnnxModel): External[] {
  return [...layoutOf(model).tensors.keys()].flatMap((tensor) => {
    if (tensor.storage.kind !== 'external') return [];
    const { location, offset, length } = tensor.storage as ExternalStorage;
    return [
      {
        tensor,
        location,
        offset,
        length: length ?? rawByteLength(tensor.dataType, elementCount(tensor.dims)),
      },
    ];
  });
}

/** Tensors inside nodes that are dropped. */
function droppedTensors(edits: ModelEdits): Set<TensorInfo> {
  const dropped = new Set<TensorInfo>();
  for (const [node, edit] of edits.nodes ?? []) {
    if (edit === 'drop') for (const { t } of node.attributes.values()) if (t) dropped.add(t);
  }
  return dropped;
}

function blobOf({ data, name }: NewTensor): Blob {
  if (data instanceof Blob) return data;
  if (data instanceof Uint8Array) return new Blob([data as Uint8Array<ArrayBuffer>]);
  throw new OnnxError(
    'bad-data',
    `The new tensor "${name}" says where its values will be, but not what they are.`,
  );
}

function missingExternal(tensor: TensorInfo, location: string): OnnxError {
  return new OnnxError(
    'missing-external',
    `The weights of "${tensor.name}" are in the file "${location}", which was not opened; open it together with the model.`,
  );
}

/** A data file laid out anew: offsets keep the alignment that they had. */
class DataFile {
  readonly location: string;
  size = 0;
  private alignment = 65_536;
  private readonly parts: BlobPart[] = [];
  private readonly ranges = new Map<string, { offset: number; length: number }>();

  constructor(location: string) {
    this.location = location;
  }

  /** Alignment is the largest power of two, up to 64 KiB, that all offsets had. */
  noteAlignment(offset: number): void {
    while (offset % this.alignment !== 0) this.alignment /= 2;
  }

  /** A range of the old file; tensors that shared it go on sharing it. */
  keep(offset: number, length: number, bytes: Blob): { offset: number; length: number } {
    const key = `${offset}:${length}`;
    const range = this.ranges.get(key) ?? this.append(bytes);
    this.ranges.set(key, range);
    return range;
  }

  append(bytes: Blob): { offset: number; length: number } {
    const gap = (this.alignment - (this.size % this.alignment)) % this.alignment;
    if (gap > 0) this.parts.push(new Uint8Array(gap));
    const range = { offset: this.size + gap, length: bytes.size };
    this.parts.push(bytes);
    this.size += gap + bytes.size;
    return range;
  }

  finish(): SavedFile {
    const { location: name, size, parts } = this;
    return { name, size, toBlob: () => new Blob(parts) };
  }
}
