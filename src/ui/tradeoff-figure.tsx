/** Quality against bytes of all that was scored by the chosen metric, with the Pareto front; and the same as a table. */
import type { ChartBox } from '../charts/box.ts';
import { type TradeoffLayout, tradeoff } from '../charts/tradeoff.ts';
import { formatBytes, formatBytesTick } from '../store/format.ts';
import { formatMetric, higherIsBetter, metricName } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import { type TriedPoint, triedPoints } from '../store/tried.ts';
import type { Metric } from '../store/types.ts';
import { TableScroll } from './table-scroll.tsx';

const BOX: ChartBox = { width: 420, height: 270, left: 56, right: 16, top: 14, bottom: 36 };

export function TradeoffFigure() {
  const tried = useStudio((state) => state.tried);
  const chosen = useStudio(({ metric }) => metric.chosen);
  const metric = chosen?.metric ?? 'perplexity';
  const points = triedPoints(tried, chosen);
  const layout = tradeoff(points, higherIsBetter(metric), BOX);
  const empty = points.length === 0;
  return (
    <figure className="tradeoff-figure" aria-label="Quality against size">
      <h3>Quality against size</h3>
      <div className="tradeoff-box">
        {empty ? <Axes metric={metric} /> : <Chart layout={layout} metric={metric} />}
        {empty && (
          <p className="tradeoff-empty">
            Each merge that you evaluate becomes a point: higher and further left is better.
          </p>
        )}
      </div>
      <figcaption>
        <p className="note">
          Filled points on the dashed line: nothing tried is both smaller and better (the Pareto front).
        </p>
        <ChartTable points={points} layout={layout} metric={metric} />
      </figcaption>
    </figure>
  );
}

function AxisName({ metric }: { metric: Metric }) {
  return (
    <text className="axis-name" x={BOX.width - BOX.right} y={BOX.height - 4} textAnchor="end">
      {metricName(metric)} (better is up) against file size
    </text>
  );
}

/** Holds the place of the chart. */
function Axes({ metric }: { metric: Metric }) {
  return (
    <svg className="tradeoff" viewBox={`0 0 ${BOX.width} ${BOX.height}`} aria-hidden="true" focusable="false">
      {[0, 1, 2, 3].map((line) => (
        <line key={line} x1={BOX.left} x2={BOX.width - BOX.right} y1={40 + line * 60} y2={40 + line * 60} />
      ))}
      <AxisName metric={metric} />
    </svg>
  );
}

function Chart({ layout, metric }: { layout: TradeoffLayout; metric: Metric }) {
  const { points, front, xTicks, yTicks } = layout;
  return (
    <svg className="tradeoff" viewBox={`0 0 ${BOX.width} ${BOX.height}`} aria-hidden="true" focusable="false">
      {yTicks.map(({ value, y }) => (
        <g key={value} className="tick" transform={`translate(0 ${y})`}>
          <line x1={BOX.left} x2={BOX.width - BOX.right} />
          <text x={BOX.left - 8} dy=".32em" textAnchor="end">
            {formatMetric(metric, value)}
          </text>
        </g>
      ))}
      {xTicks.map(({ value, x }) => (
        <text key={value} className="tick" x={x} y={BOX.height - 20} textAnchor="middle">
          {formatBytesTick(value)}
        </text>
      ))}
      <AxisName metric={metric} />
      <path className="front" d={front} />
      {points.map(({ id, x, y, side, labelY, front: onFront }) => (
        <g key={id} className={onFront ? 'point point-front' : 'point'}>
          <circle cx={x} cy={y} r="5" />
          <text
            x={side === 'left' ? x - 9 : x + 9}
            y={labelY + 4}
            textAnchor={side === 'left' ? 'end' : 'start'}
          >
            {id === 0 ? 'original' : id}
          </text>
        </g>
      ))}
    </svg>
  );
}

interface ChartTableProps {
  readonly points: readonly TriedPoint[];
  readonly layout: TradeoffLayout;
  readonly metric: Metric;
}

function ChartTable({ points, layout, metric }: ChartTableProps) {
  return (
    <details className="details">
      <summary>The chart as a table</summary>
      <TableScroll label="The chart as a table">
        <table className="table chart-table" aria-label="Quality against size, as a table">
          <thead>
            <tr>
              <th scope="col">Variant</th>
              <th scope="col" className="number">
                Size
              </th>
              <th scope="col" className="number">
                {metricName(metric)}
              </th>
              <th scope="col">On the front</th>
            </tr>
          </thead>
          <tbody>
            {points.map(({ id, bytes, score }) => (
              <tr key={id}>
                <th scope="row">{id === 0 ? 'original' : id}</th>
                <td className="number">
                  <data value={String(bytes)}>{formatBytes(bytes)}</data>
                </td>
                <td className="number">
                  <data value={String(score)}>{formatMetric(metric, score)}</data>
                </td>
                <td>{layout.points.find((point) => point.id === id)?.front ? 'yes' : 'no'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableScroll>
    </details>
  );
}
