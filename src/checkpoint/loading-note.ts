/**
 * The note that goes with a merged checkpoint: what is tied, and Python that loads it, keeps it tied, and saves it.
 *
 * Why: PyTorch and transformers know nothing of `layerfold.tied`. Loaded as it is, the checkpoint lacks tensors; filled
 * but not tied, fine-tuning would pull the layers apart. The code walks modules by their dotted names, so it is the same
 * for every architecture; a tensor's name and its parameter's may differ at the front (`transformer.h.0…`, `h.0…`).
 *
 * Known limits: models whose class transformers does not hold need `config: false`, and are made by the reader.
 */
import { inlineList, pythonStrings } from './note-text.ts';
import { TIED_KEY } from './types.ts';

export interface LoadingNoteOptions {
  /** Names of the .safetensors files, in order. */
  readonly files: readonly string[];
  /** Alias → stored name. */
  readonly tied: ReadonlyMap<string, string>;
  /** Whether the config.json of a transformers model is beside them (the default). */
  readonly config?: boolean;
}

/** The file name under which the note is best kept. */
export const LOADING_NOTE_NAME = 'LOADING.md';

/** Markdown with one Python block, which defines `load_merged` and `save_merged`. */
export function loadingNote({ files, tied, config = true }: LoadingNoteOptions): string {
  const weights = files.filter((name) => /\.safetensors$/i.test(name));
  const usage = config
    ? `model, tied = load_merged(".")
# … fine-tune …
save_merged(model, tied, "tuned")`
    : `model, tied = load_merged(YourModel(), ".")
# … fine-tune …
save_merged(model, tied, "tuned")`;
  return `# Loading the merged checkpoint

${inlineList(weights)} ${weights.length === 1 ? 'holds' : 'hold'} a model in which layers share feed-forward weights.
${tiedSentence(tied)}

The code below loads the model in PyTorch and ties the parameters again: each shared weight is then one parameter, so
fine-tuning moves it for all of its layers and optimizers see it once. \`from_pretrained\` alone would leave the tied
weights at random values, and \`save_pretrained\` refuses shared weights that a model's class does not know of; use
\`load_merged\` and \`save_merged\`.

\`\`\`sh
pip install torch ${config ? 'transformers ' : ''}safetensors
\`\`\`

\`\`\`python
${(config ? loadTransformers(weights) : loadOwn(weights)) + SAVE}\`\`\`

\`\`\`python
${usage}
\`\`\`
${tiedList(tied)}`;
}

function tiedSentence(tied: ReadonlyMap<string, string>): string {
  if (tied.size === 0) return 'No tensor is tied: every tensor is stored.';
  const stored = new Set(tied.values()).size;
  return `${tied.size} of its tensors are not stored: each is one of ${stored} that ${stored === 1 ? 'is' : 'are'}, as the metadata entry
\`${TIED_KEY}\` says.`;
}

function tiedList(tied: ReadonlyMap<string, string>): string {
  if (tied.size === 0) return '';
  const byStored = new Map<string, string[]>();
  for (const [alias, stored] of tied) byStored.set(stored, [...(byStored.get(stored) ?? []), alias]);
  const rows = [...byStored].map(([stored, names]) => `| \`${stored}\` | ${inlineList(names)} |`);
  return `
| stored | also is |
|---|---|
${rows.join('\n')}
`;
}

const IMPORTS = `import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
`;

const SHARED = `

def read_merged(folder, files):
    """All tensors by name, the tied ones included, and which names are which stored tensors."""
    state, tied = {}, {}
    for file in files:
        with safe_open(Path(folder) / file, framework="pt") as shard:
            tied.update(json.loads((shard.metadata() or {}).get("${TIED_KEY}", "{}")))
            for key in shard.keys():
                state[key] = shard.get_tensor(key)
    for alias, stored in tied.items():
        state[alias] = state[stored]
    return state, tied


def parameter_name(model, key):
    """The dotted name of the parameter that a tensor belongs to: the two may differ in their first parts."""
    parts = key.split(".")[::-1]
    best, found = 0, []
    for name, _ in model.named_parameters(remove_duplicate=False):
        same = 0
        for a, b in zip(parts, name.split(".")[::-1]):
            if a != b:
                break
            same += 1
        if same > best:
            best, found = same, []
        if same == best > 0:
            found.append(name)
    if len(found) != 1:
        raise KeyError(f"{key} is no parameter of {type(model).__name__}: {found or 'nothing'} is like it")
    return found[0]


def tie(model, tied):
    """Makes each tied parameter the same object as the stored one; returns their names in the model."""
    names = {parameter_name(model, a): parameter_name(model, s) for a, s in tied.items()}
    for alias, stored in names.items():
        module, _, attribute = alias.rpartition(".")
        setattr(model.get_submodule(module), attribute, model.get_parameter(stored))
    return names

`;

const SAVE = `

def save_merged(model, tied, folder):
    """Writes the model with each shared weight once; load_merged reads it again."""
    state, seen = {}, set()
    for name, value in model.state_dict(keep_vars=True).items():
        if name not in tied and id(value) not in seen:
            seen.add(id(value))
            state[name] = value.detach().contiguous()
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file(state, Path(folder) / "model.safetensors", {"format": "pt", "${TIED_KEY}": json.dumps(tied)})
    if hasattr(model, "config"):
        model.config.save_pretrained(folder)
`;

function loadTransformers(files: readonly string[]): string {
  return `${IMPORTS}import transformers

FILES = ${pythonStrings(files)}
${SHARED}
def load_merged(folder, files=FILES):
    """The model of config.json with the merged weights, tied."""
    state, tied = read_merged(folder, files)
    config = transformers.AutoConfig.from_pretrained(folder)
    model_class = getattr(transformers, config.architectures[0])
    model = model_class.from_pretrained(None, config=config, state_dict=state)
    return model, tie(model, tied)
`;
}

function loadOwn(files: readonly string[]): string {
  return `${IMPORTS}
FILES = ${pythonStrings(files)}
${SHARED}
def load_merged(model, folder, files=FILES):
    """A model of your own with the merged weights, tied."""
    state, tied = read_merged(folder, files)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected:
        raise KeyError(f"{type(model).__name__} has no {unexpected[0]}: it is not the checkpoint's model")
    return model, tie(model, tied)
`;
}
