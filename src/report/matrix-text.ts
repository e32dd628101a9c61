/** A similarity matrix as text: comma-separated, to four decimals, layers in the first row and column. */
import type { HeatmapBlock } from './types.ts';

export function matrixText({ size, values }: Pick<HeatmapBlock, 'size' | 'values'>): string {
  const layers = Array.from({ length: size }, (_, layer) => layer);
  const cell = (value: number) => (Number.isNaN(value) ? '' : value.toFixed(4));
  const rows = layers.map((row) =>
    [row, ...layers.map((column) => cell(values[row * size + column]))].join(','),
  );
  return [['', ...layers].join(','), ...rows].join('\n');
}
