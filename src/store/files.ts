/**
 * Files in and out of the page. Saving uses the system's picker where there is one, because it streams a large file
 * to disk; elsewhere, and with `?save=download`, a link to a Blob. The link's URL is revoked late: browsers may start
 * reading it some time after the click.
 */

import type { FileDoor, SavePlace } from './context.ts';
import { parameters } from './parameters.ts';

const REVOKE_AFTER_MS = 10 * 60 * 1000;
const CHUNK_BYTES = 8 * 1024 * 1024;

interface WritableFile {
  write(data: Blob): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}
interface FileHandle {
  readonly name: string;
  createWritable(): Promise<WritableFile>;
}
type PickerWindow = Window & {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileHandle>;
};

export const browserFiles: FileDoor = {
  async fetchSample(sample, file, signal) {
    const url = `${import.meta.env.BASE_URL}samples/${sample}/${file}`;
    const response = await fetch(url, { signal }).catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new Error(
        `The sample’s ${file} could not be fetched from this site: check the connection and try again.`,
      );
    });
    // A server that answers every address with the page has not got the file.
    const isPage = response.headers.get('content-type')?.startsWith('text/html') ?? false;
    if (!response.ok || isPage)
      throw new Error(`The sample’s ${file} is missing from this site: open files of your own instead.`);
    return new File([await response.blob()], file);
  },

  async choosePlace(suggestedName) {
    const { showSaveFilePicker } = window as PickerWindow;
    if (!showSaveFilePicker || parameters().save === 'download') return null;
    const handle = await showSaveFilePicker.call(window, { suggestedName });
    return placeOf(handle);
  },

  async copyText(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // No clipboard without https, or not allowed: the link stands on the page too.
      return false;
    }
  },

  browserName: () => navigator.userAgent,

  pageAddress: () => `${location.origin}${location.pathname}`,

  saveAsLink(blob, name) {
    const url = URL.createObjectURL(blob);
    const link = document.createElement('a');
    link.href = url;
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), REVOKE_AFTER_MS);
  },
};

function placeOf(handle: FileHandle): SavePlace {
  return {
    name: handle.name,
    async write(blob, signal, onBytes) {
      const file = await handle.createWritable();
      try {
        for (let start = 0; start < blob.size; start += CHUNK_BYTES) {
          signal.throwIfAborted();
          const end = Math.min(start + CHUNK_BYTES, blob.size);
          await file.write(blob.slice(start, end));
          onBytes(end);
        }
        signal.throwIfAborted();
        await file.close();
      } catch (error) {
        await file.abort().catch(() => undefined);
        throw error;
      }
    },
  };
}
