/** The files that a variant of an opened model is saved as. */
import type { NamedBlob } from '../data/files.ts';
import type { EditedFiles } from '../merge/write-back.ts';
import { hasEdits, type SavedFile, saveModel } from '../onnx/save.ts';
import type { ModelFile } from './model-files.ts';
import type { OpenedModel } from './opened.ts';

/**
 * All files, in the order in which they were opened, each model with its data files. Without edits each is byte for
 * byte what it was; a data file of several models is saved once then, and as one for each that is edited, since each
 * keeps other tensors of it. Nothing is read until a file is.
 */
export function savedFiles(
  { files }: Pick<OpenedModel, 'files'>,
  edited: EditedFiles = new Map(),
): SavedFile[] {
  const locations = newLocations(files, edited);
  const saved = new Map<string, SavedFile>();
  for (const file of files) {
    const mine = saveModel(
      file.model,
      edited.get(file) ?? {},
      file.fileName,
      file.externals,
      (location) => locations.get(file)?.get(location) ?? location,
    );
    for (const [i, one] of mine.entries()) {
      // Two models of one name are told by whoever packs them.
      const key = i === 0 ? `${saved.size}:${one.name}` : one.name;
      if (!saved.has(key)) saved.set(key, one);
    }
  }
  return [...saved.values()];
}

/** Bytes of all files together. */
export function savedSize(opened: Pick<OpenedModel, 'files'>, edited?: EditedFiles): number {
  return savedFiles(opened, edited).reduce((sum, { size }) => sum + size, 0);
}

/** Where data files go that cannot keep their names: another one has it, or no archive can. */
function newLocations(
  files: readonly ModelFile[],
  edited: EditedFiles,
): ReadonlyMap<ModelFile, ReadonlyMap<string, string>> {
  /** What is saved under a name; null: a file written anew. */
  const taken = new Map<string, NamedBlob | null>();
  const locations = new Map<ModelFile, Map<string, string>>();
  const isWritten = (file: ModelFile) => hasEdits(edited.get(file) ?? {});
  // What is not edited keeps its data files, so that they need not be written.
  const inOrder = [...files].sort((a, b) => Number(isWritten(a)) - Number(isWritten(b)));
  for (const file of inOrder) {
    const mine = new Map<string, string>();
    for (const [location, blob] of file.externals) {
      const contents = isWritten(file) ? null : blob;
      const wanted = plainPath(location);
      const isFree = (name: string) =>
        !taken.has(name) || (contents !== null && name === location && taken.get(name) === contents);
      let name = wanted;
      for (let k = 1; !isFree(name); k++) {
        const folder = wanted.slice(0, wanted.lastIndexOf('/') + 1);
        name = `${folder}${file.fileName}_data${k > 1 ? `.${k}` : ''}`;
      }
      mine.set(location, name);
      taken.set(name, name === location ? contents : null);
    }
    locations.set(file, mine);
  }
  return locations;
}

/** A location without steps that lead nowhere or out of the folder, which an archive refuses. */
function plainPath(location: string): string {
  const steps = location.split(/[\\/]/).filter((step) => step !== '' && step !== '.' && step !== '..');
  return steps.join('/') || 'data';
}
