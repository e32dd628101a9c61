/**
 * Metrics of a split, with what a paired comparison of two models needs (method.md, Metrics).
 *
 * Every metric is a mean over scored items (tokens, positions or images); a score keeps the value of each item, so
 * that two models that saw the same items can be compared with a paired standard error:
 * - `perplexity`, `strided-perplexity`: exp(mean NLL), NLL = log Σ exp(z) − z[target] in nats; the two differ only in
 *   the dataset's windows and in the positions that its targets score;
 * - `token-accuracy`, `accuracy`: 1 where the largest logit is the target's;
 * - `kl`: KL(original ‖ model) = Σ p (log p − log q) in nats, over all positions (or images), without targets;
 * - `agreement`: 1 where the original and the model have the same largest logit;
 * - `cosine`: 1 − cosine of the original's and the model's output vectors, for outputs that are no scores.
 * Rows that are padding are left out, and of tokens those that are not asked for.
 * Logits are f32; log-softmax is taken in f64 after subtracting the maximum. Of equal logits the lowest id wins.
 *
 * Known limits: outputs are taken as logits, not as probabilities; neighbouring tokens are counted as independent in
 * the standard error, which therefore is somewhat small for text.
 */
import type { Targets } from '../data/dataset.ts';
import { argmax, cosineDistance, divergence, logSumExp } from './softmax.ts';

export type Metric =
  | 'perplexity'
  | 'strided-perplexity'
  | 'token-accuracy'
  | 'accuracy'
  | 'kl'
  | 'agreement'
  | 'cosine';

export interface Scored {
  readonly metric: Metric;
  readonly value: number;
  /** Scored tokens, positions or images. */
  readonly samples: number;
  /** Per scored item: NLL or KL in nats, or 1 for a hit and 0 for a miss. */
  readonly items: Float32Array;
}

/** Whether the metric compares a model's outputs with the original's, which then must be given. */
export function needsOriginal(metric: Metric): boolean {
  return metric === 'kl' || metric === 'agreement' || metric === 'cosine';
}

export function higherIsBetter(metric: Metric): boolean {
  return metric === 'token-accuracy' || metric === 'accuracy' || metric === 'agreement';
}

/**
 * One value a scored item, in order of items and positions.
 * @param logits row-major [items × length × vocabulary] for next-token targets, else [items × classes]
 * @param original the original's logits on the same feeds, for `kl`, `agreement` and `cosine`
 * @throws RangeError where logits and targets have other shapes, or the metric does not fit the targets
 */
export function scoreBatch(
  metric: Metric,
  logits: Float32Array,
  targets: Targets,
  original?: Float32Array,
): Float32Array {
  const rows = rowsOf(targets, logits.length);
  const width = logits.length / rows;
  if (!Number.isInteger(rows) || !Number.isInteger(width) || width < 1) {
    throw new RangeError(`${logits.length} logits do not fit ${describe(targets)}.`);
  }
  if (needsOriginal(metric)) {
    if (!original) throw new RangeError(`The metric ${metric} needs the original's outputs.`);
    if (original.length !== logits.length) {
      throw new RangeError(
        `The original gave ${original.length} logits and the model ${logits.length}; they cannot be compared.`,
      );
    }
    return Float32Array.from(realRows(targets, rows), (row) =>
      compareRow(metric, original, logits, row * width, width),
    );
  }
  if (metric === 'accuracy') {
    if (targets.kind !== 'class') throw new RangeError('Accuracy needs a label for each image.');
    const { labels } = targets;
    return Float32Array.from(realRows(targets, rows), (i) => hit(logits, i * width, width, labels[i]));
  }
  if (targets.kind !== 'next-token' && targets.kind !== 'token')
    throw new RangeError(`The metric ${metric} needs text.`);
  const value =
    metric === 'token-accuracy'
      ? hit
      : (z: Float32Array, from: number, count: number, id: number) =>
          logSumExp(z, from, count) - z[from + id];
  return eachScored(targets, (row, id) => value(logits, row * width, width, id));
}

/** The score of all batches together. NaN where nothing was scored. */
export function combine(batches: readonly Float32Array[], metric: Metric): Scored {
  const samples = batches.reduce((n, b) => n + b.length, 0);
  const items = new Float32Array(samples);
  let at = 0;
  for (const batch of batches) {
    items.set(batch, at);
    at += batch.length;
  }
  const mean = meanOf(items);
  return { metric, value: isPerplexity(metric) ? Math.exp(mean) : mean, samples, items };
}

