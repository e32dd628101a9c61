/** The training of R6 as it goes: held-out loss against steps, the best point, and where it stopped early. */
import type { ChartBox } from '../charts/box.ts';
import { type LossLayout, lossCurve } from '../charts/loss-curve.ts';
import { describeSets } from '../store/describe.ts';
import { formatInteger } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { LossCurve } from '../store/types.ts';

const BOX: ChartBox = { width: 440, height: 280, left: 46, right: 14, top: 16, bottom: 36 };
const NONE: readonly LossCurve[] = [];

export function LossFigure() {
  const curves = useStudio(({ recover }) => recover.run?.curves ?? NONE);
  const layout = lossCurve(curves, BOX);
  return (
    <figure className="loss-figure" aria-label="Held-out loss of distillation">
      <h3>
        Held-out loss <span className="muted loss-of">of distillation, R6</span>
      </h3>
      <div className="loss-box">
        <svg
          className="tradeoff loss"
          viewBox={`0 0 ${BOX.width} ${BOX.height}`}
          aria-hidden="true"
          focusable="false"
        >
          {curves.length > 0 ? <Curves layout={layout} /> : <EmptyFrame />}
          <text className="axis-name" x={BOX.width - BOX.right} y={BOX.height - 4} textAnchor="end">
            Steps
          </text>
        </svg>
        {curves.length === 0 && (
          <p className="tradeoff-empty">Where R6 is tried, its loss is drawn here while it trains.</p>
        )}
      </div>
      <figcaption className="note loss-caption">
        <Caption curve={curves.at(-1)} layout={layout} />
      </figcaption>
    </figure>
  );
}

function EmptyFrame() {
  const bottom = BOX.height - BOX.bottom;
  return [0, 1, 2, 3].map((at) => {
    const y = BOX.top + (at * (bottom - BOX.top)) / 3;
    return <line key={at} x1={BOX.left} x2={BOX.width - BOX.right} y1={y} y2={y} />;
  });
}

function Curves({ layout: { series, xTicks, yTicks } }: { layout: LossLayout }) {
  const last = series.at(-1);
  const [right, bottom] = [BOX.width - BOX.right, BOX.height - BOX.bottom];
  return (
    <>
      {last?.stopped && (
        <g className="loss-stopped">
          <rect x={last.last.x} y={BOX.top} width={right - last.last.x} height={bottom - BOX.top} />
          <line x1={last.last.x} x2={last.last.x} y1={BOX.top} y2={bottom} />
        </g>
      )}
      {yTicks.map(({ value, y }) => (
        <g key={value} transform={`translate(0 ${y})`}>
          <line x1={BOX.left} x2={right} />
          <text x={BOX.left - 8} dy=".32em" textAnchor="end">
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
          <line className="loss-best" x1={last.best.x} x2={last.best.x} y1={last.best.y} y2={bottom} />
          <circle className="loss-best" cx={last.best.x} cy={last.best.y} r="5" />
          {last.last !== last.best && (
            <circle className="loss-last" cx={last.last.x} cy={last.last.y} r="3" />
          )}
          {last.stopped && (
            <text x={Math.min(last.last.x + 6, right - 74)} y={BOX.top + 13}>
              stopped early
            </text>
          )}
        </>
      )}
    </>
  );
}

/** The curve in words. */
function Caption({ curve, layout }: { curve: LossCurve | undefined; layout: LossLayout }) {
  const groups = useStudio(({ model }) => model?.groups);
  const drawn = layout.series.at(-1);
  if (!curve || !drawn)
    return 'Error of the outputs, relative to their variance, on calibration rows that are not trained on.';
  const { best, last, stopped } = drawn;
  const where = `Layers ${describeSets([curve.set], groups)}, step ${formatInteger(last.step)} of ${formatInteger(curve.steps)}`;
  const others = layout.series.length > 1 ? ' The thin lines are the sets before it.' : '';
  return (
    <>
      {where}: lowest <data value={String(best.heldOut)}>{best.heldOut.toPrecision(3)}</data> at step{' '}
      <data value={String(best.step)}>{formatInteger(best.step)}</data>, the dot.
      {stopped && ' It stopped early, and the weights of the lowest point are used.'}
      {others}
    </>
  );
}
