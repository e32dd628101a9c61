/** Models that were never opened, as the worker would sum them up: for the fake API only. */
import type {
  DataState,
  DataSummary,
  DownloadFormat,
  DownloadResult,
  FileSummary,
  GroupSummary,
  Metric,
  ModelSummary,
  ValueSummary,
} from '../pipeline/types.ts';

export interface FakeModelOptions {
  readonly layers?: number;
  readonly twoGroups?: boolean;
  /** An encoder and its decoder, in three files, one with a data file. */
  readonly pair?: boolean;
  /** A decoder whose encoder was not dropped with it. */
  readonly missingSibling?: boolean;
  /** Kept in float16, so that there is no half of it. */
  readonly halfPrecision?: boolean;
  /** A checkpoint was dropped beside the model. */
  readonly checkpoint?: boolean;
  /** Inputs that no data is known for. */
  readonly unknownInputs?: boolean;
  /** Data that is neither text nor images, counted in this. */
  readonly unit?: DataSummary['splits'][number]['unit'];
  readonly refusals?: readonly string[];
  readonly images?: boolean;
  readonly gated?: boolean;
}

export function fakeGroup(id: string, name: string, layers: number, dModel: number): GroupSummary {
  const dFf = 4 * dModel;
  const parametersPerFfn = 2 * dModel * dFf + dModel + dFf;
  return {
    id,
    name,
    layers,
    dModel,
    dFf,
    activation: 'GELU (tanh)',
    gated: false,
    parametersPerFfn,
    bytesPerFfn: parametersPerFfn * 4,
    bytesBesideFfn: (4 * dModel ** 2 + 8 * dModel) * 4,
    layerLabels: Array.from({ length: layers }, (_, layer) => name.replace('*', String(layer))),
    hasAttention: true,
  };
}

export function fakeGroups(options: FakeModelOptions): [GroupSummary, ...GroupSummary[]] {
  const { layers = 12 } = options;
  if (options.pair) {
    return [
      fakeGroup('g0', 'encoder.encoder.layers.*', 6, 128),
      fakeGroup('g1', 'decoder.model.decoder.layers.*', layers, 128),
    ];
  }
  const first = fakeGroup('decoder', 'transformer.h.*.mlp', layers, 128);
  if (options.gated) Object.assign(first, { gated: true, activation: 'SiLU, gated' });
  return options.twoGroups ? [first, fakeGroup('encoder', 'encoder.layers.*.fc', 6, 96)] : [first];
}

export const MISSING_SIBLING =
  '“decoder_model.onnx” reads what an encoder gives (encoder_hidden_states), so it cannot run alone. Drop it together with its encoder_model.onnx.';

function filesOf({ pair, missingSibling }: FakeModelOptions, name: string, bytes: number): FileSummary[] {
  if (pair) {
    const past = 'decoder_with_past_model.onnx';
    return [
      { name: 'encoder_model.onnx', role: 'encoder', bytes: bytes * 0.25, dataFiles: [] },
      {
        name: 'decoder_model.onnx',
        role: 'decoder',
        bytes: bytes * 0.4,
        dataFiles: ['decoder_model.onnx_data'],
      },
      { name: past, role: 'decoder-with-past', bytes: bytes * 0.35, dataFiles: [] },
    ];
  }
  return [{ name, role: missingSibling ? 'decoder' : 'model', bytes, dataFiles: [] }];
}

function formatsOf({ halfPrecision, checkpoint }: FakeModelOptions): DownloadFormat[] {
  return [
    'onnx',
    ...(halfPrecision ? [] : (['onnx-float16'] as const)),
    'zip',
    ...(checkpoint ? (['safetensors'] as const) : []),
  ];
}

const whole = (name: string): ValueSummary => ({ name, dtype: 'int64', shape: 'batch×sequence' });

function inputsOf({ pair, missingSibling, unknownInputs }: FakeModelOptions): ValueSummary[] {
  if (unknownInputs) {
    return [
      { name: 'input_features', dtype: 'float32', shape: 'batch×80×3000' },
      { name: 'speaker_embedding', dtype: 'float32', shape: 'batch×192' },
      whole('language_ids'),
    ];
  }
  if (pair) return [whole('input_ids'), whole('attention_mask'), whole('decoder_input_ids')];
  if (!missingSibling) return [whole('input_ids'), whole('attention_mask')];
  return [
    whole('input_ids'),
    { name: 'encoder_hidden_states', dtype: 'float32', shape: 'batch×encoder_sequence×128' },
  ];
}

