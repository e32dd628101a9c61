/** Opening: the machine's probe, a model from files or a sample, and the data added to it later. */
import type { JobOptions, SliceContext } from './context.ts';
import { factsForData, factsForModel, metricForData } from './facts.ts';
import { isAbort, sentenceOf } from './jobs.ts';
import { isRecipeFile } from './recipe.ts';
import { SAMPLES } from './samples.ts';
import type { GpuPreference, Status, StudioActions } from './types.ts';

type OpenActions = Pick<
  StudioActions,
  'probe' | 'openFiles' | 'openSample' | 'addData' | 'setContextLength' | 'refuseFiles'
>;

export function createOpenActions(context: SliceContext): OpenActions {
  const { api, files: door, set, get, jobs, fail, session } = context;
  let probing: Promise<void> = Promise.resolve();
  let asked: GpuPreference = 'auto';

  const open = async (
    files: readonly File[],
    options: JobOptions,
    sample: string | null = null,
  ): Promise<Status> => {
    // An engine that stopped is looked for again: the next may be another one.
    if (get().engine.status === 'stopped') await get().probe(asked);
    await probing;
    const { model, data, needs } = await api.open(files, options);
    set({
      ...factsForModel(model, get()),
      data,
      needs,
      metric: metricForData(data),
      session: { ...get().session, sample },
    });
    return done(`Opened ${model.fileName}.`, options);
  };
  /** What was kept of the same model and data comes back with them. */
  const done = async (text: string, options: JobOptions): Promise<Status> => {
    try {
      const back = await session.resume(options);
      return { kind: 'done', text: back === null ? text : `${text} ${back}` };
    } catch (error) {
      // What was asked for is done all the same.
      if (!isAbort(error)) fail('open', sentenceOf(error));
      return { kind: 'done', text: `${text} The last session was not taken up.` };
    }
  };
  /** Recipes among the dropped files are carried out after the others are open. @returns the others */
  const withoutRecipes = async (files: readonly File[]) => {
    const recipes = await Promise.all(files.map(isRecipeFile));
    return { recipe: files.find((_, at) => recipes[at]), others: files.filter((_, at) => !recipes[at]) };
  };
  const kept = (): string => (get().model ? 'The model that was open is still here.' : 'Nothing was opened.');

  return {
    probe(gpu) {
      asked = gpu;
      set({ engine: { status: 'probing', summary: null } });
      probing = api.engine(gpu).then(
        (summary) => set({ engine: { status: 'ready', summary } }),
        (error: unknown) => {
          set({ engine: { status: 'failed', summary: null } });
          fail('open', sentenceOf(error));
        },
      );
      return probing;
    },

    async openFiles(files) {
      if (files.length === 0) return;
      const { recipe, others } = await withoutRecipes(files);
      if (others.length > 0) {
        const label = `Opening ${others.find((file) => file.name.endsWith('.onnx'))?.name ?? others[0].name}`;
        await jobs.run({ step: 'open', label, cancelled: kept() }, (options) => open(others, options));
        if (get().errors.length > 0) return;
      }
      if (recipe) await get().loadRecipe(recipe);
    },

    async openSample(name) {
      const sample = SAMPLES.find((known) => known.name === name);
      if (!sample) return fail('open', `There is no sample named ${name}.`);
      await jobs.run(
        { step: 'open', label: `Fetching the sample ${name}`, cancelled: kept() },
        async (options) => {
          const files = await Promise.all(
            sample.files.map((file) => door.fetchSample(name, file, options.signal)),
          );
          return open(files, options, name);
        },
      );
    },

    async addData(files) {
      if (files.length === 0) return;
      const { recipe, others } = await withoutRecipes(files);
      if (others.length === 0) return recipe && get().loadRecipe(recipe);
      const cancelled = 'The data is as it was.';
      await jobs.run({ step: 'calibrate', label: 'Reading the data', cancelled }, async (options) => {
        const { data, needs, formats } = await api.addData(others, options);
        const { model } = get();
        if (model && formats) set({ model: { ...model, formats } });
        set({ ...factsForData(get()), data, needs, metric: metricForData(data) });
        return done(data ? 'The data is ready.' : 'Read. Something is still needed.', options);
      });
      if (recipe) await get().loadRecipe(recipe);
    },

    async setContextLength(tokens) {
      if (!Number.isInteger(tokens) || tokens < 2) {
        return fail('calibrate', 'The context length is a whole number of tokens, 2 or more.');
      }
      const cancelled = 'The context length is as it was.';
      await jobs.run({ step: 'calibrate', label: 'Splitting the text', cancelled }, async (options) => {
        const { data, needs } = await api.setContextLength(tokens, options);
        set({ ...factsForData(get()), data, needs, metric: metricForData(data) });
        return done(`Text is split into chunks of ${tokens} tokens.`, options);
      });
    },

    refuseFiles(step, sentence) {
      fail(step, sentence);
    },
  };
}
