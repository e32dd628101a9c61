/**
 * Reads zip archives, and NumPy's .npz, which is a zip of .npy files.
 *
 * Only the table of contents at the archive's end and the entries that are asked for are read. Entries are stored or
 * deflated; sizes beyond 32 bits (zip64) are understood, as NumPy writes their fields.
 *
 * Source: PKWARE's APPNOTE, sections 4.3 and 4.5. Known limits: no encryption, no archive in several parts, entries
 * of at most 1 GB.
 */
import { inflateSync } from 'fflate';
import { DataError } from './errors.ts';
import { type FileKind, kindOf, type NamedBlob, pathOf, splitOf } from './files.ts';

export interface ZipEntry {
  /** With its folders, as stored. */
  readonly name: string;
  /** Bytes when unpacked. */
  readonly size: number;
  /** @throws DataError for an entry that cannot be unpacked */
  read(): Promise<Uint8Array<ArrayBuffer>>;
  /** The same; of a stored entry a slice of the archive, which is read when it is used, and not checked. @throws as `read` */
  blob(): Promise<Blob>;
}

const END = 0x06054b50;
const END_LENGTH = 22;
const CENTRAL = 0x02014b50;
const CENTRAL_LENGTH = 46;
const LOCAL_LENGTH = 30;
const MOST_BYTES = 2 ** 30;

/**
 * The files in an archive; folders are left out.
 * @throws DataError for what is no whole archive
 */
export async function openZip(file: NamedBlob): Promise<readonly ZipEntry[]> {
  const { offset, length, count } = await findTable(file);
  if (offset + length > file.size) throw cutShort(file);
  const table = await viewOf(file, offset, offset + length);
  const entries: ZipEntry[] = [];
  for (let k = 0, at = 0; k < count; k++) {
    if (at + CENTRAL_LENGTH > table.byteLength || table.getUint32(at, true) !== CENTRAL) throw cutShort(file);
    const nameLength = table.getUint16(at + 28, true);
    const extraLength = table.getUint16(at + 30, true);
    const extraStart = at + CENTRAL_LENGTH + nameLength;
    const next = extraStart + extraLength + table.getUint16(at + 32, true);
    if (next > table.byteLength) throw cutShort(file);
    const nameBytes = new Uint8Array(table.buffer, at + CENTRAL_LENGTH, nameLength);
    const name = new TextDecoder().decode(nameBytes);
    const [size, packed, start] = wide(table, extraStart, extraLength, [
      table.getUint32(at + 24, true),
      table.getUint32(at + 20, true),
      table.getUint32(at + 42, true),
    ]);
    const flags = table.getUint16(at + 8, true);
    const method = table.getUint16(at + 10, true);
    const crc = table.getUint32(at + 16, true);
    if (!name.endsWith('/')) {
      const entry = { name, size, packed, start, method, crc, encrypted: (flags & 1) === 1 };
      const read = () => readEntry(file, entry);
      const blob = async () => (isPlain(entry) ? await packedOf(file, entry) : new Blob([await read()]));
      entries.push({ name, size, read, blob });
    }
    at = next;
  }
  return entries;
}

