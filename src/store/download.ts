/** Saving the current variant as a file. */
import type { FileDoor, JobOptions, SavePlace, SliceContext } from './context.ts';
import { formatBytes } from './format.ts';
import { chosenFormat, savedName, suggestedName } from './formats.ts';
import { isAbort } from './jobs.ts';
import type { Status, StudioActions } from './types.ts';

async function writeTo(place: SavePlace, blob: Blob, { signal, onProgress }: JobOptions): Promise<void> {
  await place.write(blob, signal, (written) => {
    const last = written >= blob.size;
    const label = last
      ? 'Finalising the file'
      : `Writing, ${formatBytes(written)} of ${formatBytes(blob.size)}`;
    onProgress({ fraction: blob.size ? written / blob.size : 1, label });
  });
}

/** Writes to the place that was chosen, or saves with a link where there is none. */
export async function saveBlob(
  files: FileDoor,
  place: SavePlace | null,
  blob: Blob,
  name: string,
  options: JobOptions,
): Promise<Status> {
  if (place) await writeTo(place, blob, options);
  else files.saveAsLink(blob, name);
  const text = `Saved ${place?.name ?? name}, ${formatBytes(blob.size)}`;
  return { kind: 'saved', text, savedBytes: blob.size };
}

export function createDownloadActions(context: SliceContext): Pick<StudioActions, 'setFormat' | 'download'> {
  const { api, files, set, get, jobs, variant } = context;
  return {
    setFormat(format) {
      if (format !== get().saveAs.format) set({ saveAs: { format, saved: null } });
    },

    async download() {
      const { model, merge } = get();
      if (!model) return;
      const format = chosenFormat(get()).id;
      const name = suggestedName(model, merge.result?.plan ?? null, format);
      const cancelled = 'Nothing was saved.';
      await jobs
        .run({ step: 'download', label: 'Composing the file', cancelled }, async (options) => {
          set({ saveAs: { ...get().saveAs, saved: null } });
          const place = await files.choosePlace(name);
          await variant.settle(options);
          const { blob, fileName, notes } = await api.download(format, options);
          if (options.signal.aborted) throw options.signal.reason;
          const linkName = savedName(name, fileName);
          const status = await saveBlob(files, place, blob, linkName, options);
          const saved = place?.name ?? linkName;
          if (chosenFormat(get()).id === format) {
            set({ saveAs: { ...get().saveAs, saved: { fileName: saved, format, notes } } });
          }
          return status;
        })
        .catch((error: unknown) => {
          if (!isAbort(error)) throw error;
        });
    },
  };
}
