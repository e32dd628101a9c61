/**
 * Sorts what was dropped together by what it is for.
 *
 * Why: a browser cannot open siblings by itself, so people drop several files at once; each is told apart by its
 * name, and what is not understood is named rather than ignored.
 */

export type SplitName = 'calibrate' | 'select' | 'report';
export const SPLITS: readonly SplitName[] = ['calibrate', 'select', 'report'];

/** A file with a name; `File` in the page, a Blob with a name in Node. */
export interface NamedBlob extends Blob {
  readonly name: string;
}

export interface SortedFiles {
  readonly models: readonly NamedBlob[];
  /** Files that a model's external data may be in, by name. */
  readonly externals: ReadonlyMap<string, NamedBlob>;
  readonly config?: NamedBlob;
  readonly tokenizer?: NamedBlob;
  readonly preprocessor?: NamedBlob;
  readonly texts: readonly NamedBlob[];
  readonly images: readonly NamedBlob[];
  readonly labels: readonly NamedBlob[];
  /** Files that have no use (yet). */
  readonly unused: readonly string[];
}

/** Tells files apart by name. Later files replace earlier ones of the same single role. */
export function sortFiles(files: readonly NamedBlob[]): SortedFiles {
  const models: NamedBlob[] = [];
  const externals = new Map<string, NamedBlob>();
  const texts: NamedBlob[] = [];
  const images: NamedBlob[] = [];
  const labels: NamedBlob[] = [];
  const unused: string[] = [];
  let config: NamedBlob | undefined;
  let tokenizer: NamedBlob | undefined;
  let preprocessor: NamedBlob | undefined;
  for (const file of files) {
    const name = file.name.toLowerCase();
    if (name.endsWith('.onnx')) models.push(file);
    else if (/(_data|\.data|\.bin|\.weights|_data_\d+)$/.test(name)) externals.set(file.name, file);
    else if (name === 'config.json') config = file;
    else if (name === 'tokenizer.json') tokenizer = file;
    else if (name === 'preprocessor_config.json') preprocessor = file;
    else if (name.endsWith('.npy')) (name.includes('label') ? labels : images).push(file);
    else if (/\.(txt|md|text)$/.test(name)) texts.push(file);
    else unused.push(file.name);
  }
  return {
    models,
    externals,
    ...(config && { config }),
    ...(tokenizer && { tokenizer }),
    ...(preprocessor && { preprocessor }),
    texts,
    images,
    labels,
    unused,
  };
}

/** The split that a file's name claims, if any. */
export function splitOf(name: string): SplitName | undefined {
  return SPLITS.find((s) => name.toLowerCase().startsWith(s));
}

/** Why what was dropped cannot be opened as a model, and what to do. */
export function noModelSentence(dropped: readonly NamedBlob[]): string {
  const name = dropped[0]?.name;
  if (!name) return 'Nothing was dropped. Drop an .onnx file.';
  if (/\.(safetensors|bin|pt|pth|gguf)$/i.test(name)) {
    return `“${name}” holds weights but no graph, so it cannot be run here. Export the model to ONNX (for instance with optimum-cli) and drop the .onnx file.`;
  }
  return `“${name}” is not an ONNX model: its name does not end in .onnx. Drop the .onnx file, with its tokenizer.json, config.json and data if you have them.`;
}
