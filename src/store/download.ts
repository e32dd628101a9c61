/** Saving the current variant as a file. */
import type { SliceContext } from './context.ts';
import { suggestedName } from './describe.ts';
import { formatBytes } from './format.ts';
import { isAbort } from './jobs.ts';
import type { StudioActions } from './types.ts';

export function createDownloadActions(context: SliceContext): Pick<StudioActions, 'download'> {
  const { api, files, get, jobs, variant } = context;
  return {
    async download() {
      const { model, merge } = get();
      if (!model) return;
      const name = suggestedName(model.fileName, merge.result?.plan ?? null);
      const cancelled = 'Nothing was saved.';
      await jobs
        .run({ step: 'download', label: 'Composing the file', cancelled }, async (options) => {
          const place = await files.choosePlace(name);
          await variant.settle(options);
          const { blob, fileName } = await api.download('onnx', options);
          if (options.signal.aborted) throw options.signal.reason;
          if (place) {
            await place.write(blob, options.signal, (written) => {
              const last = written >= blob.size;
              const label = last
                ? 'Finalising the file'
                : `Writing, ${formatBytes(written)} of ${formatBytes(blob.size)}`;
              options.onProgress({ fraction: blob.size ? written / blob.size : 1, label });
            });
          } else {
            files.saveAsLink(blob, fileName);
          }
          const saved = place?.name ?? fileName;
          return { kind: 'saved', text: `Saved ${saved}, ${formatBytes(blob.size)}`, savedBytes: blob.size };
        })
        .catch((error: unknown) => {
          if (!isAbort(error)) throw error;
        });
    },
  };
}
