/**
 * The note that goes with a merged ONNX model: how it is run in Python with onnxruntime, and with transformers.js.
 *
 * Why: the files of a download fit together by their names; code that names them is the shortest manual.
 *
 * Source: onnxruntime's Python API; transformers.js 4 (`from_pretrained`: model_file_name, subfolder, dtype as a suffix
 * of the file name, external data named `<file>_data`, `<file>_data_1` …, others through session_options).
 * Known limits: audio inputs are zeros, to be replaced by the reader; transformers.js takes encoder–decoder models under
 * its own file names only, and the note says which.
 */
import { transformersJs } from './note-javascript.ts';
import { onnxruntimePython } from './note-python.ts';
import { inlineList } from './note-text.ts';

export type NoteTask = 'causal-lm' | 'image-classification' | 'seq2seq' | 'unknown';

export interface OnnxNoteOptions {
  /** Names of all files of the download, in one folder: .onnx, their external data, and JSON files. */
  readonly files: readonly string[];
  readonly task: NoteTask;
  /** What shares weights, in words: `layers 4–7`. */
  readonly tied?: readonly string[];
  /** Names of the inputs of the model (of the decoder, where there are two); they tell whether it has a cache. */
  readonly inputs?: readonly string[];
}

/** The files of a download by what they are for. */
export interface NoteFiles {
  readonly models: readonly string[];
  /** Of each model its external data. */
  readonly external: ReadonlyMap<string, readonly string[]>;
  has(name: string): boolean;
}

/** The file name under which the note is best kept. */
export const ONNX_NOTE_NAME = 'RUNNING.md';

/** Markdown with a block of Python and one of JavaScript. */
export function onnxNote({ files, task, tied = [], inputs = [] }: OnnxNoteOptions): string {
  const sorted = sortNoteFiles(files);
  const external = [...sorted.external.values()].flat();
  const beside =
    external.length === 0
      ? ''
      : ` Keep ${inlineList(external)} in the same folder under ${external.length === 1 ? 'its name' : 'their names'}: the weights are in there.`;
  const isOne = sorted.models.length === 1;
  const shared =
    tied.length === 0
      ? ''
      : `\nFeed-forward weights are shared by ${tied.join('; ')}. ${isOne ? 'The file stores' : 'The files store'} them once; runtimes read that without being told.\n`;
  return `# Running the merged model

${inlineList(sorted.models)} ${isOne ? 'is an ordinary ONNX model' : 'are ordinary ONNX models'}.${beside}
${shared}
## Python, onnxruntime

${onnxruntimePython(sorted, task)}
## JavaScript, transformers.js

${transformersJs(sorted, task, inputs)}`;
}

/** Sorts names; where there are several models, external data belongs to the one whose name it begins with. */
export function sortNoteFiles(files: readonly string[]): NoteFiles {
  const models = files.filter((name) => /\.onnx$/i.test(name));
  const rest = files.filter((name) => !/\.(onnx|json|jsonl|txt|md|model|jinja|safetensors)$/i.test(name));
  const stem = (model: string) => model.replace(/\.onnx$/i, '');
  const owner = (name: string) =>
    models
      .filter((model) => name.startsWith(stem(model)))
      .sort((a, b) => b.length - a.length)
      .at(0) ?? models[0];
  const external = new Map(models.map((model) => [model, rest.filter((name) => owner(name) === model)]));
  return { models, external, has: (name) => files.includes(name) };
}
