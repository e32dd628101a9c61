/**
 * A dataset that a model can be run on: three splits of items, and the feeds of a batch of items.
 *
 * Items are kept as they came (token ids, bytes of images); tensors are made batch by batch, so that memory does not
 * grow with the number of batches. What only text or only images can do is optional.
 */
import type { HostTensor } from '../runtime/session.ts';
import type { SplitName } from './files.ts';

/** What a metric needs to score a batch. */
export type Targets =
  /**
   * Token ids [items × length], row-major; position t is predicted from positions < t. `from[i]` is the first position
   * of item i that is scored, 1 where it is absent; position 0 never is.
   */
  | {
      readonly kind: 'next-token';
      readonly ids: Int32Array;
      readonly items: number;
      readonly length: number;
      readonly from?: Int32Array;
    }
  /** One class an item. */
  | { readonly kind: 'class'; readonly labels: Int32Array }
  /** Nothing is known: a model can only be compared with another one. `items`: rows of logits. */
  | { readonly kind: 'none'; readonly items: number };

export type Feeds = Readonly<Record<string, HostTensor>>;

export interface Batch {
  readonly feeds: Feeds;
  readonly items: number;
  readonly targets: Targets;
}

/** An image as people see it. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGBA, row-major. */
  readonly pixels: Uint8ClampedArray;
  readonly label?: number;
}

export interface Dataset {
  readonly kind: 'text' | 'images' | 'tensors';
  readonly unit: 'tokens' | 'images' | 'samples';
  /** SHA-256 of contents and settings, for caches: equal keys give equal batches. */
  readonly key: string;
  readonly rule: string;
  readonly notes: readonly string[];
  readonly contextLength?: number;
  readonly contextSource?: string;
  /** Whether targets can be scored without another model: false for images without labels, and for tensors. */
  readonly labelled: boolean;
  /** Units of a split (tokens fed, images, or samples), and how many of them a metric with targets scores. */
  size(split: SplitName): { items: number; scored: number };
  /** Number of batches of a split when at most `itemsPerBatch` chunks or images go into one. */
  batches(split: SplitName, itemsPerBatch: number): number;
  batch(split: SplitName, index: number, itemsPerBatch: number): Batch;
  /** Items that go into a batch by default. */
  readonly itemsPerBatch: number;

  /**
   * Text: the same splits in windows of contextLength that move by `stride` tokens, each scoring the tokens that no
   * window before it scored (see windows.ts).
   * @throws DataError unless 1 ≤ stride ≤ contextLength, whole
   */
  strided?(stride: number): Dataset;
  /** Text: token ids, without special tokens. @throws DataError for text that the tokenizer does not know */
  encode?(text: string): Int32Array;
  /** Text: the text of token ids, special tokens spelled out. */
  decode?(ids: ArrayLike<number>): string;
  /**
   * Text: feeds of one sequence of 1 to contextLength tokens. Logits of position t are in row t of the first item,
   * also where the model takes a fixed size and the rest is filled up after the sequence.
   */
  feedsFor?(ids: Int32Array): Feeds;
  /** Images: one image of a split, from its original bytes. */
  picture?(split: SplitName, index: number): Picture;
}
