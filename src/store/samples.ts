/** The models that come with the page, and the files of each. */

export interface Sample {
  readonly name: string;
  readonly title: string;
  readonly what: string;
  readonly files: readonly string[];
  readonly size: string;
}

export const SAMPLES: readonly Sample[] = [
  {
    name: 'shakespeare-gpt2',
    title: 'Shakespeare GPT-2',
    what: 'Writes character by character. 12 layers, scored by perplexity.',
    files: ['model.onnx', 'config.json', 'tokenizer.json', 'calibrate.txt', 'select.txt', 'report.txt'],
    size: '10.1 MB',
  },
  {
    name: 'digits-vit',
    title: 'Digits ViT',
    what: 'Reads handwritten digits. 12 layers, scored by accuracy.',
    files: [
      'model.onnx',
      'config.json',
      'preprocessor_config.json',
      'calibrate-images.npy',
      'calibrate-labels.npy',
      'select-images.npy',
      'select-labels.npy',
      'report-images.npy',
      'report-labels.npy',
    ],
    size: '7.0 MB',
  },
];
