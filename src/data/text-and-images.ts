/**
 * Texts beside images, for models with a tower for each (CLIP, SigLIP): both are embedded, and compared as vectors.
 *
 * The towers do not see each other, so that texts need not belong to the images: the n-th image of a split goes with
 * its n-th text, over again where there are fewer texts. Texts come from plain text (a line each) or from the text
 * column of tables and JSON lines. They stand between the tokenizer's special tokens, filled up on the right.
 */
import type { Batch, Dataset } from './dataset.ts';
import { digestOf } from './digest.ts';
import type { FeedPlan } from './feeds.ts';
import { type NamedBlob, SPLITS, type SplitName } from './files.ts';
import { readPairs } from './pair-files.ts';
import { splitItems } from './split.ts';
import type { TextCodec } from './tokenizer.ts';

export interface CaptionOptions {
  readonly codec: TextCodec;
  readonly plan: FeedPlan;
  /** Tokens at most. */
  readonly most: number;
  /** Every text is filled up to so many, which count as real: the model was trained so, or its graph says so. */
  readonly length?: number;
  readonly pad: number;
  /** Outputs that are compared. */
  readonly outputs: readonly string[];
}

/**
 * @param images the dataset of the images alone
 * @throws DataError for too few texts
 */
export async function withTexts(
  images: Dataset,
  texts: readonly NamedBlob[],
  tables: readonly NamedBlob[],
  { codec, plan, most, length, pad, outputs }: CaptionOptions,
): Promise<Dataset> {
  const named: Partial<Record<SplitName, Int32Array[]>> = {};
  const unnamed: Int32Array[] = [];
  const { before, after } = codec.around;
  const room = Math.max(1, most - before.length - after.length);
  for (const { split, pairs } of await readPairs(texts, tables)) {
    // Of a file and its text, or of a text on both sides, the text is the second.
    const ids = pairs.map(({ target }) =>
      Int32Array.from([...before, ...codec.encode(target, 'A text').subarray(0, room), ...after]),
    );
    if (split) named[split] = [...(named[split] ?? []), ...ids];
    else unnamed.push(...ids);
  }
  const { splits } = splitItems(named, unnamed, 'texts');
  const all = SPLITS.flatMap((s) => splits[s]);
  const settings = { kind: 'text-and-images', images: images.key, length, pad, filled: plan.filled, outputs };
  const key = await digestOf(all, {
    ...settings,
    lengths: SPLITS.map((s) => splits[s].map((ids) => ids.length)),
  });
  return {
    ...images,
    key,
    outputs,
    notes: [
      ...images.notes,
      `${all.length} texts go with the images in turn: each tower is compared with the original’s, and neither sees the other.`,
    ],
    batch(split, index, itemsPerBatch): Batch {
      const pictures = images.batch(split, index, itemsPerBatch);
      const { items } = pictures;
      const chosen = Array.from(
        { length: items },
        (_, k) => splits[split][(index * itemsPerBatch + k) % splits[split].length],
      );
      const width = length ?? Math.max(...chosen.map((ids) => ids.length));
      const ids = new Int32Array(items * width).fill(pad);
      const real = new Uint8Array(items * width);
      chosen.forEach((one, k) => {
        ids.set(one.subarray(0, width), k * width);
        real.fill(1, k * width, k * width + Math.min(width, one.length));
      });
      const masked = plan.filled.includes('attention_mask');
      return {
        ...pictures,
        feeds: plan.make({ items, made: pictures.feeds, tokens: { ids, length: width, real } }),
        padding: { ...pictures.padding, ...(masked && real.includes(0) && { encoder: real }) },
      };
    },
  };
}
