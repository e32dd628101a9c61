/** Text of the files that the page itself writes: a matrix as CSV, an alignment as JSON. Full precision, no rounding. */
import type { AlignmentResult, PlanCandidate, SimilarityMatrix, SweepEntry } from './types.ts';

/** 17 significant digits bring every double back. */
const exact = (value: number) => (Number.isNaN(value) ? 'NaN' : value.toPrecision(17));
const safeName = (groupId: string) => groupId.replace(/[^\w.-]+/g, '_');

/** Header row `,0,1,2…`, then one row a layer. */
export function matrixCsv({ size, values }: SimilarityMatrix): string {
  const indices = Array.from({ length: size }, (_, index) => index);
  const rows = indices.map((row) =>
    [row, ...indices.map((column) => exact(values[row * size + column]))].join(','),
  );
  return `${['', ...indices].join(',')}\n${rows.join('\n')}\n`;
}

export function matrixFileName({ kind, groupId }: SimilarityMatrix): string {
  return `${kind}-${safeName(groupId)}.csv`;
}

/** In parts, one row of the correlation each: the whole of a large pair would be a string of hundreds of megabytes. */
export function alignmentJson(alignment: AlignmentResult): string[] {
  const { groupId, reference, layer, size, objective, permutation, correlation } = alignment;
  const head = { group: groupId, reference, layer, size, objective, permutation: Array.from(permutation) };
  const parts = [`${JSON.stringify(head).slice(0, -1)},"correlation":[\n`];
  for (let row = 0; row < size; row++) {
    const values = Array.from(correlation.subarray(row * size, (row + 1) * size));
    parts.push(JSON.stringify(values), row < size - 1 ? ',\n' : '\n');
  }
  parts.push(']}\n');
  return parts;
}

/** One row a window, best first. */
export function sweepCsv(entries: readonly SweepEntry[]): string {
  const header = 'first,last,value,original,standardError,bytesAfter,blockRuns';
  const rows = entries.map(({ first, last, value, original, standardError, bytesAfter, blockRuns }) =>
    [first, last, exact(value), exact(original), exact(standardError), bytesAfter, blockRuns].join(','),
  );
  return `${[header, ...rows].join('\n')}\n`;
}

export function sweepFileName(groupId: string): string {
  return `sweep-${safeName(groupId)}.csv`;
}

/** Sets as lists of layers. */
export function plansJson(candidates: readonly PlanCandidate[]): string {
  const plans = candidates.map(({ sets, estimate, value, bytesAfter, recovered }) => ({
    sets: sets.map(({ layers }) => layers),
    estimate,
    value,
    bytesAfter,
    ...(recovered && { recovered: { value: recovered.value, bytesAfter: recovered.bytesAfter } }),
  }));
  return `${JSON.stringify(plans, null, 1)}\n`;
}

export function plansFileName(groupId: string): string {
  return `plans-${safeName(groupId)}.json`;
}
