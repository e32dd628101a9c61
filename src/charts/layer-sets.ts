/**
 * Sets of layers on the heatmap. A window of neighbours is one square on the diagonal. Layers chosen by hand fall into
 * runs of neighbours: a square on the diagonal each, and for every two runs the two blocks where their pairs lie.
 */

export interface Run {
  readonly first: number;
  readonly last: number;
}

/** A block of cells, rows by columns. */
export interface Block {
  readonly rows: Run;
  readonly columns: Run;
  readonly diagonal: boolean;
}

/** Runs of neighbours in an ascending list. */
export function runsOf(layers: readonly number[]): Run[] {
  const runs: { first: number; last: number }[] = [];
  for (const layer of layers) {
    const run = runs.at(-1);
    if (run && layer === run.last + 1) run.last = layer;
    else runs.push({ first: layer, last: layer });
  }
  return runs;
}

/** All blocks of a set: those on the diagonal first. */
export function blocksOf(layers: readonly number[]): Block[] {
  const runs = runsOf(layers);
  const squares = runs.map((run) => ({ rows: run, columns: run, diagonal: true }));
  const pairs = runs.flatMap((rows) =>
    runs.filter((columns) => columns !== rows).map((columns) => ({ rows, columns, diagonal: false })),
  );
  return [...squares, ...pairs];
}
