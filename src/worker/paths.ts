/**
 * Where files were in the folder that was dropped or picked, carried to the worker beside them.
 *
 * Why: a message copies a File without what was added to it. A drop's paths (`path`, which file-selector adds) never
 * arrive, a picked folder's (`webkitRelativePath`) not in every browser; but folders name the classes of images, and
 * tell apart data files of the same name.
 */

export interface PathedFile {
  readonly file: File;
  /** As the browser or the drop named it; empty where it is not known. */
  readonly path: string;
}

export function withPaths(files: readonly File[]): PathedFile[] {
  return files.map((file) => {
    const { path } = file as File & { path?: string };
    return { file, path: path || file.webkitRelativePath || '' };
  });
}

/** The files, each with a `path` where one is known. */
export function restorePaths(items: readonly PathedFile[]): File[] {
  return items.map(({ file, path }) =>
    path === '' ? file : Object.defineProperty(file, 'path', { value: path, configurable: true }),
  );
}
