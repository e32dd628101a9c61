/**
 * What the model can be saved as: the formats' names and words, the file's name before it is made (a save picker needs
 * it then), and how large it will be as far as that is known.
 * Known limits: half precision and the zip are sized by what they are made of, the checkpoint not at all; the worker's
 * own name and the blob's size say it exactly.
 */
import { setName } from './sets.ts';
import type { DownloadFormat, MergePlan, ModelSummary, StudioFacts } from './types.ts';

export interface FormatFacts {
  readonly id: DownloadFormat;
  readonly name: string;
  /** Name of the button that saves it. */
  readonly action: string;
  readonly about: string;
}

const FORMATS: readonly FormatFacts[] = [
  {
    id: 'onnx',
    name: 'ONNX',
    action: 'Download ONNX',
    about: 'As it was measured: the scores are of this file.',
  },
  {
    id: 'onnx-float16',
    name: 'ONNX, half precision',
    action: 'Download half precision',
    about: 'Half the size. Computed in half precision; the scores shown are of the full-precision file.',
  },
  {
    id: 'zip',
    name: 'Zip for publishing',
    action: 'Download zip',
    about: 'The model with its config and tokenizer files, and a note on loading it.',
  },
  {
    id: 'safetensors',
    name: 'Checkpoint (safetensors)',
    action: 'Download safetensors',
    about: 'The checkpoint you dropped, merged alike, for fine-tuning in PyTorch.',
  },
];

/** The formats that a model is offered in, in the page's order; plain ONNX always. */
export function formatsOf({ formats }: Pick<ModelSummary, 'formats'>): readonly FormatFacts[] {
  return FORMATS.filter(({ id }) => id === 'onnx' || formats.includes(id));
}

/** The format that the button saves: the one asked for where the model has it, else plain ONNX. */
export function chosenFormat({ model, saveAs }: Pick<StudioFacts, 'model' | 'saveAs'>): FormatFacts {
  const offered = model ? formatsOf(model) : FORMATS.slice(0, 1);
  return offered.find(({ id }) => id === saveAs.format) ?? offered[0];
}

type Named = Pick<ModelSummary, 'fileName' | 'files'>;

/** More than one file leaves the studio as one zip. */
export function isSeveralFiles({ files }: Pick<ModelSummary, 'files'>): boolean {
  return files.length > 1 || files.some(({ dataFiles }) => dataFiles.length > 0);
}

/** The file's name; of several, which are listed by name, what they are together. */
export function modelTitle({ fileName, files }: Named): string {
  if (files.length < 2) return fileName;
  const has = (role: string) => files.some((file) => file.role === role);
  const decodes = has('decoder') || has('decoder-with-past');
  if (has('encoder') && decodes) return `Encoder and decoder, ${files.length} files`;
  return decodes ? `Decoder, ${files.length} files` : `${files.length} files`;
}

/** What the names of several files begin with, `whisper-` of `whisper-encoder` and `whisper-decoder`; else `model`. */
function stemOf({ fileName, files }: Named): string {
  const stems = (files.length > 0 ? files.map(({ name }) => name) : [fileName]).map((name) =>
    name.replace(/\.onnx$/i, ''),
  );
  const [first, ...others] = stems;
  if (others.length === 0) return first;
  let length = first.length;
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length--;
  const shared = first.slice(0, length).replace(/[\W_]+$/, '');
  return shared.length > 2 && !/^(en|de)?coder/i.test(shared) ? shared : 'model';
}

/** `-merged-4-7_9-10`, `-layer-drop-4-7`; nothing where nothing was merged. */
function planSuffix(plan: MergePlan | null): string {
  if (!plan || plan.sets.length === 0) return '';
  const sets = plan.sets.map(({ layers }) => setName(layers).replace('–', '-').replaceAll(', ', '+'));
  const kind = plan.method === 'ffn-drop' || plan.method === 'layer-drop' ? plan.method : 'merged';
  return `-${kind}-${sets.join('_')}`;
}

/** The name offered for a saved model: `model-merged-4-7.onnx`, `model-merged-4-7-float16.onnx`, `model.zip`. */
export function suggestedName(model: Named, plan: MergePlan | null, format: DownloadFormat = 'onnx'): string {
  const base = `${stemOf(model)}${planSuffix(plan)}`;
  if (format === 'zip') return `${base}.zip`;
  if (format === 'safetensors') return `${base}-safetensors.zip`;
  const half = format === 'onnx-float16' ? '-float16' : '';
  return `${base}${half}${isSeveralFiles(model) ? '.zip' : '.onnx'}`;
}

/** `model-merged-4-7.layerfold.json` */
export function recipeName(model: Named, plan: MergePlan): string {
  return `${stemOf(model)}${planSuffix(plan)}.layerfold.json`;
}

/** `model-merged-4-7-report.html` */
export function reportName(model: Named, plan: MergePlan, kind: 'html' | 'markdown'): string {
  return `${stemOf(model)}${planSuffix(plan)}-report.${kind === 'html' ? 'html' : 'md'}`;
}

/** The name shown, with the ending of the file that came: a file's name must not lie about what is in it. */
export function savedName(suggested: string, fileName: string): string {
  const ending = /\.[a-z0-9]+$/i;
  const came = ending.exec(fileName)?.[0] ?? '';
  return suggested.toLowerCase().endsWith(came.toLowerCase()) ? suggested : suggested.replace(ending, came);
}

/** How large the file will be, of a model of so many bytes. */
export function expectedSize(
  format: DownloadFormat,
  bytes: number,
): { readonly bytes: number; readonly exact: boolean } | null {
  if (format === 'safetensors') return null;
  return { bytes: format === 'onnx-float16' ? bytes / 2 : bytes, exact: format === 'onnx' };
}
