/** The idea of the page as a drawing, beside the words that say it. */
import { type FoldRow, foldFigure } from '../charts/fold-figure.ts';

const FIGURE = foldFigure();

export function FoldDrawing() {
  const { width, height, before, after, afterX, ties } = FIGURE;
  return (
    <figure className="fold" aria-hidden="true">
      <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true" focusable="false">
        <Bars rows={before} x={0} />
        <Bars rows={after} x={afterX} />
        {ties.map((path) => (
          <path key={path} className="fold-tie" d={path} />
        ))}
      </svg>
      <figcaption>
        <span>8 layers, 8 stored</span>
        <span>8 layers, 5 stored</span>
      </figcaption>
    </figure>
  );
}

function Bars({ rows, x }: { rows: readonly FoldRow[]; x: number }) {
  const { width, height } = FIGURE.bar;
  return rows.map(({ layer, y, kind }) => (
    <rect key={layer} className={`fold-${kind}`} x={x + 1} y={y} width={width - 2} height={height} rx="2" />
  ));
}
