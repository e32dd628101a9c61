/** The page's longer words: what each choice means, in a sentence or two. */
import type {
  MergeMethodId,
  Metric,
  ReferenceChoice,
  RungId,
  ScoreChoice,
  SimilarityKind,
  SplitSummary,
} from '../store/types.ts';

export const SPLIT_USES: Record<SplitSummary['name'], string> = {
  calibrate: 'measuring and aligning',
  select: 'choosing between variants',
  report: 'the score that is shown',
};

export const MEASURES: readonly {
  readonly kind: SimilarityKind;
  readonly name: string;
  readonly about: string;
}[] = [
  {
    kind: 'cka',
    name: 'FFN outputs (CKA)',
    about:
      'How alike the outputs of two layers are, up to rotation and scale: 1 is alike, 0 unrelated. This is the biased estimate that the paper plots; it reads high when there are few tokens.',
  },
  {
    kind: 'cka-debiased',
    name: 'FFN outputs (debiased CKA)',
    about:
      'The same comparison without the bias of small samples: unrelated layers come out near 0, and may fall slightly below it.',
  },
  {
    kind: 'aligned',
    name: 'Aligned correlation',
    about:
      'Mean correlation of the hidden units of two layers after the best one-to-one matching: what merging maximises. Filled in pair by pair, by Align this pair and by Merge.',
  },
  {
    kind: 'attention',
    name: 'Attention outputs (CKA)',
    about: 'For contrast: CKA of the attention outputs, which the paper finds much less alike than the FFNs.',
  },
];

export const METHODS: readonly {
  readonly id: MergeMethodId;
  readonly name: string;
  readonly about: string;
}[] = [
  {
    id: 'permute',
    name: 'Permute and average',
    about: 'Reorders each layer’s hidden units to match the reference, then averages. The paper’s method.',
  },
  {
    id: 'vanilla',
    name: 'Average without permutation (vanilla)',
    about: 'Averages the layers as they stand. A control: shows what the reordering is worth.',
  },
  {
    id: 'copy',
    name: 'Copy the anchor',
    about: 'The reference layer serves for all. A control: shows what the averaging is worth.',
  },
  {
    id: 'random',
    name: 'Random windows',
    about:
      'Permutes and averages windows of the same sizes, drawn at random. Shows what your choice is worth.',
  },
  {
    id: 'ffn-drop',
    name: 'Drop FFNs',
    about: 'Leaves out every FFN of a set but its first. Those are not computed any more.',
  },
  {
    id: 'layer-drop',
    name: 'Drop whole layers',
    about:
      'Leaves out as many whole layers, attention too, chosen by evaluation. Saves more bytes, and time.',
  },
];

export interface ScoreOption {
  readonly value: string;
  readonly name: string;
  readonly about: string;
  readonly gatedOnly?: boolean;
  readonly score: ScoreChoice;
}

/** What two units are matched by. The names are the page object's too. */
export const SCORES: readonly ScoreOption[] = [
  {
    value: 'default',
    name: 'Default (the paper: pre-activations)',
    about: 'Units that fire together on the calibration text. For gated FFNs, up and gate count equally.',
    score: 'default',
  },
  {
    value: 'preactivation',
    name: 'Correlation of pre-activations',
    about: 'The paper’s score: how alike two units are before the activation function.',
    score: ['preactivation'],
  },
  {
    value: 'preactivation+input-weights+output-weights',
    name: 'Combined: correlation + weight vectors',
    about: 'Adds how alike the units’ weights point. On our samples it costs least.',
    score: ['preactivation', 'input-weights', 'output-weights'],
  },
  {
    value: 'input-weights+output-weights',
    name: 'Weight vectors only (needs no data)',
    about: 'Cosine of what the units read and write. Works before there is any calibration data.',
    score: ['input-weights', 'output-weights'],
  },
  {
    value: 'hidden',
    name: 'Post-activation correlation',
    about: 'How alike two units are after the activation function, as the next matrix sees them.',
    score: ['hidden'],
  },
  {
    value: 'gate',
    name: 'Gate',
    about: 'Correlation of the gates alone.',
    gatedOnly: true,
    score: ['gate'],
  },
  {
    value: 'preactivation+gate',
    name: 'Up and gate',
    about: 'Correlation of the up projection and of the gate, equally.',
    gatedOnly: true,
    score: ['preactivation', 'gate'],
  },
  {
    value: 'best',
    name: 'Try all, keep the best on the select split',
    about: 'Merges once with each score and keeps the one that the select split likes best. Takes longest.',
    score: 'best',
  },
];

