/**
 * A dataset that a model can be run on: three splits of items, and the feeds of a batch of items.
 *
 * Items are kept as they came (token ids, bytes of images); tensors are made batch by batch, so that memory does not
 * grow with the number of batches.
 */
import type { HostTensor } from '../runtime/session.ts';
import type { SplitName } from './files.ts';

/** What a metric needs to score a batch. */
export type Targets =
  /** Token ids [items × length], row-major; position t is predicted from positions < t. */
  | { readonly kind: 'next-token'; readonly ids: Int32Array; readonly items: number; readonly length: number }
  /** One class an item. */
  | { readonly kind: 'class'; readonly labels: Int32Array };

export interface Batch {
  readonly feeds: Readonly<Record<string, HostTensor>>;
  readonly items: number;
  readonly targets: Targets;
}

export interface Dataset {
  readonly kind: 'text' | 'images';
  readonly unit: 'tokens' | 'images';
  /** Identifies contents and settings, for caches. */
  readonly key: string;
  readonly rule: string;
  readonly notes: readonly string[];
  readonly contextLength?: number;
  readonly contextSource?: string;
  /** Units of a split (tokens fed, or images), and how many of them a metric scores. */
  size(split: SplitName): { items: number; scored: number };
  /** Number of batches of a split when at most `itemsPerBatch` chunks or images go into one. */
  batches(split: SplitName, itemsPerBatch: number): number;
  batch(split: SplitName, index: number, itemsPerBatch: number): Batch;
  /** Items that go into a batch by default. */
  readonly itemsPerBatch: number;
}
