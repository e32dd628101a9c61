/** Opening: the machine's probe, a model from files or a sample, and the data added to it later. */
import type { JobOptions, SliceContext } from './context.ts';
import { factsForData, factsForModel, metricForData } from './facts.ts';
import { sentenceOf } from './jobs.ts';
import { SAMPLES } from './samples.ts';
import type { Status, StudioActions } from './types.ts';

type OpenActions = Pick<
  StudioActions,
  'probe' | 'openFiles' | 'openSample' | 'addData' | 'setContextLength' | 'refuseFiles'
>;

export function createOpenActions({ api, files: door, set, get, jobs, fail }: SliceContext): OpenActions {
  let probing: Promise<void> = Promise.resolve();

  const open = async (files: readonly File[], options: JobOptions): Promise<Status> => {
    await probing;
    const { model, data, needs } = await api.open(files, options);
    set({ ...factsForModel(model, get()), data, needs, metric: metricForData(data) });
    return { kind: 'done', text: `Opened ${model.fileName}.` };
  };
  const kept = (): string => (get().model ? 'The model that was open is still here.' : 'Nothing was opened.');

  return {
    probe(gpu) {
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
      const label = `Opening ${files.find((file) => file.name.endsWith('.onnx'))?.name ?? files[0].name}`;
      await jobs.run({ step: 'open', label, cancelled: kept() }, (options) => open(files, options));
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
          return open(files, options);
        },
      );
    },

    async addData(files) {
      if (files.length === 0) return;
      const cancelled = 'The data is as it was.';
      await jobs.run({ step: 'calibrate', label: 'Reading the data', cancelled }, async (options) => {
        const { data, needs, formats } = await api.addData(files, options);
        const { model } = get();
        if (model && formats) set({ model: { ...model, formats } });
        set({ ...factsForData(get()), data, needs, metric: metricForData(data) });
        return { kind: 'done', text: data ? 'The data is ready.' : 'Read. Something is still needed.' };
      });
    },

    async setContextLength(tokens) {
      if (!Number.isInteger(tokens) || tokens < 2) {
        return fail('calibrate', 'The context length is a whole number of tokens, 2 or more.');
      }
      const cancelled = 'The context length is as it was.';
      await jobs.run({ step: 'calibrate', label: 'Splitting the text', cancelled }, async (options) => {
        const { data, needs } = await api.setContextLength(tokens, options);
        set({ ...factsForData(get()), data, needs, metric: metricForData(data) });
        return { kind: 'done', text: `Text is split into chunks of ${tokens} tokens.` };
      });
    },

    refuseFiles(step, sentence) {
      fail(step, sentence);
    },
  };
}
