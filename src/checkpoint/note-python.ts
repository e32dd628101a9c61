/** Python that runs a merged ONNX model with onnxruntime; part of onnx-note.ts. */
import { literal, pythonStrings } from './note-text.ts';
import type { NoteFiles, NoteTask } from './onnx-note.ts';

const FEED = `
TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_,
}


def feed(session, length, **given):
    """A value for every input: those given; masks of ones, positions, empty caches; zeros for the others."""
    feeds = {}
    for wanted in session.get_inputs():
        name, dtype = wanted.name, TYPES[wanted.type]
        if name in given:
            feeds[name] = given[name].astype(dtype)
        elif name.endswith("attention_mask"):
            feeds[name] = np.ones((1, length), dtype)
        elif name == "position_ids":
            feeds[name] = np.arange(length, dtype=dtype)[None]
        else:
            free = 0 if name.startswith("past") else length
            shape = [d if isinstance(d, int) else 1 if k == 0 else free for k, d in enumerate(wanted.shape)]
            feeds[name] = np.zeros(shape, dtype)
    return feeds

`;

/** A block of Python with the packages that it needs. */
export function onnxruntimePython(files: NoteFiles, task: NoteTask): string {
  if (task === 'causal-lm') return causal(files);
  if (task === 'image-classification') return image(files);
  if (task === 'seq2seq') return pair(files);
  return unknown(files);
}

function block(packages: string, code: string): string {
  return `\`\`\`sh\npip install ${packages}\n\`\`\`\n\n\`\`\`python\n${code.trim()}\n\`\`\`\n`;
}

const session = (file: string) => `ort.InferenceSession(${literal(file)})`;

/** Token ids of a sentence, where the tokenizer is at hand. */
function ids(files: NoteFiles): string {
  return files.has('tokenizer.json')
    ? `tokenizer = Tokenizer.from_file("tokenizer.json")
ids = np.array([tokenizer.encode("To be, or not to be").ids])`
    : `ids = np.array([[0, 1, 2, 3]])  # your tokenizer's`;
}

const tokenizerImport = (files: NoteFiles) =>
  files.has('tokenizer.json') ? 'from tokenizers import Tokenizer\n' : '';
const packagesFor = (files: NoteFiles) =>
  files.has('tokenizer.json') ? 'onnxruntime tokenizers' : 'onnxruntime numpy';

function causal(files: NoteFiles): string {
  const said = files.has('tokenizer.json') ? 'print(tokenizer.decode(ids[0].tolist()))' : 'print(ids)';
  return block(
    packagesFor(files),
    `import numpy as np
import onnxruntime as ort
${tokenizerImport(files)}${FEED}
model = ${session(files.models[0])}
${ids(files)}
for _ in range(20):  # greedy, the whole text again for each token
    logits = model.run(None, feed(model, ids.shape[1], input_ids=ids))[0]
    ids = np.concatenate([ids, logits[:, -1].argmax(-1)[:, None]], axis=1)
${said}`,
  );
}

