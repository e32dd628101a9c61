// biome-ignore-all lint/a11y/useSemanticElements: cells of a table cannot lie in place over a canvas.
/**
 * The grid that assistive technology and the keyboard meet: one focusable cell at a time (roving tabindex), headers
 * for rows and columns. Up to 40 layers every cell is in the page; beyond, only the row that has the focus is, with
 * its place told by aria-rowindex.
 */
import { type KeyboardEvent, memo, useCallback, useLayoutEffect, useRef, useState } from 'react';
import { cellAfterKey } from '../charts/grid-moves.ts';
import { type Cell, indices, labelStep, spanOf } from '../charts/heatmap.ts';
import { formatSimilarity } from '../store/format.ts';
import type { SimilarityMatrix } from '../store/types.ts';

const ALL_CELLS_UP_TO = 40;

export interface HeatmapGridProps {
  readonly matrix: SimilarityMatrix;
  readonly onFocusCell: (cell: Cell | null) => void;
  readonly onEnter: (cell: Cell) => void;
  readonly onEscape: () => void;
}

export const HeatmapGrid = memo(function HeatmapGrid(props: HeatmapGridProps) {
  const { matrix, onFocusCell, onEnter, onEscape } = props;
  const { size } = matrix;
  const [current, setCurrent] = useState<Cell>({ row: 0, column: 0 });
  const grid = useRef<HTMLDivElement>(null);
  const moved = useRef(false);

  // The focus follows the cell, after it is in the page.
  useLayoutEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    grid.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  }, [current]);

  const onFocus = useCallback(
    (cell: Cell) => {
      setCurrent((last) => (last.row === cell.row && last.column === cell.column ? last : cell));
      onFocusCell(cell);
    },
    [onFocusCell],
  );

  const onKeyDown = (event: KeyboardEvent) => {
    const next = cellAfterKey(event.key, event.ctrlKey, current, size);
    if (next) {
      moved.current = true;
      setCurrent(next);
    } else if (event.key === 'Enter' || event.key === ' ') onEnter(current);
    else if (event.key === 'Escape') onEscape();
    else return;
    event.preventDefault();
  };

  const rows = size <= ALL_CELLS_UP_TO ? indices(size) : [current.row];
  const step = labelStep(size);
  return (
    <div
      ref={grid}
      role="grid"
      aria-label="Similarity heatmap"
      aria-describedby="heatmap-keys"
      aria-rowcount={size + 1}
      aria-colcount={size + 1}
      aria-readonly="true"
      className="heatmap-grid"
      onKeyDown={onKeyDown}
      onBlur={() => onFocusCell(null)}
    >
      <div role="row" className="heatmap-columns" aria-rowindex={1} tabIndex={-1}>
        {indices(size).map((column) => (
          <span
            key={column}
            role="columnheader"
            aria-colindex={column + 2}
            tabIndex={-1}
            style={{ left: spanOf(column, 1, size).offset, width: spanOf(column, 1, size).extent }}
          >
            <HeaderText layer={column} shown={column % step === 0} />
          </span>
        ))}
      </div>
      {rows.map((row) => (
        <GridRow
          key={row}
          row={row}
          matrix={matrix}
          current={row === current.row ? current.column : null}
          onFocus={onFocus}
        />
      ))}
      {size > ALL_CELLS_UP_TO && <RowLabels size={size} step={step} />}
    </div>
  );
});

interface GridRowProps {
  readonly row: number;
  readonly matrix: SimilarityMatrix;
  readonly current: number | null;
  readonly onFocus: (cell: Cell) => void;
}

const GridRow = memo(function GridRow({ row, matrix, current, onFocus }: GridRowProps) {
  const { size, values } = matrix;
  const vertical = spanOf(row, 1, size);
  const step = size <= ALL_CELLS_UP_TO ? labelStep(size) : 0;
  return (
    <div
      role="row"
      aria-rowindex={row + 2}
      className="heatmap-row"
      tabIndex={-1}
      style={{ top: vertical.offset, height: vertical.extent }}
    >
      <span role="rowheader" aria-colindex={1} tabIndex={-1}>
        <HeaderText layer={row} shown={step > 0 && row % step === 0} />
      </span>
      {indices(size).map((column) => (
        <div
          key={column}
          role="gridcell"
          aria-colindex={column + 2}
          aria-label={`Layer ${row} and layer ${column}: ${formatSimilarity(values[row * size + column])}`}
          tabIndex={column === current ? 0 : -1}
          onFocus={() => onFocus({ row, column })}
          style={{ left: spanOf(column, 1, size).offset, width: spanOf(column, 1, size).extent }}
        />
      ))}
    </div>
  );
});

/** A header is always named; its number shows where there is room for it. */
function HeaderText({ layer, shown }: { layer: number; shown: boolean }) {
  return (
    <>
      <span className="hidden-text">Layer {layer}</span>
      {shown && <span aria-hidden="true">{layer}</span>}
    </>
  );
}

/** The labels of rows that are not in the page; their row says its own when it is. */
function RowLabels({ size, step }: { size: number; step: number }) {
  return (
    <div className="heatmap-row-labels" aria-hidden="true">
      {indices(size)
        .filter((row) => row % step === 0)
        .map((row) => (
          <span key={row} style={{ top: spanOf(row, 1, size).offset, height: spanOf(row, 1, size).extent }}>
            {row}
          </span>
        ))}
    </div>
  );
}
