/** Saving the current variant as a file. */
import type { JobOptions, SavePlace, SliceContext } from './context.ts';
import { formatBytes } from './format.ts';
import { chosenFormat, savedName, suggestedName } from './formats.ts';
import { isAbort } from './jobs.ts';
import type { StudioActions } from './types.ts';

async function writeTo(place: SavePlace, blob: Blob, { signal, onProgress }: JobOptions): Promise<void> {
  await place.write(blob, signal, (written) => {
    const last = written >= blob.size;
    const label = last
      ? 'Finalising the file'
      : `Writing, ${formatBytes(written)} of ${formatBytes(blob.size)}`;
    onProgress({ fraction: blob.size ? written / blob.size : 1, label });
  });
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
          if (place) await writeTo(place, blob, options);
          else files.saveAsLink(blob, linkName);
          const saved = place?.name ?? linkName;
          if (chosenFormat(get()).id === format) {
            set({ saveAs: { ...get().saveAs, saved: { fileName: saved, format, notes } } });
          }
          return { kind: 'saved', text: `Saved ${saved}, ${formatBytes(blob.size)}`, savedBytes: blob.size };
        })
        .catch((error: unknown) => {
          if (!isAbort(error)) throw error;
        });
    },
  };
}
