/**
 * What a drop on “Open” holds: the model files that are opened, of each model one precision; and what is said of the
 * rest.
 *
 * Why: hubs give whole folders, with a model in several precisions, and zips of them, as this page itself saves. An
 * archive is opened as a model where no .onnx was dropped beside it; else it is data.
 */
import { unpackModel } from '../data/archive.ts';
import { DataError } from '../data/errors.ts';
import { type NamedBlob, noModelSentence, type SortedFiles, sortFiles } from '../data/files.ts';
import { type ChosenVariants, chooseVariants, variantsNote } from './model-variants.ts';
import type { OpenedModel } from './opened.ts';

export interface ModelDrop {
  /** Everything, with what is in archives of models. */
  readonly all: readonly NamedBlob[];
  readonly sorted: SortedFiles;
  readonly variants: ChosenVariants;
}

/** @throws DataError where no model is in it, or an archive is damaged */
export async function modelDrop(dropped: readonly NamedBlob[]): Promise<ModelDrop> {
  let all = dropped;
  let sorted = sortFiles(all);
  if (sorted.models.length === 0) {
    const unpacked: (readonly NamedBlob[])[] = [];
    for (const file of dropped) unpacked.push((isZip(file) && (await unpackModel(file))) || [file]);
    all = unpacked.flat();
    sorted = sortFiles(all);
  }
  if (sorted.models.length === 0) throw new DataError(noModelSentence(dropped));
  return { all, sorted, variants: chooseVariants(sorted.models) };
}

/** Sentences on files that were not opened. */
export function dropNotes(
  { files }: OpenedModel,
  { externals, others }: SortedFiles,
  variants: ChosenVariants,
): string[] {
  const used = new Set(files.flatMap((f) => [...f.externals.values()]));
  // The weights of a model that was left out go with it.
  const isLeft = ({ name }: NamedBlob) => variants.left.some((v) => name.startsWith(v.name));
  const unused = [...externals.values(), ...others].filter((f) => !used.has(f) && !isLeft(f));
  const note = variantsNote(variants);
  return [
    ...(note ? [note] : []),
    ...(unused.length > 0 ? [`Not used: ${unused.map((f) => f.name).join(', ')}.`] : []),
  ];
}

function isZip({ name }: NamedBlob): boolean {
  return /\.zip$/i.test(name);
}
