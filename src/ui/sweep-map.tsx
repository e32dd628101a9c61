/** The sweep over the depth of the model: a row a width, a cell a window at its middle, dark where it costs much. */
import { useState } from 'react';
import { indices, labelStep, windowColor } from '../charts/heatmap.ts';
import { type MapCell, mapRows } from '../charts/sweep-map.ts';
import { formatDifference, metricName } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import { sameSet, windowOf } from '../store/sets.ts';
import type { GroupSummary, Metric } from '../store/types.ts';
import { Button } from './button.tsx';
import type { Damages, WindowScore } from './use-damages.ts';

export interface SweepMapProps {
  readonly group: GroupSummary;
  readonly damages: Damages | null;
  /** The widths in the form, for the empty map. */
  readonly asked: readonly number[];
}

export function SweepMap({ group, damages, asked }: SweepMapProps) {
  const [hover, setHover] = useState<WindowScore | null>(null);
  const widths = damages?.run.request.widths ?? asked;
  const rows = mapRows(damages?.windows ?? [], group.layers, widths);
  const step = labelStep(group.layers);
  return (
    <figure className="sweep-map" aria-label="Damage by window">
      <div aria-hidden="true" className={group.layers > 16 ? 'sweep-rows sweep-rows-many' : 'sweep-rows'}>
        {rows.map(({ width, cells }) => (
          <div key={width} className="sweep-row">
            <span className="sweep-row-name">{width} layers</span>
            <div className="sweep-cells">
              {cells.map((cell) => (
                <Cell key={cell.first} cell={cell} groupId={group.id} damages={damages} onHover={setHover} />
              ))}
            </div>
          </div>
        ))}
        <div className="sweep-row sweep-axis">
          <span className="sweep-row-name">layer</span>
          <div className="sweep-cells">
            {indices(group.layers)
              .filter((layer) => layer % step === 0)
              .map((layer) => (
                <span
                  key={layer}
                  style={{ left: `${(100 * layer) / group.layers}%`, width: `${100 / group.layers}%` }}
                >
                  {layer}
                </span>
              ))}
          </div>
        </div>
      </div>
      <figcaption className="sweep-caption">
        <p className="note">{captionOf(hover, damages)}</p>
        <Legend damages={damages} />
        <StripChoice damages={damages} />
      </figcaption>
    </figure>
  );
}

function captionOf(hover: WindowScore | null, damages: Damages | null): string {
  if (hover && damages) {
    const { first, last, damage, standardError } = hover;
    return `Window ${first}–${last}: ${formatDifference(damages.run.metric.metric, damage, standardError)}.`;
  }
  if (!damages) return 'Each cell will be one window, at its middle: pale costs little, dark costs much.';
  return 'Pale costs little, dark costs much. Point at a window to read it, click to pick it.';
}

interface CellProps {
  readonly cell: MapCell;
  readonly groupId: string;
  readonly damages: Damages | null;
  readonly onHover: (window: WindowScore | null) => void;
}

/** For the pointer; the keyboard has the table beside it. */
function Cell({ cell, groupId, damages, onHover }: CellProps) {
  const pickInstead = useStudio((state) => state.pickInstead);
  const picked = useStudio(({ picks }) =>
    picks.sets.findIndex((set) => sameSet(set, windowOf(groupId, cell.first, cell.last))),
  );
  const { first, last, left, width, damage } = cell;
  const place = { left: `${left}%`, width: `${width}%` };
  if (!damages || damage === undefined) return <span className="sweep-cell" style={place} />;
  const { scale, run, windows } = damages;
  const ring = picked < 0 ? {} : { ['--window' as string]: windowColor(picked) };
  return (
    <button
      type="button"
      tabIndex={-1}
      className={`sweep-cell sweep-scored${picked < 0 ? '' : ' sweep-picked'}`}
      style={{ ...place, ...ring, background: scale.color(damage), color: scale.ink(damage) }}
      onPointerEnter={() => onHover(windows.find((w) => w.first === first && w.last === last) ?? null)}
      onPointerLeave={() => onHover(null)}
      onClick={() => pickInstead(groupId, first, last)}
    >
      <span>{shortDamage(run.metric.metric, damage)}</span>
    </button>
  );
}

function shortDamage(metric: Metric, damage: number): string {
  return formatDifference(metric, damage, Number.NaN)
    .replace(' points', '')
    .replace(/\d+\.\d{3,}/, (digits) => Number(digits).toFixed(2));
}

function Legend({ damages }: { damages: Damages | null }) {
  if (!damages) return <p className="sweep-legend" />;
  const { scale, run } = damages;
  const { metric } = run.metric;
  return (
    <p className="sweep-legend" aria-hidden="true">
      <span className="muted">{metricName(metric)}</span> +0
      <span className="sweep-ramp">
        {[0, 1, 2, 3, 4, 5, 6].map((step) => (
          <span key={step} style={{ background: scale.color((step / 6) ** 2 * scale.cap) }} />
        ))}
      </span>
      {shortDamage(metric, scale.cap)} or more
    </p>
  );
}

/** Which width lies along the diagonal of the heatmap above. */
function StripChoice({ damages }: { damages: Damages | null }) {
  const stripWidth = useStudio(({ view }) => view.stripWidth);
  const showStrip = useStudio((state) => state.showStrip);
  const widths = damages?.run.request.widths ?? [];
  if (widths.length === 0) return null;
  return (
    <div className="strip-choice">
      <span className="note">Along the heatmap’s diagonal:</span>
      {/* biome-ignore lint/a11y/useSemanticElements: a row of toggles; its name is all that it needs. */}
      <div className="strip-buttons" role="group" aria-label="Width along the diagonal">
        {widths.map((width) => (
          <Button
            key={width}
            kind="quiet"
            label={`Windows of ${width} along the diagonal`}
            pressed={stripWidth === width}
            onClick={() => showStrip(stripWidth === width ? null : width)}
          >
            {width}
          </Button>
        ))}
      </div>
    </div>
  );
}
