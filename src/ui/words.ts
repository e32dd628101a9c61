/** The page's longer words: what each choice means, in a sentence or two. */
import type { MergeMethodId, ReferenceChoice, SimilarityKind, SplitSummary } from '../store/types.ts';

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
];

export const REFERENCES: readonly { readonly id: ReferenceChoice; readonly name: string }[] = [
  { id: 'first', name: 'First' },
  { id: 'middle', name: 'Middle' },
  { id: 'last', name: 'Last' },
];
