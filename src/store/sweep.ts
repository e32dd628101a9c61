/**
 * The sweep: every window of some widths, merged and scored on the select split. Windows come in one by one and stay,
 * whatever becomes of the rest; asked again, the worker answers what it has scored from its cache.
 */
import type { SliceContext } from './context.ts';
import { scoreValue, usesReference, usesScore } from './describe.ts';
import { sweepCsv, sweepFileName } from './export.ts';
import { formatSeconds } from './format.ts';
import { betterFirst, sameMetric } from './metrics.ts';
import type {
  MergeMethodId,
  MetricChoice,
  StudioActions,
  StudioFacts,
  SweepEntry,
  SweepRequest,
  SweepRun,
} from './types.ts';

type SweepActions = Pick<StudioActions, 'runSweep' | 'showStrip' | 'saveSweep'>;

/** The method that windows are tried with: the chosen one, where it makes one FFN of a window. */
export function windowMethod(method: MergeMethodId): SweepRequest['method'] {
  return method === 'random' || method === 'ffn-drop' || method === 'layer-drop' ? 'permute' : method;
}

/** Method, reference and score as they stand, for trying windows. */
export function windowSettings({ merge }: StudioFacts): Pick<SweepRequest, 'method' | 'reference' | 'score'> {
  return { method: windowMethod(merge.method), reference: merge.reference, score: merge.score };
}

/** Windows of these widths in a stack. */
export function windowCount(layers: number, widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + Math.max(0, layers - width + 1), 0);
}

export function widthOf({ first, last }: Pick<SweepEntry, 'first' | 'last'>): number {
  return last - first + 1;
}

/** The entries of the widths that were last asked for, best first. */
export function rankedEntries({ entries, request, metric }: SweepRun): SweepEntry[] {
  const asked = entries.filter((entry) => request.widths.includes(widthOf(entry)));
  return asked.sort(betterFirst(metric.metric));
}

/** Why these widths cannot be swept, as a sentence; null where they can. */
export function widthRefusal(layers: number, narrowest: number, widest: number): string | null {
  const known = (width: number) => Number.isInteger(width) && width >= 2 && width <= layers;
  if (!known(narrowest) || !known(widest)) return `Widths are whole numbers from 2 to ${layers}.`;
  return narrowest > widest
    ? `The narrowest window (${narrowest}) is wider than the widest (${widest}): swap them.`
    : null;
}

function sameSettings(a: SweepRequest, b: SweepRequest): boolean {
  return (
    a.method === b.method &&
    (!usesReference(a.method) || a.reference === b.reference) &&
    (!usesScore(a.method) || scoreValue(a.score) === scoreValue(b.score))
  );
}

function withEntry(entries: readonly SweepEntry[], entry: SweepEntry): SweepEntry[] {
  const others = entries.filter(({ first, last }) => first !== entry.first || last !== entry.last);
  return [...others, entry];
}

/** Where a sweep starts from: with the same settings, from all that they have scored before. */
function beginning(before: SweepRun | undefined, request: SweepRequest, metric: MetricChoice): SweepRun {
  const goesOn = before && sameSettings(before.request, request) && sameMetric(before.metric, metric);
  if (!goesOn) return { request, metric, entries: [], finished: null };
  const sameWidths = before.request.widths.join() === request.widths.join();
  return { request, metric, entries: before.entries, finished: sameWidths ? before.finished : null };
}

/** Entries can come faster than hundreds of windows are drawn: they are shown together, so often at most. */
const showEvery = (windows: number): number => 100 + 2 * windows;

export function createSweepActions({
  api,
  files,
  set,
  get,
  jobs,
  fail,
  variant,
}: SliceContext): SweepActions {
  const put = (groupId: string, run: SweepRun) => {
    const { sweeps, view } = get();
    const { widths } = run.request;
    const shown = view.stripWidth !== null && widths.includes(view.stripWidth);
    set({
      sweeps: { ...sweeps, [groupId]: run },
      ...(!shown && run.entries.length > 0 && { view: { ...view, stripWidth: widths[0] } }),
    });
  };

  return {
    async runSweep(narrowest, widest) {
      const { model, view } = get();
      const group = model?.groups.find(({ id }) => id === view.groupId);
      if (!group) return;
      const refusal = widthRefusal(group.layers, narrowest, widest);
      if (refusal) return fail('sweep', refusal);
      const widths = Array.from({ length: widest - narrowest + 1 }, (_, index) => narrowest + index);
      const request: SweepRequest = { groupId: group.id, widths, ...windowSettings(get()) };
      const total = windowCount(group.layers, widths);
      const cancelled = () => {
        const run = get().sweeps[group.id];
        const done = run?.request === request ? rankedEntries(run).length : 0;
        return `${done} of ${total} windows are scored and kept; sweep again to go on from there.`;
      };
      await jobs.run({ step: 'sweep', label: 'Sweeping windows', cancelled }, async (options) => {
        await variant.settleMetric(options);
        let run = beginning(get().sweeps[group.id], request, get().metric.chosen ?? { metric: 'perplexity' });
        // A sweep with other settings is shown until this one has something of its own.
        if (run.entries.length > 0) put(group.id, run);
        let shownAt = 0;
        const show = (entry: SweepEntry) => {
          run = { ...run, entries: withEntry(run.entries, entry) };
          if (performance.now() - shownAt < showEvery(total)) return;
          put(group.id, run);
          shownAt = performance.now();
        };
        try {
          const { entries, ...finished } = await api.sweep(request, {
            signal: options.signal,
            onProgress: ({ partial, ...progress }) => {
              options.onProgress(progress);
              if (partial?.sweep) show(partial.sweep);
            },
          });
          run = { ...run, entries: entries.reduce(withEntry, run.entries), finished };
          return {
            kind: 'done',
            text: `Scored ${entries.length} windows in ${formatSeconds(finished.seconds)}.`,
          };
        } finally {
          // Whatever ended it: what was scored stays.
          if (run.entries.length > 0) put(group.id, run);
        }
      });
    },

    showStrip: (stripWidth) => set({ view: { ...get().view, stripWidth } }),

    saveSweep() {
      const { sweeps, view } = get();
      const run = sweeps[view.groupId ?? ''];
      if (!run) return;
      const blob = new Blob([sweepCsv(rankedEntries(run))], { type: 'text/csv' });
      files.saveAsLink(blob, sweepFileName(run.request.groupId));
    },
  };
}
