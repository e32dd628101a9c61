/**
 * Merging, comparing and saving: the three things that use the worker's current variant.
 *
 * One rule keeps the variant unambiguous. `merge.result` says what a download holds. Picks or options that were changed
 * after a merge leave it as it is, and the page says that they differ (`mergeIsStale`). Clearing every pick
 * means the original: the result goes at once, and `settle` takes the worker's copy back before it is used again.
 */
import { formatBytes, formatSeconds, suggestedName } from './format.ts';
import { isAbort } from './jobs.ts';
import { withMatrices } from './see.ts';
import type { JobOptions, MergePlan, SliceContext, StudioActions, StudioFacts } from './types.ts';
import { sameWindow } from './windows.ts';

type MergeActions = Pick<StudioActions, 'setMethod' | 'setReference' | 'runMerge' | 'evaluate' | 'download'>;

/** True where the merge that a download holds is not the one that is now picked. */
export function mergeIsStale({ merge, picks }: StudioFacts): boolean {
  if (!merge.result) return false;
  const { plan } = merge.result;
  const same =
    plan.windows.length === picks.windows.length &&
    plan.windows.every((window) => picks.windows.some((other) => sameWindow(window, other)));
  return !same || plan.method !== merge.method || plan.reference !== merge.reference;
}

export function createMergeActions({ api, files, set, get, jobs, fail }: SliceContext): MergeActions {
  let tried = 0;
  const holds = (held: MergePlan | null) => set({ merge: { ...get().merge, held } });

  /** Brings the worker's variant in line with what the page shows. */
  const settle = async (options: JobOptions) => {
    const { held, result, method, reference } = get().merge;
    if (!held || result) return;
    await api.merge({ windows: [], method, reference }, options);
    holds(null);
  };

  return {
    setMethod: (method) => set({ merge: { ...get().merge, method } }),
    setReference: (reference) => set({ merge: { ...get().merge, reference } }),

    async runMerge() {
      const { windows } = get().picks;
      const { method, reference } = get().merge;
      if (windows.length === 0)
        return fail('merge', 'Nothing is picked yet: pick a window of layers on the heatmap first.');
      const cancelled = get().merge.result ? 'The merge before it still holds.' : 'The model is unchanged.';
      await jobs.run({ step: 'merge', label: 'Merging', cancelled }, async (options) => {
        const result = await api.merge({ windows, method, reference }, options);
        const { similarity, merge } = get();
        // Picks that were cleared while it ran: the worker holds a merge that nobody asks for any more.
        const wanted = get().picks.windows.length > 0;
        set({
          merge: { ...merge, result: wanted ? result : null, held: result.plan },
          similarity: { ...similarity, byGroup: withMatrices(similarity.byGroup, result.aligned) },
          evaluation: null,
        });
        return { kind: 'done', text: `Merged in ${formatSeconds(result.seconds)}.` };
      });
    },

    async evaluate() {
      const cancelled = 'Nothing was scored; the merge is kept.';
      await jobs.run(
        { step: 'compare', label: 'Scoring on the report split', cancelled },
        async (options) => {
          await settle(options);
          const { result } = get().merge;
          const evaluation = await api.evaluate('report', options);
          const now = get();
          if (now.merge.result !== result) {
            return { kind: 'done', text: 'Scored, but the picks were cleared meanwhile: evaluate again.' };
          }
          set({ evaluation });
          if (result) {
            const entry = { id: ++tried, plan: result.plan, saving: result.saving, evaluation };
            set({ tried: [...now.tried, entry] });
          }
          return { kind: 'done', text: `Scored in ${formatSeconds(evaluation.seconds)}.` };
        },
      );
    },

    async download() {
      const { model, merge } = get();
      if (!model) return;
      const name = suggestedName(model.fileName, merge.result?.plan ?? null);
      const cancelled = 'Nothing was saved.';
      await jobs
        .run({ step: 'download', label: 'Composing the file', cancelled }, async (options) => {
          const place = await files.choosePlace(name);
          await settle(options);
          const { blob, fileName } = await api.download(options);
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
