/** A loss against its steps: the last curve drawn strong, its best point marked, and where it stopped before its end. */
import type { ChartBox } from '../charts/box.ts';
import type { LossLayout } from '../charts/loss-curve.ts';
import { formatInteger } from '../store/format.ts';

export const LOSS_BOX: ChartBox = { width: 440, height: 280, left: 46, right: 14, top: 16, bottom: 36 };

export interface LossChartProps {
  readonly layout: LossLayout;
  readonly box?: ChartBox;
  /** Whether the best point is marked; a training loss that jumps about has none that means something. */
  readonly best?: boolean;
  /** What stands there before there is a curve. */
  readonly empty: string;
}

export function LossChart({ layout, box = LOSS_BOX, best = true, empty }: LossChartProps) {
  const isEmpty = layout.series.length === 0;
  return (
    <div className="loss-box">
      <svg
        className="tradeoff loss"
        viewBox={`0 0 ${box.width} ${box.height}`}
        aria-hidden="true"
        focusable="false"
      >
        {isEmpty ? <EmptyFrame box={box} /> : <Curves layout={layout} box={box} best={best} />}
        <text className="axis-name" x={box.width - box.right} y={box.height - 4} textAnchor="end">
          Steps
        </text>
      </svg>
      {isEmpty && <p className="tradeoff-empty">{empty}</p>}
    </div>
  );
}

function EmptyFrame({ box }: { box: ChartBox }) {
  const bottom = box.height - box.bottom;
  return [0, 1, 2, 3].map((at) => {
    const y = box.top + (at * (bottom - box.top)) / 3;
    return <line key={at} x1={box.left} x2={box.width - box.right} y1={y} y2={y} />;
  });
}

function Curves({
  layout: { series, xTicks, yTicks },
  box,
  best,
}: Omit<LossChartProps, 'empty'> & { box: ChartBox }) {
  const last = series.at(-1);
  const [right, bottom] = [box.width - box.right, box.height - box.bottom];
  return (
    <>
      {last?.stopped && (
        <g className="loss-stopped">
          <rect x={last.last.x} y={box.top} width={right - last.last.x} height={bottom - box.top} />
          <line x1={last.last.x} x2={last.last.x} y1={box.top} y2={bottom} />
        </g>
      )}
      {yTicks.map(({ value, y }) => (
        <g key={value} transform={`translate(0 ${y})`}>
          <line x1={box.left} x2={right} />
          <text x={box.left - 8} dy=".32em" textAnchor="end">
            {String(Number(value.toPrecision(3)))}
          </text>
        </g>
      ))}
      {xTicks.map(({ value, x }) => (
        <text key={value} x={x} y={bottom + 16} textAnchor={x > right - 16 ? 'end' : 'middle'}>
          {formatInteger(value)}
        </text>
      ))}
      {series.map(({ path }, index) => (
        <path key={index} className={index === series.length - 1 ? 'curve curve-now' : 'curve'} d={path} />
      ))}
      {last && (
        <>
          {best && (
            <>
              <line className="loss-best" x1={last.best.x} x2={last.best.x} y1={last.best.y} y2={bottom} />
              <circle className="loss-best" cx={last.best.x} cy={last.best.y} r="5" />
            </>
          )}
          {(!best || last.last.step !== last.best.step) && (
            <circle className="loss-last" cx={last.last.x} cy={last.last.y} r="3" />
          )}
          {last.stopped && (
            <text x={Math.min(last.last.x + 6, right - 74)} y={box.top + 13}>
              stopped early
            </text>
          )}
        </>
      )}
    </>
  );
}
