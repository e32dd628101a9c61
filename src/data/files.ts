/**
 * Sorts what was dropped together by what it is for.
 *
 * Why: a browser cannot open siblings by itself, so people drop several files at once, or a folder; each is told
 * apart by its name, and what is not understood is named rather than ignored. Only the names are looked at: archives
 * are opened later (archive.ts), when it is known what the model takes.
 */

export type SplitName = 'calibrate' | 'select' | 'report';
export const SPLITS: readonly SplitName[] = ['calibrate', 'select', 'report'];

/** A file with a name; `File` in the page, a Blob with a name in Node. */
export interface NamedBlob extends Blob {
  readonly name: string;
  /** Where the file was in the folder that was dropped: `cats/1.png`. */
  readonly path?: string;
  /** The same, as browsers name it for folders that were picked. Not every browser hands it on to a worker. */
  readonly webkitRelativePath?: string;
}

/** The path in the dropped folder, as far as it is known; at least the name. */
export function pathOf(file: NamedBlob): string {
  const path = file.path || file.webkitRelativePath || file.name;
  return path.replaceAll('\\', '/').replace(/^(\.?\/)+/, '');
}

export interface SortedFiles {
  readonly models: readonly NamedBlob[];
  /** Files that a model's external data may be in, by name. */
  readonly externals: ReadonlyMap<string, NamedBlob>;
  readonly config?: NamedBlob;
  readonly tokenizer?: NamedBlob;
  readonly preprocessor?: NamedBlob;
  /** generation_config.json */
  readonly generation?: NamedBlob;
  /** Plain text and JSON lines. */
  readonly texts: readonly NamedBlob[];
  /** Picture files, and arrays (.npy) that are not labels: images, or tensors by input name. */
  readonly images: readonly NamedBlob[];
  /** Arrays (.npy) and tables (.csv, .tsv). */
  readonly labels: readonly NamedBlob[];
  /** Recordings (.wav). */
  readonly audios: readonly NamedBlob[];
  /** .zip of any of these, .npz of arrays. */
  readonly archives: readonly NamedBlob[];
  /** safetensors files and their index: the same weights, for PyTorch. */
  readonly checkpoints: readonly NamedBlob[];
  /** What belongs to a model's folder and is not read here: kept to be given back beside the merged file. */
  readonly companions: readonly NamedBlob[];
  /** Names of files that have no use (yet). */
  readonly unused: readonly string[];
  /** Those files: a model may keep its external data under any name. */
  readonly others: readonly NamedBlob[];
}

export type FileKind =
  | 'model'
  | 'external'
  | 'config'
  | 'tokenizer'
  | 'preprocessor'
  | 'generation'
  | 'text'
  | 'image'
  | 'label'
  | 'audio'
  | 'archive'
  | 'checkpoint'
  | 'companion'
  /** What file managers and version control leave behind, and what is only about the files. */
  | 'litter'
  | 'unused';

/** Files of a model's folder that other libraries read: tokenizers in their older forms, chat templates, exports. */
const COMPANION =
  /^((tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template|processor_config|quantize_config|quantization_config|ort_config)\.json|vocab\.txt|merges\.txt|chat_template\.jinja|tokenizer\.model|.*\.spm|(spiece|sentencepiece|sentencepiece\.bpe)\.model)$/;
/** Model cards and licences are no text to calibrate on; RUNNING.md and LOADING.md are notes of this page's own. */
const LITTER =
  /^(\._.*|\.ds_store|thumbs\.db|desktop\.ini|\.git(attributes|ignore)|cachedir\.tag|(readme|license|licence|notice|running|loading)(\.(md|txt|rst))?)$/;
/** Folders of tools: `.git`, and `.cache`, where the hub's client keeps locks. */
const HIDDEN_FOLDER = /(^|\/)\.[^/.][^/]*\//;
const PICTURE = /\.(png|jpe?g|jfif|webp|gif|bmp|avif)$/;

