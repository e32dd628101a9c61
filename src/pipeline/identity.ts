/**
 * What the open model is, by contents: SHA-256 of every file that it was opened from.
 *
 * Why: a recipe and a saved session are for one model, and must ask for it by something that a name is not. It is the
 * plain SHA-256 of the file, as `sha256sum` and model hubs give it, so that people can check and cite it.
 *
 * Files are read in windows of 8 MB and never held. Web crypto has no streaming hash, so that it is WebAssembly
 * (hash-wasm): about 170 MB/s on a slow core, loaded when first asked for. A blob that was hashed is not read again.
 */
import type { NamedBlob } from '../data/files.ts';
import { OnnxError } from '../onnx/types.ts';
import { carried } from '../recipe/check.ts';
import type { FileIdentity } from '../recipe/schema.ts';
import { NAME_LENGTH } from '../recipe/schema.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';

const WINDOW_BYTES = 8 << 20;

const known = new WeakMap<Blob, string>();

/**
 * All files of the model, the main ones first; one that several models share is named once.
 * @param job tells progress and can be cancelled after every 8 MB
 * @throws OnnxError where a file cannot be read any more, AbortError
 */
export async function identify({ files }: Pick<OpenedModel, 'files'>, job: Job): Promise<FileIdentity[]> {
  const named = new Map<Blob, string>();
  for (const { fileName, model, externals } of files) {
    named.set(model.source, fileName);
    for (const blob of externals.values()) named.set(blob, (blob as NamedBlob).name);
  }
  const total = [...named.keys()].reduce((sum, { size }) => sum + size, 0);
  const identities: FileIdentity[] = [];
  let before = 0;
  for (const [blob, fileName] of named) {
    const name = carried(fileName, NAME_LENGTH);
    const sha256 = await sha256Of(blob, async (bytes) => {
      job.tell(`Reading ${fileName} for its hash`, (before + bytes) / Math.max(1, total));
      await job.check();
    }).catch((error: unknown) => {
      if (!(error instanceof DOMException) || error.name !== 'NotReadableError') throw error;
      throw new OnnxError(
        'unreadable',
        `“${fileName}” cannot be read any more: it changed or moved since it was opened. Open it again.`,
      );
    });
    identities.push({ name, bytes: blob.size, sha256 });
    before += blob.size;
  }
  return identities;
}

/**
 * SHA-256 of a blob, read in windows.
 * @param told after each window: bytes read so far; may throw to stop
 * @returns 64 hexadecimal digits
 */
export async function sha256Of(blob: Blob, told: (bytes: number) => Promise<void>): Promise<string> {
  const have = known.get(blob);
  if (have !== undefined) return have;
  const { createSHA256 } = await import('hash-wasm');
  const hasher = (await createSHA256()).init();
  for (let at = 0; at < blob.size; at += WINDOW_BYTES) {
    const end = Math.min(blob.size, at + WINDOW_BYTES);
    hasher.update(new Uint8Array(await blob.slice(at, end).arrayBuffer()));
    await told(end);
  }
  const digest = hasher.digest('hex');
  known.set(blob, digest);
  return digest;
}
