/** What lies over the cells: the sweep's strip, the picked sets, the window being picked, and the crosshair. */
import { ordered } from '../charts/grid-moves.ts';
import { type Cell, spanOf, windowColor } from '../charts/heatmap.ts';
import { type Block, blocksOf } from '../charts/layer-sets.ts';
import { useStudio } from '../store/react.ts';
import { setName } from '../store/sets.ts';
import type { GroupSummary } from '../store/types.ts';
import { HeatmapStrip } from './heatmap-strip.tsx';

export interface HeatmapOverlayProps {
  readonly group: GroupSummary;
  readonly crosshair: Cell | null;
  readonly anchor: number | null;
  readonly end: number | null;
}

export function HeatmapOverlay({ group, crosshair, anchor, end }: HeatmapOverlayProps) {
  const sets = useStudio(({ picks }) => picks.sets);
  const size = group.layers;
  return (
    <div className="heatmap-overlay" aria-hidden="true">
      <HeatmapStrip group={group} />
      {crosshair && <Crosshair cell={crosshair} size={size} />}
      {sets.map(
        ({ groupId, layers }, index) =>
          groupId === group.id &&
          blocksOf(layers).map((block, order) => (
            <Outline
              key={`${block.rows.first} ${block.columns.first}`}
              block={block}
              size={size}
              color={windowColor(index)}
              label={order === 0 ? setName(layers) : ''}
            />
          )),
      )}
      {anchor !== null && (
        <Outline
          block={blockBetween(anchor, end ?? anchor)}
          size={size}
          color="var(--pick)"
          label=""
          pending
        />
      )}
    </div>
  );
}

function blockBetween(a: number, b: number): Block {
  const [first, last] = ordered(a, b);
  return { rows: { first, last }, columns: { first, last }, diagonal: true };
}

interface OutlineProps {
  readonly block: Block;
  readonly size: number;
  readonly color: string;
  readonly label: string;
  readonly pending?: boolean;
}

function Outline({ block, size, color, label, pending }: OutlineProps) {
  const down = spanOf(block.rows.first, block.rows.last - block.rows.first + 1, size);
  const across = spanOf(block.columns.first, block.columns.last - block.columns.first + 1, size);
  const kind = `${pending ? ' window-pending' : ''}${block.diagonal ? '' : ' window-pair'}`;
  return (
    <div
      className={`window-outline${kind}`}
      style={{
        left: across.offset,
        top: down.offset,
        width: across.extent,
        height: down.extent,
        ['--window' as string]: color,
      }}
    >
      {label && <span className={`window-tag${tagPlace(block, size)}`}>{label}</span>}
    </div>
  );
}

function tagPlace({ rows }: Block, size: number): string {
  if (rows.first > 0) return '';
  return rows.last === size - 1 ? ' window-tag-inside' : ' window-tag-below';
}

/** Moved by transforms alone, so that a move of the pointer lays nothing out. */
function Crosshair({ cell, size }: { cell: Cell; size: number }) {
  const { extent } = spanOf(0, 1, size);
  return (
    <>
      <div
        className="cross cross-row"
        style={{ height: extent, transform: `translateY(${cell.row * 100}%)` }}
      />
      <div
        className="cross cross-column"
        style={{ width: extent, transform: `translateX(${cell.column * 100}%)` }}
      />
    </>
  );
}
