/**
 * Quality against bytes: one point a variant that was evaluated, and the Pareto front through those that no other
 * beats in both. Plain data in, positions out.
 */
import { extent, scaleLinear } from 'd3';
import type { ChartBox } from './box.ts';

export interface TradeoffPoint {
  readonly id: number;
  readonly bytes: number;
  readonly score: number;
}

export interface TradeoffLayout {
  readonly points: readonly {
    readonly id: number;
    readonly x: number;
    readonly y: number;
    /** Where its label has room, and how far down it is moved so as not to lie on another. */
    readonly side: 'left' | 'right';
    readonly labelY: number;
    readonly front: boolean;
  }[];
  /** An SVG path through the front. */
  readonly front: string;
  readonly xTicks: readonly { readonly value: number; readonly x: number }[];
  readonly yTicks: readonly { readonly value: number; readonly y: number }[];
}

/** Sizes that differ by less are one size: a name or two in the file. */
const SAME_SIZE = 1e-3;

/** Points that no other point equals or beats both in bytes, to a thousandth, and in score. */
export function paretoFront(points: readonly TradeoffPoint[], higherIsBetter: boolean): TradeoffPoint[] {
  const better = (a: number, b: number) => (higherIsBetter ? a > b : a < b);
  const ordered = [...points].sort(
    (a, b) => a.bytes - b.bytes || (higherIsBetter ? b.score - a.score : a.score - b.score),
  );
  const front: TradeoffPoint[] = [];
  for (const point of ordered) {
    const best = front.at(-1);
    if (best && !better(point.score, best.score)) continue;
    while (front.length > 0 && point.bytes <= front[front.length - 1].bytes * (1 + SAME_SIZE)) front.pop();
    front.push(point);
  }
  return front;
}

export function tradeoff(
  points: readonly TradeoffPoint[],
  higherIsBetter: boolean,
  { width, height, left, right, top, bottom }: ChartBox,
): TradeoffLayout {
  const padded = (values: readonly number[]): [number, number] => {
    const [low = 0, high = 1] = extent(values);
    const margin = (high - low || Math.abs(high) || 1) * 0.12;
    return [low - margin, high + margin];
  };
  const x = scaleLinear(padded(points.map(({ bytes }) => bytes)), [left, width - right]);
  // Better is up, for either kind of metric.
  const range = higherIsBetter ? [height - bottom, top] : [top, height - bottom];
  const y = scaleLinear(padded(points.map(({ score }) => score)), range);
  const front = paretoFront(points, higherIsBetter);
  const labels = labelPlaces(points.map(({ bytes, score }) => ({ x: x(bytes), y: y(score) })));
  return {
    points: points.map((point, index) => ({
      id: point.id,
      x: x(point.bytes),
      y: y(point.score),
      side: x(point.bytes) > width / 2 ? 'left' : 'right',
      labelY: labels[index],
      front: front.includes(point),
    })),
    front: front.map((point, index) => `${index ? 'L' : 'M'}${x(point.bytes)},${y(point.score)}`).join(''),
    xTicks: x.ticks(4).map((value) => ({ value, x: x(value) })),
    yTicks: y.ticks(4).map((value) => ({ value, y: y(value) })),
  };
}

const LABEL_HEIGHT = 12;
const LABEL_WIDTH = 34;

/** Variants of one size stand in a column: their labels are pushed apart from the top down. */
function labelPlaces(points: readonly { readonly x: number; readonly y: number }[]): number[] {
  const places = points.map(({ y }) => y);
  const order = points.map((_, index) => index).sort((a, b) => points[a].y - points[b].y);
  order.forEach((index, rank) => {
    for (const above of order.slice(0, rank)) {
      const near = Math.abs(points[above].x - points[index].x) < LABEL_WIDTH;
      if (near) places[index] = Math.max(places[index], places[above] + LABEL_HEIGHT);
    }
  });
  return places;
}
