/** What lies over the cells: the picked windows, the window being picked, and the crosshair. */
import { ordered } from '../charts/grid-moves.ts';
import { type Cell, spanOf, windowColor } from '../charts/heatmap.ts';
import { useStudio } from '../store/react.ts';
import type { GroupSummary } from '../store/types.ts';
import { windowName } from '../store/windows.ts';

export interface HeatmapOverlayProps {
  readonly group: GroupSummary;
  readonly crosshair: Cell | null;
  readonly anchor: number | null;
  readonly end: number | null;
}

export function HeatmapOverlay({ group, crosshair, anchor, end }: HeatmapOverlayProps) {
  const windows = useStudio(({ picks }) => picks.windows);
  const size = group.layers;
  return (
    <div className="heatmap-overlay" aria-hidden="true">
      {crosshair && <Crosshair cell={crosshair} size={size} />}
      {windows.map(
        (window, index) =>
          window.groupId === group.id && (
            <Outline
              key={windowName(window)}
              first={window.first}
              last={window.last}
              size={size}
              color={windowColor(index)}
              label={windowName(window)}
            />
          ),
      )}
      {anchor !== null && (
        <Outline {...span(anchor, end ?? anchor)} size={size} color="var(--pick)" label="" pending />
      )}
    </div>
  );
}

function span(a: number, b: number): { first: number; last: number } {
  const [first, last] = ordered(a, b);
  return { first, last };
}

interface OutlineProps {
  readonly first: number;
  readonly last: number;
  readonly size: number;
  readonly color: string;
  readonly label: string;
  readonly pending?: boolean;
}

function Outline({ first, last, size, color, label, pending }: OutlineProps) {
  const { offset, extent } = spanOf(first, last - first + 1, size);
  return (
    <div
      className={`window-outline ${pending ? 'window-pending' : ''}`}
      style={{ left: offset, top: offset, width: extent, height: extent, ['--window' as string]: color }}
    >
      {label && <span className="window-tag">{label}</span>}
    </div>
  );
}

function Crosshair({ cell, size }: { cell: Cell; size: number }) {
  const across = spanOf(cell.row, 1, size);
  const down = spanOf(cell.column, 1, size);
  return (
    <>
      <div className="cross cross-row" style={{ top: across.offset, height: across.extent }} />
      <div className="cross cross-column" style={{ left: down.offset, width: down.extent }} />
    </>
  );
}
