/** Saving the report. What writes it is loaded when it is first asked for: no part of it is in the first load. */
import { knownScores } from './compare.ts';
import type { SliceContext } from './context.ts';
import { saveBlob } from './download.ts';
import { reportName } from './formats.ts';
import type { StudioActions } from './types.ts';

export function createReportActions(context: SliceContext): Pick<StudioActions, 'saveReport'> {
  const { api, files, get, jobs, fail, variant } = context;
  return {
    async saveReport(kind) {
      const { model, merge } = get();
      const { result } = merge;
      if (!model || !result) return fail('download', 'Nothing is merged to report on: merge layers first.');
      const name = reportName(model, result.plan, kind);
      const cancelled = 'Nothing was saved.';
      await jobs.run({ step: 'download', label: 'Writing the report', cancelled }, async (options) => {
        const place = await files.choosePlace(name);
        await variant.settle(options);
        const identity = await api.identity(options);
        const { json } = await api.recipe(knownScores(get()), options);
        const [{ reportOf }, { parseRecipe }, { reportHtml }, { reportMarkdown }] = await Promise.all([
          import('./report.ts'),
          import('../recipe/recipe.ts'),
          import('../report/html.ts'),
          import('../report/markdown.ts'),
        ]);
        options.signal.throwIfAborted();
        const recipe = parseRecipe(json);
        const report = reportOf(get(), {
          ...identity,
          app: recipe.app,
          recipe,
          date: new Date().toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short' }),
          browser: files.browserName(),
        });
        // Picks that were cleared meanwhile: the merge is gone.
        if (!report || get().merge.result !== result) throw new Error('The picks were cleared meanwhile.');
        const text = kind === 'html' ? reportHtml(report) : reportMarkdown(report);
        const type = kind === 'html' ? 'text/html' : 'text/markdown';
        return saveBlob(files, place, new Blob([text], { type }), name, options);
      });
    },
  };
}
