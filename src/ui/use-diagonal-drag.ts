/** Pointer events of the heatmap: hover, drags along the diagonal, and clicks; touch included. */
import { type PointerEvent, type RefObject, useRef } from 'react';
import { type Cell, cellAt, diagonalAt, isOnDiagonal, placeIn } from '../charts/heatmap.ts';

export interface DiagonalDragOptions {
  readonly square: RefObject<HTMLDivElement | null>;
  readonly size: number;
  readonly anchor: number | null;
  readonly setAnchor: (layer: number | null) => void;
  readonly setDragEnd: (layer: number | null) => void;
  readonly finish: (from: number, to: number) => void;
  readonly onPair: (reference: number, layer: number) => void;
  readonly setHover: (cell: Cell | null) => void;
}

interface Press {
  readonly pointerId: number;
  /** The layer that the drag began on; null for a press away from the diagonal. */
  readonly from: number | null;
  /** True when an earlier click had already begun the window. */
  readonly second: boolean;
}

export function useDiagonalDrag(options: DiagonalDragOptions) {
  const press = useRef<Press | null>(null);
  const lastHover = useRef<Cell | null>(null);

  const place = (event: PointerEvent) => {
    const box = options.square.current?.getBoundingClientRect();
    return box ? placeIn(box, event.clientX, event.clientY) : null;
  };
  const hover = (cell: Cell | null) => {
    const last = lastHover.current;
    if (last?.row === cell?.row && last?.column === cell?.column) return;
    lastHover.current = cell;
    options.setHover(cell);
  };

  return {
    onPointerDown(event: PointerEvent) {
      const at = place(event);
      if (!at || event.button !== 0) return;
      const { size, anchor, setAnchor, setDragEnd } = options;
      const layer = diagonalAt(at.x, at.y, size);
      if (anchor !== null) {
        press.current = { pointerId: event.pointerId, from: anchor, second: true };
        setDragEnd(layer);
      } else if (isOnDiagonal(at.x, at.y, size, at.side)) {
        press.current = { pointerId: event.pointerId, from: layer, second: false };
        setAnchor(layer);
        setDragEnd(layer);
      } else {
        press.current = { pointerId: event.pointerId, from: null, second: false };
        return;
      }
      options.square.current?.setPointerCapture(event.pointerId);
    },

    onPointerMove(event: PointerEvent) {
      const at = place(event);
      if (!at) return;
      hover(cellAt(at.x, at.y, options.size));
      const { current } = press;
      if (current?.pointerId === event.pointerId && current.from !== null) {
        options.setDragEnd(diagonalAt(at.x, at.y, options.size));
      }
    },

    onPointerUp(event: PointerEvent) {
      const { current } = press;
      press.current = null;
      const at = place(event);
      if (!current || !at || current.pointerId !== event.pointerId) return;
      const layer = diagonalAt(at.x, at.y, options.size);
      if (current.from === null) {
        const cell = cellAt(at.x, at.y, options.size);
        if (cell && cell.row !== cell.column) options.onPair(cell.row, cell.column);
        return;
      }
      // A click begins a window and waits for the second one; a drag, and the second click, end it.
      if (layer === current.from && !current.second) options.setDragEnd(null);
      else options.finish(current.from, layer);
    },

    onPointerCancel() {
      press.current = null;
      options.setAnchor(null);
      options.setDragEnd(null);
    },

    onPointerLeave() {
      hover(null);
    },
  };
}
