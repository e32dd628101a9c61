/** The training of R6 as it goes: held-out loss against steps, the best point, and where it stopped early. */
import { type LossLayout, lossCurve } from '../charts/loss-curve.ts';
import { describeSets } from '../store/describe.ts';
import { formatInteger } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { LossCurve } from '../store/types.ts';
import { LOSS_BOX, LossChart } from './loss-chart.tsx';

const NONE: readonly LossCurve[] = [];

export function LossFigure() {
  const curves = useStudio(({ recover }) => recover.run?.curves ?? NONE);
  const layout = lossCurve(curves, LOSS_BOX);
  return (
    <figure className="loss-figure" aria-label="Held-out loss of distillation">
      <h3>
        Held-out loss <span className="muted loss-of">of distillation, R6</span>
      </h3>
      <LossChart layout={layout} empty="Where R6 is tried, its loss is drawn here while it trains." />
      <figcaption className="note loss-caption">
        <Caption curve={curves.at(-1)} layout={layout} />
      </figcaption>
    </figure>
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
  const others = layout.series.length > 1 ? ' The thin lines are the trainings before it.' : '';
  return (
    <>
      {where}: lowest <data value={String(best.heldOut)}>{best.heldOut.toPrecision(3)}</data> at step{' '}
      <data value={String(best.step)}>{formatInteger(best.step)}</data>, the dot.
      {stopped && ' It stopped early, and the weights of the lowest point are used.'}
      {others}
    </>
  );
}
