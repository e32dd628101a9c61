/**
 * What is saved: the model's own files, the same in half precision, a zip with everything that loads them, or the
 * checkpoint merged alike.
 */
import { type NoteTask, ONNX_NOTE_NAME, onnxNote } from '../checkpoint/onnx-note.ts';
import { zipBlob } from '../checkpoint/zip.ts';
import { DataError } from '../data/errors.ts';
import type { NamedBlob } from '../data/files.ts';
import { formatSet } from '../merge/sets.ts';
import { mergedCheckpoint, type NamedFile } from './checkpoint.ts';
import { toFloat16 } from './float16.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';
import { savedFiles } from './saved.ts';
import type { DownloadFormat, DownloadResult, Task } from './types.ts';
import type { Variant } from './variant.ts';

/** Files that were dropped beside the model. */
export interface BesideModel {
  /** config.json, tokenizer.json and the like, by name. */
  readonly companions: ReadonlyMap<string, NamedBlob>;
  /** safetensors and their index. */
  readonly checkpoint: readonly NamedBlob[];
}

/**
 * Composes a download; nothing but what is new is held in memory.
 * @param variant null: the original
 * @throws DataError where the format does not apply, CheckpointError, OnnxError where a file cannot be read
 */
export async function composeDownload(
  opened: OpenedModel,
  variant: Variant | null,
  format: DownloadFormat,
  beside: BesideModel,
  job: Job,
): Promise<DownloadResult> {
  const base = baseName(opened) + (variant ? '-merged' : '-copy');
  const zip = async (name: string, files: readonly NamedFile[], notes: readonly string[] = []) => {
    const blob = await zipBlob(files, (done, total) => job.tell('Packing the zip', done / total), job.signal);
    return { blob, fileName: `${name}.zip`, notes };
  };
  const companions = [...beside.companions.values()].map((blob) => ({ name: blob.name, blob }));
  switch (format) {
    case 'onnx': {
      const files = ownFiles(opened, variant);
      if (files.length === 1) return { blob: files[0].blob, fileName: `${base}.onnx`, notes: [] };
      return zip(base, files);
    }
    case 'zip': {
      const files = [...ownFiles(opened, variant), ...companions];
      return zip(base, [
        ...files,
        { name: ONNX_NOTE_NAME, blob: new Blob([noteOn(opened, variant, files)]) },
      ]);
    }
    case 'safetensors': {
      if (beside.checkpoint.length === 0) {
        throw new DataError('No checkpoint was dropped. Drop model.safetensors beside the ONNX file first.');
      }
      const hasConfig = beside.companions.has('config.json');
      const files = await mergedCheckpoint(opened, variant, beside.checkpoint, hasConfig, job);
      return zip(`${base}-checkpoint`, [...files, ...companions]);
    }
    case 'onnx-float16': {
      job.announce('Writing half precision');
      const { files, blocked } = await toFloat16(savedFiles(opened, variant?.files), job.signal);
      await job.check();
      const named = files.map((f) => ({ name: f.name, blob: f.toBlob() }));
      const half = `${base}_fp16`;
      if (named.length > 1) return zip(half, named, blocked);
      return { blob: named[0].blob, fileName: `${half}.onnx`, notes: blocked };
    }
    default:
      throw new DataError(`The format “${format}” cannot be saved.`);
  }
}

function ownFiles(opened: OpenedModel, variant: Variant | null): NamedFile[] {
  return savedFiles(opened, variant?.files).map((f) => ({ name: f.name, blob: f.toBlob() }));
}

/** `model` for several files: their own names stay inside the archive. */
function baseName({ files }: OpenedModel): string {
  return files.length === 1 ? files[0].fileName.replace(/\.onnx$/i, '') : 'model';
}

const NOTE_TASKS: Readonly<Partial<Record<Task, NoteTask>>> = {
  'causal-lm': 'causal-lm',
  'image-classification': 'image-classification',
  'seq2seq-text': 'seq2seq',
  'seq2seq-audio': 'seq2seq',
};

function noteOn(opened: OpenedModel, variant: Variant | null, files: readonly NamedFile[]): string {
  const several = new Set(variant?.tied.map((t) => t.group)).size > 1;
  const tied = variant?.tied.map(
    ({ group, layers }) => `layers ${formatSet(layers)}${several ? ` of ${group.name}` : ''}`,
  );
  const { model } = opened.mainFiles.at(-1)!;
  return onnxNote({
    files: files.map((f) => f.name),
    task: NOTE_TASKS[opened.task] ?? 'unknown',
    ...(tied && { tied }),
    inputs: model.graph.inputs.map((v) => v.name),
  });
}
