/** Numbers for people. The exact value always stands beside the text, in `<data value>`. */
import type { SimilarityMatrix } from './types.ts';

const grouped = new Intl.NumberFormat('en-GB');

/** 2 413 569 → `2.41 M`. */
export function formatCount(value: number): string {
  if (value < 10_000) return grouped.format(value);
  return scaled(value, ['', 'k', 'M', 'G', 'T']);
}

/** Decimal units, as files are listed: 10 117 531 → `10.1 MB`. */
export function formatBytes(value: number, precision: 'short' | 'exact' = 'short'): string {
  if (precision === 'exact') return `${grouped.format(value)} bytes`;
  return value < 1000 ? `${value} B` : scaled(value, ['B', 'kB', 'MB', 'GB', 'TB']);
}

function scaled(value: number, units: readonly string[]): string {
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${size.toPrecision(3)} ${units[unit]}`.trim();
}

export function formatInteger(value: number): string {
  return grouped.format(value);
}

export function formatPercent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}

export function formatShare(part: number, whole: number): string {
  return formatPercent(whole > 0 ? part / whole : 0);
}

export function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

export function formatLeft(seconds: number): string {
  return seconds < 1
    ? 'nearly done'
    : `about ${formatSeconds(Math.ceil(seconds))} left`.replace('.0 s', ' s');
}

export function formatSimilarity(value: number): string {
  return Number.isNaN(value) ? 'not measured' : minus(value.toFixed(4));
}

function minus(text: string): string {
  return text.replace('-', '−');
}

/** A fraction as whole percent, without the sign. */
export function formatWhole(fraction: number): string {
  return Math.floor(Math.min(1, Math.max(0, fraction)) * 100).toFixed(0);
}

/** `77 %`: a share as a whole number of percent, to the nearest. */
export function formatRounded(fraction: number): string {
  return minus(`${Math.round(fraction * 100)} %`);
}

/** The value of a pair of layers. */
export function valueAt({ size, values }: SimilarityMatrix, row: number, column: number): number {
  return values[row * size + column];
}

/** What a number field holds; an empty one is not 0. */
export function numberOrNaN(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

/** Bytes at a tick of an axis: no trailing zeros. */
export function formatBytesTick(value: number): string {
  return formatBytes(value)
    .replace(/(\.\d*?)0+ /, '$1 ')
    .replace('. ', ' ');
}

/** Rank correlations: two decimals say enough at these sample sizes. */
export function formatRho(value: number): string {
  return Number.isNaN(value) ? 'not defined' : minus(value.toFixed(2));
}

/** Three decimals, with the sign that print uses. */
export function formatSigned(value: number): string {
  return value.toFixed(3).replace('-', '−');
}