/** Shown wherever a size is shown beside a score. */
export const SMALLER_NOT_FASTER =
  'Tying makes the model smaller, not faster: every layer still runs, and the file holds fewer copies.';

export const METRIC_ABOUT: Record<Metric, string> = {
  perplexity: 'How unsure the model is of the next token, on chunks of the context length.',
  'strided-perplexity':
    'The same, with a window that moves by the stride, so that every token sees more before it.',
  'token-accuracy': 'Share of tokens that are the model’s first guess.',
  accuracy: 'Share of items that get the right class.',
  kl: 'How far the outputs have moved from the original’s, in nats. Needs no right answers.',
  agreement: 'Share of items where both models’ first guess is the same. Needs no right answers.',
  cosine: 'How far the output vectors have turned from the original’s: 1 − cosine, 0 for none.',
};

export const REFERENCES: readonly { readonly id: ReferenceChoice; readonly name: string }[] = [
  { id: 'first', name: 'First' },
  { id: 'middle', name: 'Middle' },
  { id: 'last', name: 'Last' },
];

/** What a split is counted in. */
export const UNIT_NAMES: Record<SplitSummary['unit'], string> = {
  tokens: 'Tokens',
  images: 'Images',
  clips: 'Clips',
  samples: 'Samples',
};

export const RECOVERY_MODES: readonly {
  readonly id: 'best' | 'chosen';
  readonly name: string;
  readonly about: string;
}[] = [
  {
    id: 'best',
    name: 'Best in the time given',
    about:
      'Recommended. Climbs the ladder but for R5 and tuning, keeps what helps, and distils with the time that is left.',
  },
  {
    id: 'chosen',
    name: 'Only the rungs I tick',
    about: 'Tries these in the order of the ladder, and takes as long as they need.',
  },
];

export interface RungWords {
  readonly id: RungId;
  readonly name: string;
  readonly about: string;
  /** What the file has more. */
  readonly adds: string;
  /** Left out of “best” (`BEST` of the pipeline): tried only where it is ticked. */
  readonly notInBest?: true;
}

/** The ladder, by what a rung costs in time. The names are the page object's too. */
export const LADDER: readonly {
  readonly cost: string;
  readonly rungs: readonly RungWords[];
}[] = [
  {
    cost: 'Free',
    rungs: [
      {
        id: 'R0c',
        name: 'Align to the running mean',
        about: 'Matches each layer to the mean of those already aligned, and averages anew.',
        adds: 'no bytes',
      },
      {
        id: 'R0b',
        name: 'Own output biases',
        about: 'Gives each layer a bias of its own, so that its mean output is right again.',
        adds: 'a vector a layer',
      },
    ],
  },
  {
    cost: 'Seconds',
    rungs: [
      {
        id: 'R1',
        name: 'Refit the up-projection',
        about: 'Solves for the shared input weights that give back each layer’s pre-activations.',
        adds: 'a vector a layer',
      },
      {
        id: 'R2',
        name: 'Rescale the pre-activations',
        about: 'A scale and a shift of its own for each hidden unit of each layer.',
        adds: 'vectors a layer',
      },
      {
        id: 'R3',
        name: 'Refit the down-projection',
        about: 'Solves for the shared output weights that give back each layer’s output. Usually gains most.',
        adds: 'a vector a layer',
      },
      {
        id: 'R4',
        name: 'Gains of hidden units',
        about: 'Lets each layer weigh the shared hidden units in its own way.',
        adds: 'a vector a layer',
      },
      {
        id: 'R5',
        name: 'Own low-rank corrections',
        about:
          'A small correction of its own to each layer’s matrices. It costs real size, so “best” leaves it out.',
        adds: 'thin matrices a layer',
        notInBest: true,
      },
    ],
  },
  {
    cost: 'Minutes',
    rungs: [
      {
        id: 'R6',
        name: 'Distil locally',
        about: 'Trains the shared FFN alone to give the outputs of the layers that it stands for.',
        adds: 'a vector a layer',
      },
      {
        id: 'refresh',
        name: 'Refit on the merged model',
        about:
          'Fits once more what was kept, from shallow to deep, on what the merged model really feeds it.',
        adds: 'no bytes',
      },
      {
        id: 'tune',
        name: 'Tune from end to end',
        about:
          'Trains everything that is tied through the whole model, to give the original’s outputs: the paper’s own recovery. It takes longest, so “best” leaves it out.',
        adds: 'no bytes, unless biases are tuned apart',
        notInBest: true,
      },
    ],
  },
];

export const RUNG_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  LADDER.flatMap(({ rungs }) => rungs.map(({ id, name }) => [id, name])),
);
