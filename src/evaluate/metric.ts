/**
 * Perplexity and accuracy of a split, with what a paired comparison needs.
 *
 * Perplexity = exp(mean NLL of the scored tokens), NLL by a stable log-softmax in f64 (method.md, Metrics).
 * A score keeps one loss a scored item (token NLL; 0 or 1 for a class), so that two models that saw the same items
 * can be compared with a paired standard error.
 */
import type { Targets } from '../data/dataset.ts';

export type Metric = 'perplexity' | 'strided-perplexity' | 'token-accuracy' | 'accuracy' | 'kl' | 'agreement';

export interface Scored {
  readonly metric: Metric;
  readonly value: number;
  /** Scored tokens or images. */
  readonly samples: number;
  /** Per scored item: NLL of the token, or 1 for a right class and 0 for a wrong one. */
  readonly items: Float32Array;
}

/**
 * Losses of one batch.
 * @param logits row-major [items × length × vocabulary] for next-token targets, [items × classes] for classes
 * @throws RangeError where the logits do not have the targets' shape
 */
export function scoreBatch(logits: Float32Array, targets: Targets): Float32Array {
  return targets.kind === 'next-token' ? tokenLosses(logits, targets) : classHits(logits, targets.labels);
}

/** The score of all batches together. */
export function combine(batches: readonly Float32Array[], metric: Metric): Scored {
  const samples = batches.reduce((n, b) => n + b.length, 0);
  const items = new Float32Array(samples);
  let at = 0;
  let sum = 0;
  for (const batch of batches) {
    items.set(batch, at);
    at += batch.length;
    for (const v of batch) sum += v;
  }
  const mean = sum / samples;
  return { metric, value: metric === 'perplexity' ? Math.exp(mean) : mean, samples, items };
}

/**
 * Standard error of merged − original in the metric's own unit, paired over items.
 * For perplexity the error of the mean NLL difference is scaled by the merged perplexity (delta method).
 */
export function pairedStandardError(original: Scored, merged: Scored): number {
  const n = original.samples;
  if (n !== merged.samples) throw new RangeError('A paired error needs the same items in both scores.');
  if (n < 2) return Number.NaN;
  let mean = 0;
  for (let k = 0; k < n; k++) mean += merged.items[k] - original.items[k];
  mean /= n;
  let variance = 0;
  for (let k = 0; k < n; k++) variance += (merged.items[k] - original.items[k] - mean) ** 2;
  const error = Math.sqrt(variance / (n - 1) / n);
  return merged.metric === 'perplexity' ? error * merged.value : error;
}

function tokenLosses(
  logits: Float32Array,
  { ids, items, length }: Targets & { kind: 'next-token' },
): Float32Array {
  const vocabulary = logits.length / (items * length);
  if (!Number.isInteger(vocabulary)) {
    throw new RangeError(`${logits.length} logits do not fit ${items} chunks of ${length} tokens.`);
  }
  const losses = new Float32Array(items * (length - 1));
  let k = 0;
  for (let i = 0; i < items; i++) {
    for (let t = 0; t + 1 < length; t++) {
      const from = (i * length + t) * vocabulary;
      losses[k++] = logSumExp(logits, from, vocabulary) - logits[from + ids[i * length + t + 1]];
    }
  }
  return losses;
}

function logSumExp(values: Float32Array, from: number, count: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let v = from; v < from + count; v++) if (values[v] > max) max = values[v];
  let sum = 0;
  for (let v = from; v < from + count; v++) sum += Math.exp(values[v] - max);
  return max + Math.log(sum);
}

function classHits(logits: Float32Array, labels: Int32Array): Float32Array {
  const classes = logits.length / labels.length;
  if (!Number.isInteger(classes))
    throw new RangeError(`${logits.length} logits do not fit ${labels.length} images.`);
  return Float32Array.from(labels, (label, i) => {
    let best = 0;
    for (let c = 1; c < classes; c++) if (logits[i * classes + c] > logits[i * classes + best]) best = c;
    return best === label ? 1 : 0;
  });
}
