/** Sound for encoders, for models that spell what they hear, and for encoder–decoders. */
import { createAudioDataset } from '../data/audio.ts';
import { positionsOf, readConfig } from '../data/config.ts';
import { decoderRules } from '../data/decoder.ts';
import { readSoundRecipe } from '../data/sound-recipe.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import {
  arraysOf,
  type DataFiles,
  type DataStage,
  fillInputs,
  inputsOf,
  missing,
  ready,
} from './data-common.ts';
import type { OpenedModel } from './opened.ts';
import type { Metric, Need } from './types.ts';

/** Tokens that a decoder is fed where nothing says how many: Whisper's. */
const MOST_TOKENS = 448;

export async function prepareAudio(opened: OpenedModel, files: DataFiles): Promise<DataStage> {
  const speaks = opened.task === 'seq2seq-audio';
  const filling = await fillInputs(opened, files, speaks ? ['sound', 'decoder'] : ['sound'], 'sound');
  if (filling.needs.length > 0) return missing(...filling.needs);
  const inputs = inputsOf(opened);
  const input =
    inputs.find((i) => i.name === 'input_features') ?? inputs.find((i) => i.name === 'input_values')!;
  const others = new Set(inputs.filter((i) => i !== input).map((i) => i.name));
  const arrays = arraysOf(files).filter((f) => !others.has(nameWithoutSplit(f.name)));
  const needs: Need[] = [];
  if (files.audios.length + arrays.length === 0) {
    needs.push({
      what: 'data',
      sentence: speaks
        ? 'Drop recordings: .wav files, with what is said in them as a .csv or .tsv of files and texts, or as .txt files of their names.'
        : `Drop recordings: .wav files, or ${input.name}.npy.`,
    });
  }
  const recipe = await readSoundRecipe(files.preprocessor, input.name as 'input_features' | 'input_values');
  const onlyArrays = files.audios.length === 0 && arrays.length > 0;
  if (!recipe && !onlyArrays) {
    needs.push({
      what: 'preprocessor',
      sentence:
        'Drop the preprocessor_config.json that was saved with the model: it says how sound is made into features.',
    });
  }
  if (speaks && !files.tokenizer && files.audios.length > 0 && hasTexts(files)) {
    needs.push({
      what: 'tokenizer',
      sentence: 'Drop the tokenizer.json that belongs to this model, for the transcripts.',
    });
  }
  if (needs.length > 0) return missing(...needs);
  const width = opened.scoreOutput?.dims?.at(-1);
  const dataset = await createAudioDataset(
    {
      recordings: files.audios,
      arrays,
      texts: files.texts,
      tables: files.labels.filter((f) => /\.[ct]sv$/i.test(f.name)),
    },
    {
      input,
      recipe: recipe ?? { rate: 16_000, normalise: false, notes: [] },
      plan: filling.plan,
      extras: filling.extras,
      ...(speaks && { decoder: await decoderFor(opened, files) }),
      ...(!speaks && typeof width === 'number' && { width }),
    },
  );
  const metrics: readonly [Metric, ...Metric[]] =
    opened.task === 'audio-encoder'
      ? ['cosine']
      : dataset.labelled
        ? ['perplexity', 'token-accuracy', 'kl', 'agreement']
        : ['kl', 'agreement'];
  return ready(dataset, opened.task, metrics);
}

async function decoderFor(opened: OpenedModel, files: DataFiles) {
  const codec = files.tokenizer && (await loadTokenizer(files.tokenizer, undefined));
  const config = await readConfig(files.config);
  const fixed = opened.inputs.find((v) => v.name === 'decoder_input_ids')?.dims?.[1];
  const positions = positionsOf(config) ?? MOST_TOKENS;
  return {
    rules: decoderRules(config, await readConfig(files.generation), codec),
    ...(codec && { codec }),
    most: typeof fixed === 'number' ? fixed : positions,
    ...(typeof fixed === 'number' && { fixed }),
  };
}

function hasTexts({ texts, labels }: DataFiles): boolean {
  return texts.length > 0 || labels.some((f) => /\.[ct]sv$/i.test(f.name));
}

function nameWithoutSplit(fileName: string): string {
  return fileName.replace(/\.npy$/i, '').replace(/^(calibrate|select|report)[-_. ]/i, '');
}
