/** Moves of the keyboard on a square grid: which cell a key leads to; null where the key is not one of them. */
import type { Cell } from './heatmap.ts';

export function cellAfterKey(
  key: string,
  control: boolean,
  { row, column }: Cell,
  size: number,
): Cell | null {
  const last = size - 1;
  const inside = (index: number) => Math.min(last, Math.max(0, index));
  switch (key) {
    case 'ArrowUp':
      return { row: inside(row - 1), column };
    case 'ArrowDown':
      return { row: inside(row + 1), column };
    case 'ArrowLeft':
      return { row, column: inside(column - 1) };
    case 'ArrowRight':
      return { row, column: inside(column + 1) };
    case 'Home':
      return control ? { row: 0, column: 0 } : { row, column: 0 };
    case 'End':
      return control ? { row: last, column: last } : { row, column: last };
    default:
      return null;
  }
}

/** Where a window that began at `anchor` ends on a cell: the coordinate that is farther from it. */
export function windowEnd(anchor: number, { row, column }: Cell): number {
  return Math.abs(row - anchor) > Math.abs(column - anchor) ? row : column;
}

/** First and last of two layers, whichever way round. */
export function ordered(a: number, b: number): readonly [first: number, last: number] {
  return a <= b ? [a, b] : [b, a];
}
