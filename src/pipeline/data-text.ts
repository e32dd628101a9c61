/** Text for language models and encoders, and pairs of texts for encoder–decoders. */
import { architecturesOf, readConfig } from '../data/config.ts';
import { decoderRules } from '../data/decoder.ts';
import { createPairDataset } from '../data/pairs.ts';
import { createTextDataset } from '../data/text.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import { contextLength, type DataFiles, type DataStage, fillInputs, missing, ready } from './data-common.ts';
import type { OpenedModel } from './opened.ts';
import { isPooled, refineTask } from './task.ts';
import type { Metric, Need, Task } from './types.ts';

const TOKENIZER: Need = {
  what: 'tokenizer',
  sentence: 'Drop the tokenizer.json that belongs to this model.',
};
const NO_LENGTH: Need = {
  what: 'context-length',
  sentence:
    'The context length is in neither config.json nor the graph: say how many tokens a chunk should have.',
};

/** Language models, encoders and classifiers of text. */
export async function prepareText(
  opened: OpenedModel,
  files: DataFiles,
  askedLength: number | undefined,
): Promise<DataStage> {
  const { plan, extras, needs: inputNeeds, config } = await fillInputs(opened, files, ['tokens'], 'text');
  if (inputNeeds.length > 0) return missing(...inputNeeds);
  const needs: Need[] = [];
  if (!files.tokenizer) needs.push(TOKENIZER);
  if (files.texts.length === 0) {
    needs.push({
      what: 'data',
      sentence: textSentence(files),
    });
  }
  const context = await contextLength(opened, files, askedLength);
  if (!context) needs.push(NO_LENGTH);
  if (needs.length > 0 || !files.tokenizer || !context) return missing(...needs);
  const task = await taskWith(opened, files.tokenizer, architecturesOf(config));
  const [fixedBatch, fixedLength] = opened.inputs.find((v) => v.name === 'input_ids')?.dims ?? [];
  const output = opened.scoreOutput;
  const width = output?.dims?.at(-1);
  const style = task === 'causal-lm' ? 'next-token' : task === 'masked-lm' ? 'masked' : 'encode';
  const dataset = await createTextDataset(files.texts, files.tokenizer, {
    contextLength: context.length,
    contextSource: context.source,
    ...(typeof fixedBatch === 'number' && { fixedBatch }),
    fixedLength: typeof fixedLength === 'number',
    inputs: opened.inputs.map((v) => v.name),
    feeds: plan,
    extras,
    style,
    ...(style === 'encode' && { pooled: isPooled(output) }),
    ...(style === 'encode' && typeof width === 'number' && { width }),
    ...(opened.vocabulary !== undefined && { vocabulary: opened.vocabulary }),
  });
  return ready(dataset, task, metricsOf(task, dataset.labelled));
}

/** Tables are read for other models; here they may hold the very texts that are meant. */
function textSentence({ labels }: DataFiles): string {
  const table = labels.find((f) => /\.[ct]sv$/i.test(f.name));
  return table
    ? `“${table.name}” is a table, and this model takes running text: save its column of texts as a .txt with a text a line, or as .jsonl, and drop that.`
    : 'Drop text to calibrate on: .txt or .jsonl files, or calibrate.txt, select.txt and report.txt.';
}

function metricsOf(task: Task, labelled: boolean): readonly [Metric, ...Metric[]] {
  if (task === 'causal-lm') return ['perplexity', 'strided-perplexity', 'token-accuracy', 'kl', 'agreement'];
  if (task === 'text-encoder') return ['cosine'];
  return labelled ? ['perplexity', 'token-accuracy', 'kl', 'agreement'] : ['kl', 'agreement'];
}

/** Whether a model of hidden tokens looks like one of next tokens. */
async function taskWith(
  { task }: OpenedModel,
  tokenizer: NonNullable<DataFiles['tokenizer']>,
  architectures: readonly string[],
): Promise<Task> {
  if (task !== 'causal-lm') return refineTask(task, architectures, undefined);
  const { mask } = await loadTokenizer(tokenizer, undefined);
  return refineTask(task, architectures, mask !== undefined);
}

/** Tokens a side where nothing says how many: what translation models of the Marian family take. */
const PAIR_LENGTH = 512;

/** Encoder–decoders from text to text. */
export async function preparePairs(
  opened: OpenedModel,
  files: DataFiles,
  askedLength: number | undefined,
): Promise<DataStage> {
  const filling = await fillInputs(opened, files, ['tokens', 'decoder'], 'pairs of texts');
  if (filling.needs.length > 0) return missing(...filling.needs);
  const tables = files.labels.filter((f) => /\.[ct]sv$/i.test(f.name));
  const needs: Need[] = [];
  if (!files.tokenizer) needs.push(TOKENIZER);
  if (files.texts.length + tables.length === 0) {
    needs.push({
      what: 'data',
      sentence:
        'Drop pairs of texts, what goes in and what is to come out: a .jsonl with “source” and “target”, a .tsv or .csv of two columns, or two files such as dev.src and dev.tgt.',
    });
  }
  if (needs.length > 0 || !files.tokenizer) return missing(...needs);
  const codec = await loadTokenizer(files.tokenizer, opened.vocabulary);
  const generation = await readConfig(files.generation);
  const context = (await contextLength(opened, files, askedLength, PAIR_LENGTH))!;
  const fixedOf = (name: string, axis: number) => {
    const dim = opened.inputs.find((v) => v.name === name)?.dims?.[axis];
    return typeof dim === 'number' ? dim : undefined;
  };
  const [batch, source, target] = [
    fixedOf('input_ids', 0) ?? fixedOf('decoder_input_ids', 0),
    fixedOf('input_ids', 1),
    fixedOf('decoder_input_ids', 1),
  ];
  const dataset = await createPairDataset(files.texts, tables, {
    codec,
    rules: decoderRules(filling.config, generation, codec),
    plan: filling.plan,
    extras: filling.extras,
    contextLength: context.length,
    contextSource: context.source,
    fixed: {
      ...(batch !== undefined && { batch }),
      ...(source !== undefined && { source }),
      ...(target !== undefined && { target }),
    },
  });
  return ready(dataset, opened.task, ['perplexity', 'token-accuracy', 'kl', 'agreement']);
}
