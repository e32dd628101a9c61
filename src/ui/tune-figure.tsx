/** Tuning as it goes: the training loss of each step, the select split where it was looked at, speed and time left. */
import { useId } from 'react';
import type { ChartBox } from '../charts/box.ts';
import { type LossMark, lossCurve } from '../charts/loss-curve.ts';
import { formatInteger, formatLeft } from '../store/format.ts';
import { formatMetric, higherIsBetter, metricName } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import type { Metric, TuneCurve } from '../store/types.ts';
import { LossChart } from './loss-chart.tsx';

const BOX: ChartBox = { width: 440, height: 190, left: 46, right: 14, top: 12, bottom: 36 };

/** Where tuning is ticked, or was run. */
export function TuneFigure() {
  const run = useStudio(({ recover }) => recover.run);
  const ticked = useStudio(
    ({ recover: { choice } }) => choice.mode === 'chosen' && choice.rungs.includes('tune'),
  );
  const asked = run?.request.rungs.includes('tune') === true;
  if (!ticked && !asked) return null;
  return <Figures curve={run?.tuning ?? null} metric={run?.metric.metric ?? 'perplexity'} />;
}

function Figures({ curve, metric }: { curve: TuneCurve | null; metric: Metric }) {
  const { steps = 1, points = [], ended = false } = curve ?? {};
  const training = points.map(({ step, loss }) => ({ step, heldOut: loss }));
  const looks = points.flatMap(({ step, select }) =>
    select === undefined ? [] : [{ step, heldOut: select }],
  );
  const better = higherIsBetter(metric) ? 'higher' : 'lower';
  const unit = useStudio(({ data }) => data?.splits[0]?.unit ?? 'samples');
  const name = useId();
  const last = points.at(-1);
  const selected = lossCurve([{ steps, points: looks, ended, better }], BOX);
  return (
    <figure className="loss-figure tune-figure" aria-labelledby={name}>
      <h3 id={name}>
        Tuning <span className="muted loss-of">distance from the original, each step</span>
      </h3>
      <LossChart
        layout={lossCurve([{ steps, points: training, ended: false }], BOX)}
        box={BOX}
        best={false}
        empty="The training loss of each step is drawn here."
      />
      <h3>
        {metricName(metric)} <span className="muted loss-of">on the select split, every so many steps</span>
      </h3>
      <LossChart
        layout={selected}
        box={BOX}
        empty="What decides: the best of these is kept, and tuning stops where they stop improving."
      />
      <figcaption className="note loss-caption">
        {last ? (
          <>
            Step <data value={String(last.step)}>{formatInteger(last.step)}</data> of {formatInteger(steps)}
            {last.perSecond !== undefined && (
              <>
                , <data value={String(last.perSecond)}>{formatInteger(Math.round(last.perSecond))}</data>{' '}
                {unit} a second
              </>
            )}
            {!ended &&
              last.secondsLeft !== undefined &&
              `, ${formatLeft(last.secondsLeft)} if it takes all steps`}
            .
            <Best mark={selected.series.at(-1)?.best} metric={metric} />
          </>
        ) : (
          'Trained on the calibration split. Cancel pauses it: it can go on later, also after a reload.'
        )}
      </figcaption>
    </figure>
  );
}

function Best({ mark, metric }: { mark: LossMark | undefined; metric: Metric }) {
  if (!mark) return null;
  return (
    <>
      {' '}
      Best on select so far: <data value={String(mark.heldOut)}>{formatMetric(metric, mark.heldOut)}</data> at
      step {formatInteger(mark.step)}, the dot.
    </>
  );
}
