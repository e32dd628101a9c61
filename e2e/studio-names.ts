/** What the page calls its choices: the accessible names behind the page object's short ones. */
import type {
  DownloadFormat,
  MergeMethod,
  ReferenceChoice,
  Rung,
  SimilarityKind,
  TuneOptions,
} from './studio-types.ts';

export const measureNames: Record<SimilarityKind, string> = {
  cka: 'FFN outputs (CKA)',
  'cka-debiased': 'FFN outputs (debiased CKA)',
  aligned: 'Aligned correlation',
  attention: 'Attention outputs (CKA)',
};

export const methodNames: Record<MergeMethod, string> = {
  permute: 'Permute and average',
  vanilla: 'Average without permutation (vanilla)',
  copy: 'Copy the anchor',
  random: 'Random windows',
  'ffn-drop': 'Drop FFNs',
  'layer-drop': 'Drop whole layers',
};

export const referenceNames: Record<ReferenceChoice, string> = {
  first: 'First',
  middle: 'Middle',
  last: 'Last',
};

/** The choice of a format and the button that saves it; a recipe is saved elsewhere. */
export const downloadNames: Record<Exclude<DownloadFormat, 'recipe'>, { format: string; button: string }> = {
  onnx: { format: 'ONNX', button: 'Download ONNX' },
  'onnx-float16': { format: 'ONNX, half precision', button: 'Download half precision' },
  zip: { format: 'Zip for publishing', button: 'Download zip' },
  safetensors: { format: 'Checkpoint (safetensors)', button: 'Download safetensors' },
};

export const combinedScore = 'preactivation+input-weights+output-weights';

/** The fields of tuning. */
export const tuneNames: Record<Exclude<keyof TuneOptions, 'of'>, string> = {
  steps: 'Tuning steps',
  rate: 'Learning rate',
  batch: 'Items a batch',
  accumulate: 'Batches a step',
  distil: 'Share of the original',
};

/** The checkboxes of the ladder. */
export const rungNames: Record<Rung, string> = {
  R0c: 'Align to the running mean R0c',
  R0b: 'Own output biases R0b',
  R1: 'Refit the up-projection R1',
  R2: 'Rescale the pre-activations R2',
  R3: 'Refit the down-projection R3',
  R4: 'Gains of hidden units R4',
  R5: 'Own low-rank corrections R5',
  R6: 'Distil locally R6',
  refresh: 'Refit on the merged model',
  tune: 'Tune from end to end',
};
