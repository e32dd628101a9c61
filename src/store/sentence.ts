/**
 * Cuts a sentence of the worker into words, names and a list of inputs, so that the page can set them apart: names of
 * files and tensors in a fixed-width face, and a run of `name (type, shape)` one a line.
 * Known limits: names are told by their look (an ending of a file that this studio reads, an underscore within) or by
 * being the model's own; a name that is a plain word stays a word.
 */
import type { ValueSummary } from './types.ts';

export type SentencePart =
  | { readonly kind: 'words' | 'name'; readonly text: string }
  | { readonly kind: 'values'; readonly values: readonly ValueSummary[] };

const ENDINGS = 'onnx|onnx_data|data|bin|json|jsonl|npy|npz|txt|csv|tsv|zip|safetensors';
const LOOKS = `[\\w-]+(?:[./][\\w-]+)*\\.(?:${ENDINGS})\\b|\\b[A-Za-z][\\w.]*_[\\w.]*\\w`;

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** @param values inputs of the model: their names are set apart, and two or more listed in a row become a list */
export function sentenceParts(sentence: string, values: readonly ValueSummary[] = []): SentencePart[] {
  const run = longestRun(sentence, values);
  if (!run) return namesIn(sentence, values);
  return [
    ...namesIn(sentence.slice(0, run.start), values),
    { kind: 'values', values: run.values },
    ...namesIn(sentence.slice(run.end).replace(/^[.,;]\s*/, ''), values),
  ];
}

/** Where the sentence lists two or more values as `name (type, shape), name (type, shape)`. */
function longestRun(sentence: string, values: readonly ValueSummary[]) {
  const listed = (value: ValueSummary) => `${value.name} (${value.dtype}, ${value.shape})`;
  let best: { start: number; end: number; values: ValueSummary[] } | undefined;
  for (let first = 0; first < values.length; first++) {
    const start = sentence.indexOf(listed(values[first]));
    if (start < 0) continue;
    let end = start + listed(values[first]).length;
    let last = first + 1;
    for (; last < values.length && sentence.startsWith(`, ${listed(values[last])}`, end); last++) {
      end += listed(values[last]).length + 2;
    }
    const found = last - first;
    if (found > 1 && found > (best?.values.length ?? 0)) {
      best = { start, end, values: values.slice(first, last) };
    }
  }
  return best;
}

function namesIn(text: string, values: readonly ValueSummary[]): SentencePart[] {
  const own = values
    .map(({ name }) => name)
    .filter((name) => name.length > 2)
    .sort((a, b) => b.length - a.length)
    .map((name) => `(?<![\\w.])${escaped(name)}(?![\\w])(?!\\.\\w)`);
  const pattern = new RegExp([LOOKS, ...own].join('|'), 'g');
  const parts: SentencePart[] = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > at) parts.push({ kind: 'words', text: text.slice(at, match.index) });
    parts.push({ kind: 'name', text: match[0] });
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push({ kind: 'words', text: text.slice(at) });
  return parts;
}