function notesOf({ pair, missingSibling, halfPrecision }: FakeModelOptions): string[] {
  return [
    ...(missingSibling ? [MISSING_SIBLING] : []),
    ...(halfPrecision
      ? [
          'Weights are kept in float16. They are measured and merged in float, which takes 6 MB of memory for the FFNs, and are written back in float16.',
        ]
      : []),
    ...(pair ? ['“decoder_with_past_model.onnx” holds the decoder again and will be merged alike.'] : []),
  ];
}

export function fakeModel(
  options: FakeModelOptions,
  groups: readonly GroupSummary[],
  dropped: readonly File[],
): ModelSummary {
  const { missingSibling, halfPrecision, unknownInputs, images, refusals = [] } = options;
  const ffnParameters = groups.reduce((sum, group) => sum + group.layers * group.parametersPerFfn, 0);
  const parameters = Math.round(ffnParameters * 1.52);
  const name = missingSibling
    ? 'decoder_model.onnx'
    : (dropped.find((file) => file.name.endsWith('.onnx'))?.name ?? 'model.onnx');
  const bytesEach = halfPrecision ? 2 : 4;
  const bytes = parameters * bytesEach + 412_345;
  const files = filesOf(options, name, bytes);
  const main = files.filter(({ role }) => role !== 'decoder-with-past');
  return {
    fileName: main.map((file) => file.name).join(' + '),
    files,
    formats: formatsOf(options),
    bytes,
    parameters,
    ffnParameters,
    ffnBytes: ffnParameters * bytesEach,
    nodes: 1043,
    opset: 18,
    producer: 'pytorch 2.9.1',
    task: unknownInputs ? 'unknown' : images ? 'image-classification' : 'causal-lm',
    inputs: inputsOf(options),
    outputs: [{ name: 'logits', dtype: 'float32', shape: 'batch×sequence×65' }],
    groups,
    refusals,
    notes: notesOf(options),
  };
}

/** What the model itself stands in the way of, whatever data is there. */
export function fakeModelNeeds(options: FakeModelOptions): DataState | null {
  if (options.missingSibling) {
    return { data: null, needs: [{ what: 'model', sentence: MISSING_SIBLING }] };
  }
  if (!options.unknownInputs) return null;
  const inputs = inputsOf(options);
  const listed = inputs.map(({ name, dtype, shape }) => `${name} (${dtype}, ${shape})`).join(', ');
  const names = inputs.map(({ name }) => `${name}.npy`).join(', ');
  const sentence = `This model’s inputs are not understood: ${listed}. To measure it, give them as arrays by name (${names}), or in one .npz; its FFNs can be looked at without.`;
  return { data: null, needs: [{ what: 'data', sentence }] };
}

export function fakeData({ images, unit }: FakeModelOptions): DataSummary {
  const sizes = images ? [100, 400, 1000] : [4096, 4096, 8192];
  const metrics: Metric[] = unit
    ? ['kl', 'agreement']
    : images
      ? ['accuracy', 'kl', 'agreement']
      : ['perplexity', 'strided-perplexity', 'token-accuracy', 'kl', 'agreement'];
  const isText = !images && !unit;
  return {
    kind: isText ? 'text' : images ? 'images' : unit === 'clips' ? 'audio' : 'tensors',
    task: isText ? 'causal-lm' : images ? 'image-classification' : 'unknown',
    metric: metrics[0],
    metrics,
    rule: 'Files named calibrate, select and report are used as they are.',
    splits: (['calibrate', 'select', 'report'] as const).map((name, index) => ({
      name,
      items: sizes[index],
      unit: unit ?? (images ? 'images' : 'tokens'),
      scored: isText ? sizes[index] - sizes[index] / 128 : sizes[index],
    })),
    ...(isText && { contextLength: 128, contextSource: 'From n_positions in config.json.' }),
    notes: [],
  };
}

/** As the worker names it: its own short name, and the ending of what is in it. */
export function fakeDownload(model: ModelSummary, format: DownloadFormat, merged: boolean): DownloadResult {
  const several = model.files.length > 1;
  const isZip = several || format === 'zip' || format === 'safetensors';
  const notes: Record<DownloadFormat, readonly string[]> = {
    onnx: several ? ['The zip holds 3 files: unpack them into one folder, they run together.'] : [],
    'onnx-float16': ['Layer norms and the softmax stay in full precision.'],
    zip: ['README.md in the zip shows how onnxruntime and transformers.js load it.'],
    safetensors: ['Tied tensors are stored once: README.md says which, and how to tie them again.'],
  };
  return {
    blob: new Blob(['fake']),
    fileName: `model${merged ? '-merged' : ''}.${isZip ? 'zip' : 'onnx'}`,
    notes: notes[format],
  };
}
