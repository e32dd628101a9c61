/**
 * Writes a zip archive as a stream: files of any size, stored as they are, in the order given.
 *
 * Why: a merged model is several files (weights, config, tokenizer, a note), and a browser saves one. Weights do not
 * compress, and must not be held in memory: they are read in slices while the archive is written, with backpressure.
 * Sizes and offsets over 4 GB are written as zip64, by client-zip. The same files give the same bytes in every time
 * zone: entries without a time carry the earliest that zip knows.
 *
 * Known limits: sizes and check sums stand after each entry, so the few readers that stream stored entries cannot.
 */
import { makeZip, predictLength } from 'client-zip';
import { CheckpointError } from './types.ts';

export interface ZipFile {
  /** With its folders, separated by slashes. */
  readonly name: string;
  readonly blob: Blob;
  /** Its time as it is shown to people in their own time zone (zip knows no time zones); 1980 where absent. */
  readonly modified?: Date;
}

export interface ZipStream {
  /** Bytes of the whole archive. */
  readonly size: number;
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Bytes that are read of a file at a time. */
const CHUNK = 4 << 20;

/**
 * An archive of files.
 * The stream fails with CheckpointError where a file cannot be read any more, and with the signal's reason.
 * @param onProgress bytes of the archive that were handed on, and all of them
 * @throws CheckpointError for two files of one name, for none, and for names that leave the archive's folder
 */
export function zipOf(
  files: readonly ZipFile[],
  onProgress?: (written: number, total: number) => void,
  signal?: AbortSignal,
): ZipStream {
  checkNames(files);
  const size = Number(predictLength(files.map(({ name, blob }) => ({ name, size: blob.size }))));
  const entries = function* () {
    for (const file of files) {
      yield { name: file.name, input: slices(file, signal), lastModified: file.modified ?? EARLIEST() };
    }
  };
  const source = makeZip(entries()).getReader();
  let written = 0;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        signal?.throwIfAborted();
        const { done, value } = await source.read();
        signal?.throwIfAborted();
        if (done) {
          controller.close();
          return;
        }
        written += value.byteLength;
        controller.enqueue(value as Uint8Array<ArrayBuffer>);
        onProgress?.(written, size);
      },
      // client-zip rejects with the reason, which its giver knows.
      cancel: (reason) => source.cancel(reason).catch(() => {}),
    },
    { highWaterMark: 0 },
  );
  return { size, stream };
}

/**
 * The archive as a Blob, for browsers that cannot write a stream to a file. The browser may keep it on disk.
 * @throws what the stream of `zipOf` fails with
 */
export async function zipBlob(
  files: readonly ZipFile[],
  onProgress?: (written: number, total: number) => void,
  signal?: AbortSignal,
): Promise<Blob> {
  const { stream } = zipOf(files, onProgress, signal);
  return new Response(stream, { headers: { 'Content-Type': 'application/zip' } }).blob();
}

/** In local time, as client-zip writes local time: so the bytes are the same everywhere. */
const EARLIEST = () => new Date(1980, 0, 1);

function checkNames(files: readonly ZipFile[]): void {
  if (files.length === 0) throw new CheckpointError('There is no file to put into the archive.');
  const seen = new Set<string>();
  for (const { name } of files) {
    if (seen.has(name)) {
      throw new CheckpointError(`Two files of the archive are named “${name}”. Rename one of them.`);
    }
    seen.add(name);
    const parts = name.split('/');
    if (name.includes('\\') || parts.some((part) => part === '' || part === '.' || part === '..')) {
      throw new CheckpointError(`“${name}” cannot be a name in an archive. Give the file a plain name.`);
    }
  }
}

function slices({ name, blob }: ZipFile, signal?: AbortSignal): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        signal?.throwIfAborted();
        if (at >= blob.size) {
          controller.close();
          return;
        }
        const part = blob.slice(at, Math.min(at + CHUNK, blob.size));
        try {
          controller.enqueue(new Uint8Array(await part.arrayBuffer()));
        } catch (error) {
          const reason = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
          throw new CheckpointError(
            `“${name}” could not be read while saving (${reason}); the file that it comes from may have been changed or moved, so open it again.`,
          );
        }
        at += part.size;
      },
    },
    { highWaterMark: 0 },
  );
}