function image(files: NoteFiles): string {
  const prepare = files.has('preprocessor_config.json')
    ? `
with open("preprocessor_config.json") as file:
    config = json.load(file)


def pixels(path, channels):
    """A picture as the model takes it: resized, scaled, normalised; [1, channels, height, width]."""
    picture = Image.open(path).convert("L" if channels == 1 else "RGB")
    size = config.get("size", {})
    if config.get("do_resize", True) and "height" in size:
        picture = picture.resize((size["width"], size["height"]), config.get("resample", 2))
    elif config.get("do_resize", True) and "shortest_edge" in size:
        scale = size["shortest_edge"] / min(picture.size)
        picture = picture.resize([round(side * scale) for side in picture.size], config.get("resample", 2))
    if config.get("do_center_crop"):
        crop = config["crop_size"]
        left, top = (picture.width - crop["width"]) // 2, (picture.height - crop["height"]) // 2
        picture = picture.crop((left, top, left + crop["width"], top + crop["height"]))
    values = np.asarray(picture, np.float32).reshape(picture.height, picture.width, channels)
    if config.get("do_rescale", True):
        values = values * config.get("rescale_factor", 1 / 255)
    if config.get("do_normalize", True):
        values = (values - config["image_mean"]) / config["image_std"]
    return values.transpose(2, 0, 1)[None]

`
    : '';
  const given = files.has('preprocessor_config.json')
    ? `channels = wanted.shape[1] if isinstance(wanted.shape[1], int) else 3
values = pixels("picture.png", channels)`
    : `values = np.zeros([size if isinstance(size, int) else 1 for size in wanted.shape])  # your picture, normalised`;
  const label = files.has('config.json')
    ? `with open("config.json") as file:
    labels = json.load(file).get("id2label", {})
best = int(logits[0].argmax())
print(labels.get(str(best), best))`
    : 'print(int(logits[0].argmax()))';
  const needsJson = files.has('preprocessor_config.json') || files.has('config.json');
  return block(
    `onnxruntime numpy${prepare ? ' pillow' : ''}`,
    `${needsJson ? 'import json\n\n' : ''}import numpy as np
import onnxruntime as ort
${prepare ? 'from PIL import Image\n' : ''}${prepare || '\n'}
model = ${session(files.models[0])}
wanted = model.get_inputs()[0]
${given}
dtype = np.float16 if wanted.type == "tensor(float16)" else np.float32
logits = model.run(None, {wanted.name: values.astype(dtype)})[0]
${label}`,
  );
}

/** The files of an encoder–decoder model: the decoder without a cache where there is one. */
export function encoderAndDecoder({ models }: NoteFiles): { encoder: string; decoder: string } | undefined {
  const encoder = models.find((name) => /encoder/i.test(name));
  const decoders = models.filter((name) => /decoder/i.test(name) && !/with_past/i.test(name));
  const decoder = decoders.find((name) => !/merged/i.test(name)) ?? decoders[0];
  return encoder && decoder ? { encoder, decoder } : undefined;
}

function pair(files: NoteFiles): string {
  const found = encoderAndDecoder(files);
  if (!found) return unknown(files);
  const configs = ['config.json', 'generation_config.json'].filter((name) => files.has(name));
  const start =
    configs.length > 0
      ? `config = {}
for name in ${pythonStrings(configs)}:
    with open(name) as file:
        config |= json.load(file)
start, end = config["decoder_start_token_id"], config["eos_token_id"]`
      : `start, end = 0, 1  # decoder_start_token_id and eos_token_id of config.json`;
  const said = files.has('tokenizer.json') ? 'print(tokenizer.decode(out[0].tolist()))' : 'print(out)';
  return block(
    packagesFor(files),
    `${configs.length > 0 ? 'import json\n\n' : ''}import numpy as np
import onnxruntime as ort
${tokenizerImport(files)}${FEED}
encoder = ${session(found.encoder)}
decoder = ${session(found.decoder)}
${start}
${ids(files)}
# Inputs that are not token ids (sound, pictures) are zeros here: give your own by name.
hidden = encoder.run(None, feed(encoder, ids.shape[1], input_ids=ids))[0]
out = np.array([[start]])
while out.shape[1] == 1 or (out.shape[1] < 40 and not np.isin(out[0, -1], end)):
    feeds = feed(decoder, out.shape[1], input_ids=out, encoder_hidden_states=hidden)
    if "encoder_attention_mask" in feeds:
        feeds["encoder_attention_mask"] = np.ones(hidden.shape[:2], np.int64)
    logits = decoder.run(None, feeds)[0]
    out = np.concatenate([out, logits[:, -1].argmax(-1)[:, None]], axis=1)
${said}`,
  );
}

function unknown(files: NoteFiles): string {
  const names = files.models.map((name) => `    ${literal(name)},\n`).join('');
  return block(
    'onnxruntime numpy',
    `import numpy as np
import onnxruntime as ort
${FEED}
FILES = [
${names}]
for file in FILES:
    model = ort.InferenceSession(file)
    # Zeros, where no value is given by the input's name: feed(model, 8, input_ids=…)
    outputs = model.run(None, feed(model, 8))
    for wanted, value in zip(model.get_outputs(), outputs):
        print(file, wanted.name, value.shape)`,
  );
}
