/**
 * The idea as a drawing: eight layers, four of which come to use one stored copy. Plain numbers out: rows of bars, and
 * the arcs that tie the folded ones to their copy.
 */

export interface FoldRow {
  readonly layer: number;
  readonly y: number;
  readonly kind: 'own' | 'copy' | 'tied';
}

export interface FoldFigure {
  readonly width: number;
  readonly height: number;
  readonly bar: { readonly width: number; readonly height: number };
  readonly before: readonly FoldRow[];
  readonly after: readonly FoldRow[];
  readonly afterX: number;
  /** SVG paths from each tied layer to the copy. */
  readonly ties: readonly string[];
}

export function foldFigure(layers = 8, first = 2, last = 5): FoldFigure {
  const bar = { width: 104, height: 14 };
  const pitch = 22;
  const afterX = 168;
  const rows = (kindOf: (layer: number) => FoldRow['kind']) =>
    Array.from({ length: layers }, (_, layer) => ({ layer, y: layer * pitch + 4, kind: kindOf(layer) }));
  const inside = (layer: number) => layer >= first && layer <= last;
  const after = rows((layer) => (layer === first ? 'copy' : inside(layer) ? 'tied' : 'own'));
  const right = afterX + bar.width;
  const middle = (layer: number) => layer * pitch + 4 + bar.height / 2;
  const ties = after
    .filter(({ kind }) => kind === 'tied')
    .map(({ layer }) => {
      const reach = 12 + (layer - first) * 9;
      return `M${right + 3},${middle(layer)}h2c${reach},0 ${reach},${middle(first) - middle(layer)} 0,${middle(first) - middle(layer)}`;
    });
  return {
    width: right + 36,
    height: layers * pitch,
    bar,
    before: rows((layer) => (inside(layer) ? 'copy' : 'own')),
    after,
    afterX,
    ties,
  };
}
