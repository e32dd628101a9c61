/**
 * What a model is for, from its graph's inputs and outputs; that decides what data it is fed and what is scored.
 *
 * Names are those of Hugging Face's exports (`input_ids`, `decoder_input_ids`, `pixel_values`, `input_features`,
 * `input_values`), which other exporters follow; an unnamed single input of rank 4 is taken for images. A score for
 * each token of the table is told from a hidden state by its name or its width.
 *
 * Known limits: a causal and a masked language model may have the same inputs and outputs. Token types tell a masked
 * one and caches a causal one; `refineTask` asks config.json and the tokenizer for the rest.
 */
import type { ValueInfo } from '../onnx/types.ts';
import type { Task } from './types.ts';

/** A past key or value, under the names that exporters give them. */
export const isCacheName = (name: string): boolean => /^past(_key|_value|_self|_\d|\.|$)/.test(name);

/** Outputs of one vector an item, by name. */
const POOLED = /pool|embed|sentence|cls|representation/i;
/** Outputs of one vector a position, by name. */
const HIDDEN = /hidden|last_state/i;

/**
 * @param output the one that is scored
 * @param vocabulary rows of the token table, where known
 */
export function taskOf(
  inputs: readonly ValueInfo[],
  output: ValueInfo | undefined,
  vocabulary: number | undefined,
): Task {
  const names = new Set(inputs.map((v) => v.name));
  const rank = output?.dims?.length;
  const scores = isScores(output, vocabulary);
  if (names.has('decoder_input_ids')) {
    if (names.has('input_ids')) return 'seq2seq-text';
    return names.has('input_features') || names.has('input_values') ? 'seq2seq-audio' : 'unknown';
  }
  if (names.has('input_ids') && names.has('pixel_values')) return 'text-and-image';
  if (names.has('input_ids') && !names.has('encoder_hidden_states')) {
    if (rank === 2) return scores ? 'text-classification' : 'text-encoder';
    if (rank !== undefined && rank !== 3) return 'unknown';
    if (!scores) return 'text-encoder';
    // Classes of tokens, as for names of people and places, are no table of tokens.
    const width = output?.dims?.at(-1);
    if (typeof width === 'number' && vocabulary !== undefined && width < vocabulary)
      return 'text-classification';
    const cached = [...names].some(isCacheName);
    return names.has('token_type_ids') && !cached ? 'masked-lm' : 'causal-lm';
  }
  if (names.has('input_values') || names.has('input_features')) {
    return rank !== 2 && scores ? 'audio-ctc' : 'audio-encoder';
  }
  const picture =
    inputs.find((v) => v.name === 'pixel_values') ?? (inputs.length === 1 ? inputs[0] : undefined);
  if (picture?.dims?.length === 4 || (picture?.name === 'pixel_values' && !picture.dims)) {
    if (rank === 2 || rank === undefined) return scores ? 'image-classification' : 'image-encoder';
    return rank === 3 && picture.name === 'pixel_values' ? 'image-encoder' : 'unknown';
  }
  return 'unknown';
}

/** Whether an output is scores (of tokens, of classes) rather than a hidden state. */
function isScores(output: ValueInfo | undefined, vocabulary: number | undefined): boolean {
  if (!output || /logit|score/i.test(output.name)) return true;
  if (HIDDEN.test(output.name) || POOLED.test(output.name)) return false;
  const width = output.dims?.at(-1);
  const narrow = typeof width === 'number' && vocabulary !== undefined && width < vocabulary;
  return output.dims?.length !== 3 || !narrow;
}

/** Whether an output has one row an item rather than one a position. */
export function isPooled(output: ValueInfo | undefined): boolean {
  const rank = output?.dims?.length;
  return rank === undefined
    ? POOLED.test(output?.name ?? '') && !HIDDEN.test(output?.name ?? '')
    : rank === 2;
}

/**
 * The same with what the other files say.
 * @param architectures of config.json
 * @param hasMask whether the tokenizer has a mask token
 */
export function refineTask(task: Task, architectures: readonly string[], hasMask: boolean | undefined): Task {
  if (task !== 'causal-lm' && task !== 'masked-lm') return task;
  if (architectures.some((a) => /MaskedLM|PreTraining$/.test(a))) return 'masked-lm';
  if (architectures.some((a) => /CausalLM|LMHead/.test(a))) return 'causal-lm';
  return task === 'causal-lm' && hasMask ? 'masked-lm' : task;
}