/** The score of the original where the metric compares with it: no divergence, full agreement. */
export function scoreOfItself(metric: 'kl' | 'agreement' | 'cosine', samples: number): Scored {
  const value = metric === 'agreement' ? 1 : 0;
  return { metric, value, samples, items: new Float32Array(samples).fill(value) };
}

/**
 * Standard error of merged − original in the metric's own unit, paired over items; NaN for fewer than two.
 * For perplexity the error of the mean NLL difference is scaled by the merged perplexity (delta method).
 * @throws RangeError where the scores are not of the same items
 */
export function pairedStandardError(original: Scored, merged: Scored): number {
  checkPair(original, merged);
  const n = original.samples;
  if (n < 2) return Number.NaN;
  const a = original.items;
  const b = merged.items;
  let mean = 0;
  for (let k = 0; k < n; k++) mean += b[k] - a[k];
  mean /= n;
  let variance = 0;
  for (let k = 0; k < n; k++) variance += (b[k] - a[k] - mean) ** 2;
  const error = Math.sqrt(variance / (n - 1) / n);
  return isPerplexity(merged.metric) ? error * merged.value : error;
}

/**
 * What merging cost, lower is better, 0 for no change: nats a token for perplexities, the increase of the error for
 * accuracies, the divergence itself, 1 − agreement. Adds up better over merges than the metric itself does.
 * @throws RangeError where the scores are not of the same items
 */
export function damage(original: Scored, merged: Scored): number {
  checkPair(original, merged);
  const before = meanOf(original.items);
  const after = meanOf(merged.items);
  return higherIsBetter(merged.metric) ? before - after : after - before;
}

function checkPair(original: Scored, merged: Scored): void {
  if (original.metric !== merged.metric || original.samples !== merged.samples) {
    throw new RangeError('Two scores can only be compared on the same metric and the same items.');
  }
}

function isPerplexity(metric: Metric): boolean {
  return metric === 'perplexity' || metric === 'strided-perplexity';
}

function meanOf(items: Float32Array): number {
  let sum = 0;
  for (const v of items) sum += v;
  return sum / items.length;
}

function hit(logits: Float32Array, from: number, count: number, id: number): number {
  return argmax(logits, from, count) === id ? 1 : 0;
}

function compareRow(
  metric: Metric,
  original: Float32Array,
  model: Float32Array,
  from: number,
  width: number,
): number {
  if (metric === 'kl') return divergence(original, model, from, width);
  if (metric === 'cosine') return cosineDistance(original, model, from, width);
  return argmax(original, from, width) === argmax(model, from, width) ? 1 : 0;
}

/** Rows that are not padding. */
function realRows(targets: Targets, rows: number): number[] {
  const { real } = targets;
  if (real && rows % real.length !== 0)
    throw new RangeError(`A mask of ${real.length} does not fit ${rows} rows.`);
  const each = real ? rows / real.length : rows;
  return Array.from({ length: rows }, (_, row) => row).filter((row) => real?.[Math.floor(row / each)] !== 0);
}

/** Distributions in the logits: one a position, or one an image. */
function rowsOf(targets: Targets, values: number): number {
  if (targets.kind === 'next-token' || targets.kind === 'token') return targets.items * targets.length;
  if (targets.kind === 'class') return targets.labels.length;
  return targets.width === undefined ? targets.items : values / targets.width;
}

function describe(targets: Targets): string {
  return targets.kind === 'next-token' || targets.kind === 'token'
    ? `${targets.items} chunks of ${targets.length} tokens`
    : targets.kind === 'class'
      ? `${targets.labels.length} images`
      : `${targets.items} rows`;
}

/** Calls `value` with the row that predicts, and the id that comes next, for each position that is scored. */
function eachScored(
  targets: Targets & { kind: 'next-token' | 'token' },
  value: (row: number, id: number) => number,
): Float32Array {
  const { ids, items, length } = targets;
  if (targets.kind === 'token') {
    const scored = [...ids.keys()].filter((row) => ids[row] >= 0);
    return Float32Array.from(scored, (row) => value(row, ids[row]));
  }
  const { from } = targets;
  const first = (i: number) => Math.max(1, from?.[i] ?? 1);
  let count = 0;
  for (let i = 0; i < items; i++) count += Math.max(0, length - first(i));
  const out = new Float32Array(count);
  let k = 0;
  for (let i = 0; i < items; i++) {
    for (let t = first(i); t < length; t++) out[k++] = value(i * length + t - 1, ids[i * length + t]);
  }
  return out;
}
