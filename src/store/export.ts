/** Text of the files that the page itself writes: a matrix as CSV, an alignment as JSON. Full precision, no rounding. */
import type { AlignmentResult, SimilarityMatrix } from './types.ts';

/** Header row `,0,1,2…`, then one row a layer; 17 significant digits bring every double back exactly. */
export function matrixCsv({ size, values }: SimilarityMatrix): string {
  const indices = Array.from({ length: size }, (_, index) => index);
  const cell = (value: number) => (Number.isNaN(value) ? 'NaN' : value.toPrecision(17));
  const rows = indices.map((row) =>
    [row, ...indices.map((column) => cell(values[row * size + column]))].join(','),
  );
  return `${['', ...indices].join(',')}\n${rows.join('\n')}\n`;
}

export function matrixFileName({ kind, groupId }: SimilarityMatrix): string {
  return `${kind}-${groupId.replace(/[^\w.-]+/g, '_')}.csv`;
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
