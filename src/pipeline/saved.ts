/** The files that a variant of an opened model is saved as. */
import type { EditedFiles } from '../merge/write-back.ts';
import { type SavedFile, saveModel } from '../onnx/save.ts';
import type { OpenedModel } from './opened.ts';

/**
 * All files, in the order in which they were opened, each model with its data files. Without edits each is byte for
 * byte what it was. Nothing is read until a file is.
 */
export function savedFiles({ files }: OpenedModel, edited: EditedFiles = new Map()): SavedFile[] {
  return files.flatMap((file) =>
    saveModel(file.model, edited.get(file) ?? {}, file.fileName, file.externals),
  );
}

/** Bytes of all files together. */
export function savedSize(opened: OpenedModel, edited?: EditedFiles): number {
  return savedFiles(opened, edited).reduce((sum, { size }) => sum + size, 0);
}
