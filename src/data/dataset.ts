/**
 * A dataset that a model can be run on: three splits of items, and the feeds of a batch of items.
 *
 * Items are kept as they came (token ids, bytes of images); tensors are made batch by batch, so that memory does not
 * grow with the number of batches. What only text or only images can do is optional.
 */
import type { HostTensor } from '../runtime/session.ts';
import type { SplitName } from './files.ts';

/**
 * What a metric needs to score a batch. Where it is there, `real` is 0 for rows that only fill the batch up, which no
 * metric counts: an entry a row of the output, or one an item that stands for all of its rows.
 */
export type Targets = { readonly real?: Uint8Array } & (
  | {
      /**
       * Token ids [items × length], row-major; position t is predicted from positions < t. `from[i]` is the first
       * position of item i that is scored, 1 where it is absent; position 0 never is.
       */
      readonly kind: 'next-token';
      readonly ids: Int32Array;
      readonly items: number;
      readonly length: number;
      readonly from?: Int32Array;
    }
  | {
      /** Row [item, position] is to give the token ids[item × length + position]; −1 where it is not scored. */
      readonly kind: 'token';
      readonly ids: Int32Array;
      readonly items: number;
      readonly length: number;
    }
  /** One class an item. */
  | { readonly kind: 'class'; readonly labels: Int32Array }
  | {
      /** Nothing is known: a model can only be compared with another one. `items`: rows of outputs, unless `width`, the
       * size of a row, is known. */
      readonly kind: 'none';
      readonly items: number;
      readonly width?: number;
    }
);

export type Feeds = Readonly<Record<string, HostTensor>>;

export interface Batch {
  readonly feeds: Feeds;
  readonly items: number;
  readonly targets: Targets;
  /**
   * Where positions are filled up: [items × length] a side, 1 for a real one. Statistics of values with as many rows
   * leave the others out. A side that is full has none.
   */
  readonly padding?: Padding;
}

export interface Padding {
  /** [items]: 0 for an item that only fills a fixed batch up. */
  readonly items?: Uint8Array;
  /** Of the encoder, or of the only stack. */
  readonly encoder?: Uint8Array;
  readonly decoder?: Uint8Array;
}

/** Writing with an encoder–decoder: what goes in, and the decoder's tokens so far. */
export interface Writer {
  /** Decoder tokens to begin with. */
  readonly start: readonly number[];
  /** Tokens that end a text. */
  readonly end: readonly number[];
  /** Decoder tokens that can be fed. */
  readonly most: number;
  /** What stands for the input, for people. @throws DataError for a prompt that cannot be used */
  promptOf(prompt: string): string;
  /** Feeds for start + written; the next token's logits are in row start.length + written.length − 1 of the first item. */
  feeds(prompt: string, decoder: Int32Array): Feeds;
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
  readonly kind: 'text' | 'pairs' | 'images' | 'audio' | 'tensors';
  readonly unit: 'tokens' | 'images' | 'clips' | 'samples';
  /** What is scored, where not the same. */
  readonly scoredUnit?: 'chunks';
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
  /** Reads what a batch is made from, where that takes time (pictures that the browser decodes): see `readBatch`. */
  prepare?(split: SplitName, index: number, itemsPerBatch: number): Promise<void>;
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
  /** Outputs that are scored where they are not the model's first: two towers have two. All of them by `cosine`. */
  readonly outputs?: readonly string[];
  /** Text with targets of masked tokens: the token that stands for them. */
  readonly maskToken?: number;
  /** Encoder–decoders. */
  readonly writer?: Writer;
  /** Images: one image of a split, from its original bytes. */
  picture?(split: SplitName, index: number): Picture;
}

/** A batch, once everything that it is made from is there. @throws DataError for a file that cannot be read after all */
export async function readBatch(
  dataset: Dataset,
  split: SplitName,
  index: number,
  itemsPerBatch: number,
): Promise<Batch> {
  await dataset.prepare?.(split, index, itemsPerBatch);
  return dataset.batch(split, index, itemsPerBatch);
}
