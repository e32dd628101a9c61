/**
 * The held-out loss of a training against its steps: one curve a training, where each is best, and where one stopped
 * before its last step. Plain data in, positions out.
 */
import { extent, line, max, scaleLinear } from 'd3';
import type { ChartBox } from './box.ts';

export interface LossSeries {
  /** At most. */
  readonly steps: number;
  readonly points: readonly { readonly step: number; readonly heldOut: number }[];
  readonly ended: boolean;
  /** Which values are better; absent: lower ones. */
  readonly better?: 'lower' | 'higher';
}

export interface LossMark {
  readonly x: number;
  readonly y: number;
  readonly step: number;
  readonly heldOut: number;
}

export interface LossLayout {
  readonly series: readonly {
    /** An SVG path. */
    readonly path: string;
    readonly best: LossMark;
    readonly last: LossMark;
    /** It ended before its last step. */
    readonly stopped: boolean;
  }[];
  readonly xTicks: readonly { readonly value: number; readonly x: number }[];
  readonly yTicks: readonly { readonly value: number; readonly y: number }[];
}

export function lossCurve(
  all: readonly LossSeries[],
  { width, height, left, right, top, bottom }: ChartBox,
): LossLayout {
  const drawn = all.filter(({ points }) => points.length > 0);
  const x = scaleLinear([0, max(drawn, ({ steps }) => steps) || 1], [left, width - right]);
  const [low = 0, high = 1] = extent(drawn.flatMap(({ points }) => points.map(({ heldOut }) => heldOut)));
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  const y = scaleLinear([Math.max(0, low - margin), high + margin], [height - bottom, top]);
  const path = line<LossSeries['points'][number]>(
    ({ step }) => x(step),
    ({ heldOut }) => y(heldOut),
  );
  const mark = (point: LossSeries['points'][number]): LossMark => ({
    ...point,
    x: x(point.step),
    y: y(point.heldOut),
  });
  return {
    series: drawn.map((series) => {
      const { points, better } = series;
      const sign = better === 'higher' ? -1 : 1;
      const best = points.reduce((first, point) =>
        sign * point.heldOut < sign * first.heldOut ? point : first,
      );
      return {
        path: path(points) ?? '',
        best: mark(best),
        last: mark(points[points.length - 1]),
        stopped: stoppedEarly(series),
      };
    }),
    xTicks: x.ticks(4).map((value) => ({ value, x: x(value) })),
    yTicks: y.ticks(4).map((value) => ({ value, y: y(value) })),
  };
}

/** The loss is told every so many steps: a training that came to its end has no room left for one more. */
function stoppedEarly({ steps, points, ended }: LossSeries): boolean {
  const last = points[points.length - 1];
  const every = last.step - (points.at(-2)?.step ?? 0);
  return ended && last.step + every < steps;
}
