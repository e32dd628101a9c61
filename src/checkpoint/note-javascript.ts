/** JavaScript that runs a merged ONNX model with transformers.js; part of onnx-note.ts. */
import { inlineList, literal } from './note-text.ts';
import type { NoteFiles, NoteTask } from './onnx-note.ts';

/** The suffixes by which transformers.js knows a file's type. */
const SUFFIXES: readonly (readonly [RegExp, string])[] = [
  [/_fp16$/, 'fp16'],
  [/_int8$/, 'int8'],
  [/_uint8$/, 'uint8'],
  [/_quantized$/, 'q8'],
  [/_q4$/, 'q4'],
  [/_q4f16$/, 'q4f16'],
  [/_bnb4$/, 'bnb4'],
];

/** The folder's name in the code. */
const FOLDER = 'merged';

/** What transformers.js must find beside the model, and the block of code. */
export function transformersJs(files: NoteFiles, task: NoteTask, inputs: readonly string[]): string {
  const isText = task === 'causal-lm' || task === 'seq2seq';
  const needed = [
    'config.json',
    ...(isText ? ['tokenizer.json', 'tokenizer_config.json'] : []),
    ...(task === 'image-classification' ? ['preprocessor_config.json'] : []),
  ];
  const missing = needed.filter((name) => !files.has(name));
  const sentences = [`Put the files into a folder \`${FOLDER}\`; \`models/\` is where that folder is.`];
  if (missing.length > 0) {
    sentences.push(
      `transformers.js also needs ${inlineList(missing)} of the original model in there, which ${missing.length === 1 ? 'was' : 'were'} not given.`,
    );
  }
  if (task === 'seq2seq' && !['encoder_model.onnx', 'decoder_model_merged.onnx'].every(files.has)) {
    sentences.push(
      'Of encoder–decoder models it takes `encoder_model.onnx` and `decoder_model_merged.onnx` under these names only; use onnxruntime for others.',
    );
  }
  return `${sentences.join(' ')}

\`\`\`sh
npm install @huggingface/transformers
\`\`\`

\`\`\`js
${code(files, task, inputs)}
\`\`\`
`;
}

function code(files: NoteFiles, task: NoteTask, inputs: readonly string[]): string {
  const hasCache = inputs.some((name) => /^past_key_values/.test(name));
  const setUp = (
    ...names: string[]
  ) => `import { ${[...names, 'env'].join(', ')} } from '@huggingface/transformers';

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = 'models/';
const options = ${options(files, task)};
`;
  const load = (name: string) => `const model = await ${name}.from_pretrained('${FOLDER}', options);`;
  const tokenizer = `const tokenizer = await AutoTokenizer.from_pretrained('${FOLDER}');`;
  switch (task) {
    case 'causal-lm':
      return hasCache
        ? `${setUp('AutoModelForCausalLM', 'AutoTokenizer')}
${tokenizer}
${load('AutoModelForCausalLM')}
const inputs = await tokenizer('To be, or not to be');
const ids = await model.generate({ ...inputs, max_new_tokens: 20 });
console.log(tokenizer.batch_decode(ids, { skip_special_tokens: true })[0]);`
        : `${setUp('AutoModelForCausalLM', 'AutoTokenizer')}
${tokenizer}
${load('AutoModelForCausalLM')}
// The model has no cache of keys and values, so its next token is read from the logits of the whole text.
let text = 'To be, or not to be';
for (let k = 0; k < 20; k++) {
  const { logits } = await model(await tokenizer(text));
  const [, length, size] = logits.dims;
  const last = logits.to('float32').data.subarray((length - 1) * size);
  const best = last.reduce((at, value, id) => (value > last[at] ? id : at), 0);
  text += tokenizer.decode([best]);
}
console.log(text);`;
    case 'image-classification':
      return `${setUp('AutoModelForImageClassification', 'AutoProcessor', 'RawImage')}
const processor = await AutoProcessor.from_pretrained('${FOLDER}');
${load('AutoModelForImageClassification')}
const { logits } = await model(await processor(await RawImage.read('picture.png')));
const { data } = logits.to('float32');
const best = data.reduce((at, value, id) => (value > data[at] ? id : at), 0);
console.log(model.config.id2label?.[best] ?? best);`;
    case 'seq2seq':
      return `${setUp('AutoModelForSeq2SeqLM', 'AutoTokenizer')}
${tokenizer}
${load('AutoModelForSeq2SeqLM')}
const ids = await model.generate({ ...(await tokenizer('To be, or not to be')), max_new_tokens: 40 });
console.log(tokenizer.batch_decode(ids, { skip_special_tokens: true })[0]);`;
    default:
      return `${setUp('AutoModel', 'Tensor')}
${load('AutoModel')}
// Give each input by its name: ${inputs.length > 0 ? inputs.join(', ') : 'see the model'}.
const ids = new Tensor('int64', [0n, 1n, 2n, 3n], [1, 4]);
console.log(await model({ ${inputs[0] && !/^input_ids$/.test(inputs[0]) ? `${literal(inputs[0])}: ids` : 'input_ids: ids'} }));`;
  }
}

function options(files: NoteFiles, task: NoteTask): string {
  const model = files.models[0] ?? 'model.onnx';
  const stem = model.replace(/\.onnx$/i, '');
  const suffix = SUFFIXES.find(([pattern]) => pattern.test(stem));
  const lines = [`subfolder: '',`];
  if (task !== 'seq2seq') {
    lines.push(`model_file_name: ${literal(suffix ? stem.replace(suffix[0], '') : stem)},`);
  }
  lines.push(`dtype: '${suffix?.[1] ?? 'fp32'}',${suffix ? '' : ' // the file is named without a suffix'}`);
  const external = [...files.external].filter(([, names]) => names.length > 0);
  const isUsual = external.every(([file, names]) =>
    names.every((_, k) => names.includes(`${file}_data${k === 0 ? '' : `_${k}`}`)),
  );
  if (external.length > 0 && isUsual) {
    const counts = external.map(([file, names]) => `${literal(file)}: ${names.length}`);
    lines.push(`use_external_data_format: { ${counts.join(', ')} },`);
  } else if (external.length > 0) {
    const entries = external.flatMap(([, names]) =>
      names.map((name) => `{ path: ${literal(name)}, data: ${literal(name)} }`),
    );
    lines.push(`session_options: { externalData: [${entries.join(', ')}] },`);
  }
  return `{\n${lines.map((line) => `  ${line}\n`).join('')}}`;
}
