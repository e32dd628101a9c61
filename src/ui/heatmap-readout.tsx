/** The line under the heatmap: the exact value under the pointer or the focus, or where a pick stands. */
import { ordered } from '../charts/grid-moves.ts';
import type { Cell } from '../charts/heatmap.ts';
import { windowAt } from '../charts/sweep-map.ts';
import { formatSimilarity, valueAt } from '../store/format.ts';
import { formatDifference } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import type { GroupSummary, SimilarityMatrix } from '../store/types.ts';
import { useDamages } from './use-damages.ts';

export interface HeatmapReadoutProps {
  readonly group: GroupSummary;
  readonly matrix: SimilarityMatrix;
  readonly cell: Cell | null;
  readonly anchor: number | null;
  readonly end: number | null;
}

export function HeatmapReadout(props: HeatmapReadoutProps) {
  const { group, matrix, cell, anchor, end } = props;
  return (
    <div className="readout">
      <p className="readout-line">
        {cell ? (
          <>
            <span>
              Layer {cell.row} and layer {cell.column}
            </span>
            <strong>{formatSimilarity(valueAt(matrix, cell.row, cell.column))}</strong>
            {cell.row === cell.column ? (
              <WindowCost group={group} layer={cell.row} />
            ) : (
              <span className="readout-labels code">
                {group.layerLabels[cell.row]} · {group.layerLabels[cell.column]}
              </span>
            )}
          </>
        ) : (
          <span className="muted">Point at a cell to read its value.</span>
        )}
      </p>
      <p className="readout-pick" id="heatmap-keys" aria-live="polite">
        {anchor === null
          ? 'Drag along the diagonal, or click its first and last layer. Keys: arrows move, Enter starts and ends a window.'
          : pickLine(anchor, end)}
      </p>
    </div>
  );
}

/** On the diagonal: what the strip says of the window around this layer. */
function WindowCost({ group, layer }: { group: GroupSummary; layer: number }) {
  const width = useStudio(({ view }) => view.stripWidth);
  const damages = useDamages(group.id);
  const window = damages && width !== null ? windowAt(damages.windows, width, layer) : undefined;
  if (!damages || !window) return <span className="readout-labels code">{group.layerLabels[layer]}</span>;
  const { first, last, damage, standardError } = window;
  return (
    <span>
      Window {first}–{last}{' '}
      <strong>{formatDifference(damages.run.metric.metric, damage, standardError)}</strong>
    </span>
  );
}

function pickLine(anchor: number, end: number | null): string {
  const [first, last] = ordered(anchor, end ?? anchor);
  if (first === last) return `A window starts at layer ${anchor}: choose its other end. Escape gives up.`;
  return `Layers ${first}–${last}.`;
}
