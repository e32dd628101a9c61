/**
 * Files that are about to be saved, in float16: the download “onnx-float16” of a float32 model.
 *
 * Known limits: as flatten/narrow.ts; files other than models and their data are passed on as they are.
 */
import { narrowModel } from '../flatten/narrow.ts';
import { openOnnx } from '../onnx/reader.ts';
import { externalLocations, type SavedFile } from '../onnx/save.ts';

export interface Float16Files {
  readonly files: readonly SavedFile[];
  /** Sentences: what stays in float32, and why; of several models, each with its file's name. */
  readonly blocked: readonly string[];
}

/**
 * Narrows every model among the files, one after the other.
 * A model alone, and its data files, get `_fp16` in their names; those of several keep theirs, by which they are known.
 * @param files as `savedFiles` gives them: models with their data files
 * @param signal stops between two models
 * @throws OnnxError where a model or its data cannot be read
 */
export async function toFloat16(files: readonly SavedFile[], signal?: AbortSignal): Promise<Float16Files> {
  const isModel = ({ name }: SavedFile) => /\.onnx$/i.test(name);
  const blobs = new Map(files.map((file) => [file.name, file.toBlob()]));
  const models = files.filter(isModel);
  const rename = models.length === 1 ? fp16Name : (name: string) => name;
  const used = new Set<string>();
  const written = new Set<string>();
  const out: SavedFile[] = [];
  const blocked: string[] = [];
  for (const { name } of models) {
    signal?.throwIfAborted();
    const model = await openOnnx(blobs.get(name)!, (location) => blobs.get(location));
    const data = new Map<string, Blob>();
    for (const location of externalLocations(model)) {
      const blob = blobs.get(location);
      if (blob) data.set(location, blob);
      used.add(location);
    }
    // A data file of several models becomes one for each.
    const locationOf = (location: string) =>
      written.has(rename(location)) ? `${name}_${location.split('/').at(-1)}` : rename(location);
    const narrowed = await narrowModel(model, rename(name), data, locationOf);
    for (const file of narrowed.files) written.add(file.name);
    out.push(...narrowed.files);
    blocked.push(...narrowed.blocked.map((s) => (models.length === 1 ? s : `“${name}”: ${s}`)));
  }
  return { files: [...out, ...files.filter((f) => !isModel(f) && !used.has(f.name))], blocked };
}

/** `model.onnx` → `model_fp16.onnx`, `onnx/model.onnx_data` → `onnx/model_fp16.onnx_data`, `weights` → `weights_fp16`. */
function fp16Name(name: string): string {
  const start = name.lastIndexOf('/') + 1;
  const at = name.indexOf('.', start + 1);
  const end = /\.onnx$/i.test(name) ? name.length - '.onnx'.length : at < 0 ? name.length : at;
  return `${name.slice(0, end)}_fp16${name.slice(end)}`;
}