/** What a file is for, by its name without folders. */
export function kindOf(fileName: string): FileKind {
  const name = fileName.toLowerCase();
  if (LITTER.test(name)) return 'litter';
  if (name.endsWith('.onnx')) return 'model';
  if (/\.safetensors(\.index\.json)?$/.test(name)) return 'checkpoint';
  if (COMPANION.test(name)) return 'companion';
  if (/(_data|\.data|\.bin|\.weights|_data_\d+)$/.test(name)) return 'external';
  if (name === 'config.json') return 'config';
  if (name === 'tokenizer.json') return 'tokenizer';
  if (name === 'preprocessor_config.json') return 'preprocessor';
  if (name === 'generation_config.json') return 'generation';
  if (name.endsWith('.npy')) return name.includes('label') ? 'label' : 'image';
  if (PICTURE.test(name)) return 'image';
  if (/\.(csv|tsv)$/.test(name)) return 'label';
  if (/\.wave?$/.test(name)) return 'audio';
  if (/\.(zip|npz)$/.test(name)) return 'archive';
  if (/\.(txt|md|text|jsonl|ndjson|src|tgt)$/.test(name)) return 'text';
  return 'unused';
}

/** Tells files apart by name. Later files replace earlier ones of the same single role. */
export function sortFiles(files: readonly NamedBlob[]): SortedFiles {
  const of: Record<FileKind, NamedBlob[]> = {
    model: [],
    external: [],
    config: [],
    tokenizer: [],
    preprocessor: [],
    generation: [],
    text: [],
    image: [],
    label: [],
    audio: [],
    archive: [],
    checkpoint: [],
    companion: [],
    litter: [],
    unused: [],
  };
  for (const file of files) {
    if (!HIDDEN_FOLDER.test(pathOf(file))) of[kindOf(file.name)].push(file);
  }
  const [config, tokenizer, preprocessor, generation] = [
    of.config.at(-1),
    of.tokenizer.at(-1),
    of.preprocessor.at(-1),
    of.generation.at(-1),
  ];
  return {
    models: of.model,
    externals: new Map(of.external.map((file) => [file.name, file])),
    ...(config && { config }),
    ...(tokenizer && { tokenizer }),
    ...(preprocessor && { preprocessor }),
    ...(generation && { generation }),
    texts: of.text,
    images: of.image,
    labels: of.label,
    audios: of.audio,
    archives: of.archive,
    checkpoints: of.checkpoint,
    companions: of.companion,
    unused: of.unused.map((file) => file.name),
    others: of.unused,
  };
}

/** Picture files, as opposed to arrays. */
export function isPicture(file: NamedBlob): boolean {
  return PICTURE.test(file.name.toLowerCase());
}

/** The split that a file's name claims, if any. */
export function splitOf(name: string): SplitName | undefined {
  return SPLITS.find((s) => name.toLowerCase().startsWith(s));
}

/** Why what was dropped cannot be opened as a model, and what to do. */
export function noModelSentence(dropped: readonly NamedBlob[]): string {
  const weights = dropped.find((f) => /\.(safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf)$/i.test(f.name));
  const name = (weights ?? dropped[0])?.name;
  if (!name) return 'Nothing was dropped. Drop an .onnx file.';
  if (weights) {
    return `“${name}” holds weights but no graph, so it cannot be run here. Export the model to ONNX (for instance with optimum-cli) and drop the .onnx file.`;
  }
  const [archive] = dropped.filter((f) => /\.zip$/i.test(f.name));
  if (archive) {
    return `There is no .onnx file in “${archive.name}”. Drop the model’s .onnx file or its folder first; data goes under “Calibrate” afterwards.`;
  }
  if (dropped.length > 1) {
    return `None of the ${dropped.length} files that were dropped is an ONNX model: no name ends in .onnx. Drop the .onnx file with them; if the model has none, export it to ONNX first (for instance with optimum-cli).`;
  }
  return `“${name}” is not an ONNX model: its name does not end in .onnx. Drop the .onnx file, with its tokenizer.json, config.json and data if you have them.`;
}

/** Folders as data sets are commonly cut. */
const FOLDERS: Readonly<Record<string, SplitName>> = {
  calibrate: 'calibrate',
  train: 'calibrate',
  select: 'select',
  val: 'select',
  valid: 'select',
  validation: 'select',
  report: 'report',
  test: 'report',
};

/** The split that a folder's name stands for, if any. */
export function splitOfFolder(folder: string): SplitName | undefined {
  return Object.hasOwn(FOLDERS, folder.toLowerCase()) ? FOLDERS[folder.toLowerCase()] : undefined;
}