/** The end record is the last thing in the file, but for a comment of up to 64 kB. */
async function findTable(file: NamedBlob): Promise<{ offset: number; length: number; count: number }> {
  const from = Math.max(0, file.size - END_LENGTH - 0xffff);
  const tail = await viewOf(file, from, file.size);
  let at = tail.byteLength - END_LENGTH;
  while (at >= 0 && tail.getUint32(at, true) !== END) at--;
  if (at < 0) throw cutShort(file);
  const small = {
    count: tail.getUint16(at + 10, true),
    length: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  if (small.count !== 0xffff && small.length !== 0xffffffff && small.offset !== 0xffffffff) return small;
  // Zip64: a locator of 20 bytes stands before the end record and says where the wide one is.
  const record = at >= 20 ? Number(tail.getBigUint64(at - 12, true)) : -1;
  if (record < 0 || record + 56 > file.size) throw cutShort(file);
  const view = await viewOf(file, record, record + 56);
  return {
    count: Number(view.getBigUint64(32, true)),
    length: Number(view.getBigUint64(40, true)),
    offset: Number(view.getBigUint64(48, true)),
  };
}

/** Sizes of 0xffffffff stand in the zip64 field instead, in this order. */
function wide(table: DataView, start: number, length: number, values: number[]): number[] {
  for (let at = start; at + 4 <= start + length; at += 4 + table.getUint16(at + 2, true)) {
    if (table.getUint16(at, true) !== 1) continue;
    let from = at + 4;
    return values.map((value) => {
      if (value !== 0xffffffff || from + 8 > start + length) return value;
      from += 8;
      return Number(table.getBigUint64(from - 8, true));
    });
  }
  return values;
}

interface Stored {
  readonly name: string;
  readonly size: number;
  readonly packed: number;
  readonly start: number;
  readonly method: number;
  readonly crc: number;
  readonly encrypted: boolean;
}

async function readEntry(file: NamedBlob, entry: Stored): Promise<Uint8Array<ArrayBuffer>> {
  const what = `“${entry.name}” in “${file.name}”`;
  if (entry.encrypted) throw new DataError(`${what} is encrypted. Make the archive without a password.`);
  if (entry.method !== 0 && entry.method !== 8) {
    throw new DataError(
      `${what} is packed by method ${entry.method}, which cannot be read. Make the zip with ordinary (deflate) compression.`,
    );
  }
  if (entry.size > MOST_BYTES)
    throw new DataError(
      `${what} has ${entry.size} bytes; at most ${MOST_BYTES} can be unpacked. Drop it unpacked.`,
    );
  const packed = new Uint8Array(await (await packedOf(file, entry)).arrayBuffer());
  let bytes = packed;
  if (entry.method === 8) {
    try {
      bytes = inflateSync(packed, { out: new Uint8Array(entry.size) }) as Uint8Array<ArrayBuffer>;
    } catch {
      throw damaged(what);
    }
  }
  if (bytes.length !== entry.size || crc32(bytes) !== entry.crc) throw damaged(what);
  return bytes;
}

/** Whether the bytes stand in the archive as they are. */
function isPlain({ method, encrypted, packed, size }: Stored): boolean {
  return method === 0 && !encrypted && packed === size;
}

async function packedOf(file: NamedBlob, { start, packed }: Stored): Promise<Blob> {
  if (start + LOCAL_LENGTH > file.size) throw cutShort(file);
  const local = await viewOf(file, start, start + LOCAL_LENGTH);
  const from = start + LOCAL_LENGTH + local.getUint16(26, true) + local.getUint16(28, true);
  if (from + packed > file.size) throw cutShort(file);
  return file.slice(from, from + packed);
}

function damaged(what: string): DataError {
  return new DataError(`${what} is damaged: it does not unpack to what was packed. Make the archive again.`);
}

function cutShort(file: NamedBlob): DataError {
  return new DataError(
    `“${file.name}” is cut short or is no zip archive: its table of contents is not whole. Copy or download it again.`,
  );
}

async function viewOf(file: Blob, from: number, to: number): Promise<DataView> {
  return new DataView(await file.slice(from, to).arrayBuffer());
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const b of bytes) c = (c >>> 8) ^ CRC_TABLE[(c ^ b) & 255];
  return (c ^ 0xffffffff) >>> 0;
}

/** What an archive of data may hold without any use for it. */
const NO_DATA: readonly FileKind[] = ['unused', 'model', 'external', 'checkpoint', 'companion'];

export interface Unpacked {
  readonly files: readonly NamedBlob[];
  /** Entries that have no use here, as `archive/entry`. */
  readonly unused: readonly string[];
}

/**
 * The data files in archives. An archive counts as a folder of its name, and gives its entries the split that its
 * name claims: `select.npz` with `images.npy` stands for `select-images.npy`, and `select.zip` for a folder `select`.
 */
export async function unpack(archives: readonly NamedBlob[]): Promise<Unpacked> {
  const files: NamedBlob[] = [];
  const unused: string[] = [];
  for (const archive of archives) {
    const split = splitOf(archive.name);
    const folder = split ?? pathOf(archive).replace(/\.(zip|npz)$/i, '');
    for (const entry of await openZip(archive)) {
      const name = entry.name.split(/[\\/]/).at(-1)!;
      const kind = kindOf(name);
      if (kind === 'litter' || entry.name.startsWith('__MACOSX/')) continue;
      if (NO_DATA.includes(kind)) {
        unused.push(`${archive.name}/${entry.name}`);
        continue;
      }
      const array = name.toLowerCase().endsWith('.npy');
      const file = Object.assign(new Blob([await entry.read()]), {
        name: array && split && !splitOf(name) ? `${split}-${name}` : name,
        path: `${folder}/${entry.name}`,
      });
      if (kind !== 'archive') files.push(file);
      else {
        const inner = await unpack([file]);
        files.push(...inner.files);
        unused.push(...inner.unused);
      }
    }
  }
  return { files, unused };
}

/**
 * The files of an archive that holds a model's folder, with their paths in it; undefined where no .onnx is in it.
 * @throws DataError for what is no whole archive, or an entry that cannot be unpacked
 */
export async function unpackModel(archive: NamedBlob): Promise<readonly NamedBlob[] | undefined> {
  const entries = (await openZip(archive)).filter((e) => !e.name.startsWith('__MACOSX/'));
  const named = entries.map((entry) => ({ entry, path: entry.name.replaceAll('\\', '/') }));
  const nameOf = (path: string) => path.split('/').at(-1)!;
  if (!named.some(({ path }) => kindOf(nameOf(path)) === 'model')) return undefined;
  const files: NamedBlob[] = [];
  for (const { entry, path } of named) {
    files.push(Object.assign(await entry.blob(), { name: nameOf(path), path }));
  }
  return files;
}
