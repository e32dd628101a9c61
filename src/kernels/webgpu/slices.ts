/**
 * Cutting matrices into runs of rows, so that a run fits a binding and its work a submit.
 */
export interface Run {
  readonly first: number;
  readonly count: number;
}

/** Cuts `rows` into runs of `most` (at least 1). */
export function* runs(rows: number, most: number): Generator<Run> {
  const step = Math.max(1, Math.floor(most));
  for (let first = 0; first < rows; first += step) yield { first, count: Math.min(step, rows - first) };
}

/** Rows of `cols` f32 that a binding of so many bytes can hold; 1 where not even one, which the binding refuses. */
export function rowsThatFit(bytes: number, cols: number): number {
  return Math.max(1, Math.floor(bytes / (cols * 4)));
}

/** The largest multiple of `tile` not above `rows`; `rows` itself where it is below one tile. */
export function wholeTiles(rows: number, tile: number): number {
  return rows < tile ? rows : Math.floor(rows / tile) * tile;
}

/** Elements that one dispatch of an element-wise kernel may take: within a binding, a submit and the workgroups. */
export function elementsAtOnce(
  queue: { readonly maxBindingBytes: number; readonly maxFlops: number; readonly maxWorkgroups: number },
  lanes: number,
  flopsPerElement: number,
): number {
  return Math.min(queue.maxBindingBytes / 4, queue.maxFlops / flopsPerElement, queue.maxWorkgroups * lanes);
}
