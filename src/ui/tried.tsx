/** Every merge that was scored: quality against bytes, and the list of them. */
import { type TradeoffBox, tradeoff } from '../charts/tradeoff.ts';
import { describePlan, formatBytes, formatBytesTick, formatMetric, METRIC_NAMES } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import { triedPoints } from '../store/tried.ts';
import type { Metric, TriedVariant } from '../store/types.ts';
import { TableScroll } from './table-scroll.tsx';

const BOX: TradeoffBox = { width: 420, height: 220, left: 52, right: 14, top: 12, bottom: 34 };

export function Tried() {
  const tried = useStudio((state) => state.tried);
  const metric = tried[0]?.evaluation.metric;
  return (
    <div className="tried">
      <h3>Variants tried</h3>
      {metric ? (
        <>
          <TradeoffChart tried={tried} metric={metric} />
          <TriedTable tried={tried} metric={metric} />
        </>
      ) : (
        <p className="empty-line">Each merge that you evaluate is kept here, quality against bytes.</p>
      )}
    </div>
  );
}

function TradeoffChart({ tried, metric }: { tried: readonly TriedVariant[]; metric: Metric }) {
  const { points, front, xTicks, yTicks } = tradeoff(triedPoints(tried), metric === 'accuracy', BOX);
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
        <text key={value} className="tick" x={x} y={BOX.height - 18} textAnchor="middle">
          {formatBytesTick(value)}
        </text>
      ))}
      <text className="axis-name" x={BOX.width - BOX.right} y={BOX.height - 3} textAnchor="end">
        {METRIC_NAMES[metric]} (better is up) against file size
      </text>
      <path className="front" d={front} />
      {points.map(({ id, x, y, side, front: onFront }) => (
        <g key={id} className={onFront ? 'point point-front' : 'point'} transform={`translate(${x} ${y})`}>
          <circle r="5" />
          <text x={side === 'left' ? -9 : 9} y="-7" textAnchor={side === 'left' ? 'end' : 'start'}>
            {id === 0 ? 'original' : id}
          </text>
        </g>
      ))}
    </svg>
  );
}

function TriedTable({ tried, metric }: { tried: readonly TriedVariant[]; metric: Metric }) {
  return (
    <TableScroll label="Variants">
      <table className="table tried-table" aria-label="Variants tried">
        <thead>
          <tr>
            <th scope="col">Variant</th>
            <th scope="col" className="number">
              Bytes
            </th>
            <th scope="col" className="number">
              {METRIC_NAMES[metric]}
            </th>
          </tr>
        </thead>
        <tbody>
          {tried.map(({ id, plan, saving, evaluation }) => (
            <tr key={id}>
              <th scope="row">
                <span className="muted">{id}</span> {describePlan(plan)}
              </th>
              <td className="number">
                <data value={String(saving.bytesAfter)}>{formatBytes(saving.bytesAfter)}</data>
              </td>
              <td className="number">
                <data value={String(evaluation.merged)}>{formatMetric(metric, evaluation.merged)}</data>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableScroll>
  );
}
