/** The bytes of saved files, for runtimes that take a whole model. */
import type { EditedFiles } from '../merge/write-back.ts';
import type { OpenedModel } from '../pipeline/opened.ts';
import { savedFiles } from '../pipeline/saved.ts';

/** The first file of a model of one file. */
export async function savedBytes(opened: OpenedModel, files?: EditedFiles): Promise<Uint8Array<ArrayBuffer>> {
  const [file] = savedFiles(opened, files);
  return new Uint8Array(await file.toBlob().arrayBuffer());
}
