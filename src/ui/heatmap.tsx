/**
 * The heatmap as a whole: canvas below, a real grid of focusable cells above, outlines between. Windows are picked
 * by dragging along the diagonal, by two clicks or taps on it, or with Enter at both ends; Escape gives up.
 * A click elsewhere chooses the pair to align.
 */
import { useCallback, useRef, useState } from 'react';
import { ordered, windowEnd } from '../charts/grid-moves.ts';
import type { Cell } from '../charts/heatmap.ts';
import { useStudio } from '../store/react.ts';
import type { GroupSummary, SimilarityMatrix } from '../store/types.ts';
import { HeatmapCanvas } from './heatmap-canvas.tsx';
import { HeatmapGrid } from './heatmap-grid.tsx';
import { HeatmapOverlay } from './heatmap-overlay.tsx';
import { HeatmapReadout } from './heatmap-readout.tsx';
import { useDiagonalDrag } from './use-diagonal-drag.ts';

export interface HeatmapProps {
  readonly group: GroupSummary;
  readonly matrix: SimilarityMatrix;
  readonly onPair: (reference: number, layer: number) => void;
}

export function Heatmap({ group, matrix, onPair }: HeatmapProps) {
  const pickWindow = useStudio((state) => state.pickWindow);
  const [anchor, setAnchor] = useState<number | null>(null);
  const [hover, setHover] = useState<Cell | null>(null);
  const [focus, setFocus] = useState<Cell | null>(null);
  const [dragEnd, setDragEnd] = useState<number | null>(null);
  const square = useRef<HTMLDivElement>(null);
  const { size } = matrix;

  const finish = useCallback(
    (from: number, to: number) => {
      setAnchor(null);
      setDragEnd(null);
      if (from !== to) pickWindow(...ordered(from, to));
    },
    [pickWindow],
  );

  const drag = useDiagonalDrag({ square, size, anchor, setAnchor, setDragEnd, finish, onPair, setHover });

  const onEnter = useCallback(
    (cell: Cell) => {
      if (anchor !== null) finish(anchor, windowEnd(anchor, cell));
      else if (cell.row === cell.column) setAnchor(cell.row);
      else onPair(cell.row, cell.column);
    },
    [anchor, finish, onPair],
  );
  /** Whichever moved last is read out: a pointer at rest does not hold the keyboard's place back. */
  const onFocusCell = useCallback((cell: Cell | null) => {
    setFocus(cell);
    if (cell) setHover(null);
  }, []);
  const onEscape = useCallback(() => {
    setAnchor(null);
    setDragEnd(null);
  }, []);

  const shown = hover ?? focus;
  const end = dragEnd ?? (anchor !== null && shown ? windowEnd(anchor, shown) : null);
  return (
    <>
      <div className="heatmap">
        <div className="heatmap-square" ref={square} {...drag}>
          <HeatmapCanvas matrix={matrix} />
          <HeatmapOverlay group={group} crosshair={shown} anchor={anchor} end={end} />
          <HeatmapGrid matrix={matrix} onFocusCell={onFocusCell} onEnter={onEnter} onEscape={onEscape} />
          <DiagonalBand />
          {matrix.samples === 0 && <NotMeasured kind={matrix.kind} />}
        </div>
      </div>
      <HeatmapReadout group={group} matrix={matrix} cell={shown} anchor={anchor} end={end} />
    </>
  );
}

/** Where a finger drags a window rather than scrolling the page. */
function DiagonalBand() {
  return <div className="diagonal-band" aria-hidden="true" />;
}

/** Lies on the empty map; the pointer goes through it, since windows can be picked before anything is measured. */
function NotMeasured({ kind }: { kind: SimilarityMatrix['kind'] }) {
  const measured = useStudio(({ similarity }) => similarity.seconds !== null);
  const measuring = useStudio(({ job }) => job?.label.startsWith('Measuring') ?? false);
  return (
    <p className="map-empty">
      <strong>{measuring ? 'Measuring…' : 'Not measured yet'}</strong>
      <span>{whyEmpty(kind, measured, measuring)}</span>
    </p>
  );
}

function whyEmpty(kind: SimilarityMatrix['kind'], measured: boolean, measuring: boolean): string {
  if (measuring) return 'The map is filled when all of the data has run.';
  if (kind === 'attention' && measured) return 'No attention outputs were found in this stack.';
  if (kind === 'aligned') return 'Align a pair beside the map, or merge, and its cells are filled.';
  return 'Measure similarity in step 2 fills this map.';
}
