/**
 * Which of several files of one model is opened, where a hub's whole folder is dropped.
 *
 * Why: hubs keep a model beside its copies in other precisions (`model_fp16.onnx`, `model_quantized.onnx`, `model_q4.onnx`;
 * optimum's `model_O3.onnx`), and one of them can be opened. The one that loses least is the best to merge: full
 * precision before half, half before bits; graphs quantized dynamically come last, as they cannot be merged.
 *
 * Source: the names that transformers.js, optimum and sentence-transformers give.
 * Known limits: copies are told by their names alone, within one folder; other names are no copies.
 */
import { type NamedBlob, pathOf } from '../data/files.ts';

/** Endings of names, by the order in which they are preferred; `model.onnx`, without any, is before all of them. */
const PRECISIONS: readonly RegExp[] = [
  /[-_.](fp32|float32)$/,
  /[-_.]o[1-3]$/,
  /[-_.](fp16|float16)$/,
  /[-_.](bf16|bfloat16)$/,
  /[-_.]o4$/,
  /[-_.](q4|int4|uint4|4bit)$/,
  /[-_.]q4f16$/,
  /[-_.](quantized|q8|8bit|q?u?int8([-_.](avx2|avx512|avx512_vnni|arm64))?|bnb4)$/,
];

export interface ChosenVariants {
  readonly models: readonly NamedBlob[];
  /** Other precisions of those, which are not opened. */
  readonly left: readonly NamedBlob[];
}

/** The best precision of each model; files that are no copies of each other stay. */
export function chooseVariants(models: readonly NamedBlob[]): ChosenVariants {
  const best = new Map<string, { file: NamedBlob; rank: number }>();
  for (const file of models) {
    const { base, rank } = precisionOf(pathOf(file));
    const known = best.get(base);
    // Two files of one name are two models, or one twice: not to be chosen between here.
    if (known?.rank === rank && known.file.name === file.name) return { models, left: [] };
    if (!known || rank < known.rank) best.set(base, { file, rank });
  }
  const chosen = new Set([...best.values()].map(({ file }) => file));
  return { models: models.filter((m) => chosen.has(m)), left: models.filter((m) => !chosen.has(m)) };
}

/** What is said of the files that were not opened; undefined where there are none. */
export function variantsNote({ models, left }: ChosenVariants): string | undefined {
  if (left.length === 0) return undefined;
  const [opened, copies] = [models, left].map((files) => listed(files.map((f) => `“${f.name}”`)));
  const several = left.length > 1;
  const are = several
    ? 'are the same model in other precisions and were'
    : 'is the same model in another precision and was';
  return `Opened ${opened}; going by the names, ${copies} ${are} left out. To merge ${several ? 'one of them' : 'it'} instead, drop it without the others.`;
}

/** `a, b and c`. */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** The path without its ending, and the ending's place in the order. */
function precisionOf(path: string): { base: string; rank: number } {
  const stem = path.toLowerCase().replace(/\.onnx$/, '');
  const rank = PRECISIONS.findIndex((ending) => ending.test(stem));
  return rank < 0 ? { base: stem, rank } : { base: stem.replace(PRECISIONS[rank], ''), rank };
}
