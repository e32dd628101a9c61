/** What each metric is called, which way is better, and how its numbers read. */
import type { EvaluationResult, Metric, MetricChoice, SweepEntry } from './types.ts';

interface MetricFacts {
  readonly name: string;
  readonly higherIsBetter: boolean;
  /** Shown in percent; its differences in points. */
  readonly percent: boolean;
  readonly digits: number;
}

const METRICS: Record<Metric, MetricFacts> = {
  perplexity: { name: 'Perplexity', higherIsBetter: false, percent: false, digits: 3 },
  'strided-perplexity': { name: 'Perplexity, strided', higherIsBetter: false, percent: false, digits: 3 },
  'token-accuracy': { name: 'Token accuracy', higherIsBetter: true, percent: true, digits: 1 },
  accuracy: { name: 'Accuracy', higherIsBetter: true, percent: true, digits: 1 },
  kl: { name: 'KL from the original', higherIsBetter: false, percent: false, digits: 4 },
  agreement: { name: 'Top-1 agreement with the original', higherIsBetter: true, percent: true, digits: 1 },
  cosine: { name: 'Cosine distance from the original', higherIsBetter: false, percent: false, digits: 4 },
};

export function metricName(metric: Metric): string {
  return METRICS[metric].name;
}

/** With its stride, where it has one. */
export function metricPhrase({ metric, stride }: MetricChoice): string {
  return stride === undefined ? metricName(metric) : `${metricName(metric)} (stride ${stride})`;
}

export function higherIsBetter(metric: Metric): boolean {
  return METRICS[metric].higherIsBetter;
}

export function sameMetric(a: MetricChoice | null, b: MetricChoice | null): boolean {
  return a !== null && b !== null && a.metric === b.metric && a.stride === b.stride;
}

export function formatMetric(metric: Metric, value: number): string {
  const { percent, digits } = METRICS[metric];
  return percent ? `${(value * 100).toFixed(digits)} %` : plain(value, digits);
}

/** Distances of nearly equal outputs are told from 0: `8.5 × 10⁻⁸`. */
function plain(value: number, digits: number): string {
  if (!isTiny(value, digits)) return value.toFixed(digits);
  const [number, exponent] = value.toExponential(1).split('e-');
  return `${number} × 10⁻${[...exponent].map((d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(d)]).join('')}`.replace('-', '−');
}

function isTiny(value: number, digits: number): boolean {
  return digits > 3 && value !== 0 && Math.abs(value) < 0.5 * 10 ** -digits;
}

/** `+0.779 ± 0.021`, `−1.8 ± 0.4 points`. */
export function formatDifference(metric: Metric, difference: number, error: number): string {
  const { percent, digits } = METRICS[metric];
  const tiny = !percent && isTiny(difference, digits);
  const text = (value: number) =>
    tiny ? plain(value, digits) : (percent ? value * 100 : value).toFixed(digits);
  const sign = difference > 0 ? '+' : difference < 0 ? '−' : '±';
  const unit = percent ? ' points' : '';
  const size = `${sign === '±' ? '' : sign}${text(Math.abs(difference))}`;
  return Number.isFinite(error) && error > 0 ? `${size} ± ${text(error)}${unit}` : `${size}${unit}`;
}

/** How much worse: above 0 whichever way the metric points. */
export function damageOf(
  metric: Metric,
  { value, original }: Pick<SweepEntry, 'value' | 'original'>,
): number {
  return higherIsBetter(metric) ? original - value : value - original;
}

export function betterFirst(metric: Metric): (a: { value: number }, b: { value: number }) => number {
  return higherIsBetter(metric) ? (a, b) => b.value - a.value : (a, b) => a.value - b.value;
}

export function choiceOf({ metric, stride }: EvaluationResult): MetricChoice {
  return stride === undefined ? { metric } : { metric, stride };
}

/** Which way is better, as a sentence. */
export function directionOf(metric: Metric): string {
  return higherIsBetter(metric) ? 'Higher is better.' : 'Lower is better.';
}

/** The stride that is offered first: half of the context, as the paper does. */
export function defaultStride(contextLength: number | undefined): number {
  return Math.max(1, Math.floor((contextLength ?? 128) / 2));
}
