/** Original and merged side by side on real outputs. The outputs before stay until the new ones are there. */
import type { SliceContext } from './context.ts';
import type { StudioActions, StudioFacts } from './types.ts';

export function createExampleActions(context: SliceContext): Pick<StudioActions, 'compareExamples'> {
  const { api, set, get, jobs, fail, variant } = context;
  return {
    async compareExamples(request) {
      const { tokens, temperature, seed } = request;
      if (!(Number.isInteger(tokens) && tokens >= 0 && tokens <= 4096))
        return fail(
          'compare',
          'Tokens to write are a whole number from 0 (shows the likeliest next tokens instead) to 4096.',
        );
      if (!(temperature >= 0 && temperature <= 5))
        return fail('compare', 'The temperature is a number from 0 (always the likeliest token) to 5.');
      if (!(Number.isInteger(seed) && seed >= 0))
        return fail('compare', 'The seed is a whole number, 0 or more.');
      const cancelled = get().examples ? 'The outputs before it are kept.' : 'Nothing was compared.';
      await jobs.run({ step: 'compare', label: 'Running both models', cancelled }, async (options) => {
        await variant.settle(options);
        const of = get().merge.asked;
        const result = await api.examples(request, options);
        set({ examples: { request, result, of } });
        return { kind: 'done', text: 'Both outputs are here.' };
      });
    },
  };
}

/** What can be set side by side: text that is written on, pictures that are named; null for other models and data. */
export function examplesKind({
  model,
  data,
}: Pick<StudioFacts, 'model' | 'data'>): 'written' | 'pictures' | null {
  const task = data?.task ?? model?.task;
  const kind = data?.kind;
  if ((task === 'causal-lm' || task === 'seq2seq-text') && (!kind || kind === 'text' || kind === 'pairs'))
    return 'written';
  // Hidden tokens that are guessed are items to look at, as images are.
  if (task === 'masked-lm' && kind === 'text') return 'pictures';
  return kind === 'images' || (task === 'image-classification' && !kind) ? 'pictures' : null;
}

/** Where two texts part: characters that they share from the start, never half of a surrogate pair. */
export function sharedPrefix(a: string, b: string): number {
  let length = 0;
  for (const character of a) {
    if (!b.startsWith(character, length)) break;
    length += character.length;
  }
  return length;
}
