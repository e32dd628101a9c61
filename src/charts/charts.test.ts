import { describe, expect, it } from 'vitest';
import { cellAfterKey, ordered, windowEnd } from './grid-moves.ts';
import { cellAt, diagonalAt, heatmapScale, isOnDiagonal, labelStep } from './heatmap.ts';
import { blocksOf } from './layer-sets.ts';
import { layerStack } from './layer-stack.ts';
import { lossCurve } from './loss-curve.ts';
import { damageScale, diagonalStrip, mapRows, windowAt } from './sweep-map.ts';
import { paretoFront, tradeoff } from './tradeoff.ts';

describe('heatmap', () => {
  const values = [1, 0.62, Number.NaN, 0.62, 1, 0.41, Number.NaN, 0.41, 1];

  it('fits the scale to what is off the diagonal, or leaves it at 0 to 1', () => {
    expect(heatmapScale({ size: 3, values }, true).domain).toEqual([0.4, 0.7]);
    expect(heatmapScale({ size: 3, values }, false).domain).toEqual([0, 1]);
    const empty = heatmapScale({ size: 2, values: [Number.NaN, Number.NaN, Number.NaN, Number.NaN] }, true);
    expect(empty.domain).toEqual([0, 1]);
  });

  it('never has an empty domain', () => {
    const [low, high] = heatmapScale({ size: 2, values: [1, 0.5, 0.5, 1] }, true).domain;
    expect(low).toBeLessThan(high);
  });

  it('gives the ends of cividis to the ends of the domain', () => {
    const { color } = heatmapScale({ size: 3, values }, false);
    expect([color(0), color(1), color(2)]).toEqual([
      'rgb(0, 32, 81)',
      'rgb(253, 234, 69)',
      'rgb(253, 234, 69)',
    ]);
  });

  it('finds cells and places on the diagonal', () => {
    expect(cellAt(0.99, 0.01, 12)).toEqual({ row: 0, column: 11 });
    expect(cellAt(1, 0.5, 12)).toBeNull();
    expect(diagonalAt(0.5, 0.5, 12)).toBe(6);
    expect(diagonalAt(-3, 0, 12)).toBe(0);
    expect(diagonalAt(2, 2, 12)).toBe(11);
    expect(isOnDiagonal(0.5, 0.51, 96, 500)).toBe(true);
    expect(isOnDiagonal(0.5, 0.6, 96, 500)).toBe(false);
  });

  it('thins the labels of many layers', () => {
    expect([12, 36, 96].map((size) => labelStep(size))).toEqual([1, 2, 8]);
  });
});

describe('layer stack', () => {
  it('adds up to the whole, and folds all of a window but its first', () => {
    const groups = [{ id: 'a', layers: 4, parametersPerFfn: 20 }];
    const segments = layerStack(groups, 100, [{ groupId: 'a', layers: [1, 2, 3] }]);
    expect(segments.map(({ width }) => width).reduce((sum, width) => sum + width)).toBeCloseTo(1, 12);
    expect(segments.map(({ folded }) => folded)).toEqual([false, false, true, true, false]);
    expect(segments.map(({ set }) => set)).toEqual([null, 0, 0, 0, null]);
  });
});

describe('trade-off', () => {
  const points = [
    { id: 0, bytes: 10, score: 4.8 },
    { id: 1, bytes: 7, score: 5.6 },
    { id: 2, bytes: 7, score: 6.5 },
    { id: 3, bytes: 8, score: 6 },
  ];
  it('keeps what nothing beats', () => {
    expect(paretoFront(points, false).map(({ id }) => id)).toEqual([1, 0]);
    expect(paretoFront(points, true).map(({ id }) => id)).toEqual([2]);
  });
  it('takes sizes that differ by a few bytes for one size', () => {
    const alike = [
      { id: 0, bytes: 8_540_100, score: 6.7 },
      { id: 1, bytes: 8_540_000, score: 6.9 },
      { id: 2, bytes: 8_540_600, score: 5.4 },
      { id: 3, bytes: 8_600_000, score: 5.1 },
    ];
    expect(paretoFront(alike, false).map(({ id }) => id)).toEqual([2, 3]);
  });
  it('puts better higher, and stays inside of its box', () => {
    const box = { width: 300, height: 200, left: 40, right: 10, top: 10, bottom: 30 };
    const layout = tradeoff(points, false, box);
    expect(layout.points[0].y).toBeLessThan(layout.points[2].y);
    for (const { x, y } of layout.points) {
      expect(x).toBeGreaterThanOrEqual(40);
      expect(x).toBeLessThanOrEqual(290);
      expect(y).toBeGreaterThanOrEqual(10);
      expect(y).toBeLessThanOrEqual(170);
    }
  });
});

describe('labels of the trade-off', () => {
  it('of variants of one size do not lie on each other', () => {
    const column = [5, 5.01, 5.02].map((score, id) => ({ id, bytes: 7, score }));
    const box = { width: 300, height: 200, left: 40, right: 10, top: 10, bottom: 30 };
    const far = [...column, { id: 9, bytes: 10, score: 9 }];
    const places = tradeoff(far, false, box)
      .points.slice(0, 3)
      .map(({ labelY }) => labelY);
    expect(places[1] - places[0]).toBeGreaterThanOrEqual(12);
    expect(places[2] - places[1]).toBeGreaterThanOrEqual(12);
  });
});

describe('moves on the grid', () => {
  it('stay inside of it, and know rows and corners', () => {
    const from = { row: 3, column: 0 };
    expect(cellAfterKey('ArrowLeft', false, from, 12)).toEqual(from);
    expect(cellAfterKey('ArrowDown', false, from, 12)).toEqual({ row: 4, column: 0 });
    expect(cellAfterKey('End', false, from, 12)).toEqual({ row: 3, column: 11 });
    expect(cellAfterKey('Home', true, from, 12)).toEqual({ row: 0, column: 0 });
    expect(cellAfterKey('a', false, from, 12)).toBeNull();
  });
  it('end a window on the diagonal or beside it', () => {
    expect(windowEnd(4, { row: 7, column: 7 })).toBe(7);
    expect(windowEnd(4, { row: 4, column: 7 })).toBe(7);
    expect(windowEnd(4, { row: 1, column: 4 })).toBe(1);
    expect(ordered(7, 4)).toEqual([4, 7]);
  });
});

describe('sets on the heatmap', () => {
  it('are one square for neighbours, and blocks for their pairs otherwise', () => {
    expect(blocksOf([4, 5, 6])).toEqual([
      { rows: { first: 4, last: 6 }, columns: { first: 4, last: 6 }, diagonal: true },
    ]);
    const blocks = blocksOf([1, 4, 5]);
    expect(blocks.filter(({ diagonal }) => diagonal)).toHaveLength(2);
    expect(blocks.at(-1)).toEqual({
      rows: { first: 4, last: 5 },
      columns: { first: 1, last: 1 },
      diagonal: false,
    });
  });
});

describe('the map of a sweep', () => {
  const windows = [
    { first: 0, last: 1, damage: 5.6 },
    { first: 1, last: 2, damage: 0.02 },
    { first: 2, last: 3, damage: 0.06 },
    { first: 3, last: 4, damage: 0.05 },
    { first: 1, last: 3, damage: 0.17 },
  ];

  it('ends its scale before what is far beyond the rest', () => {
    const scale = damageScale(windows.map(({ damage }) => damage));
    expect(scale.cap).toBeCloseTo(0.425, 12);
    expect(scale.beyond(5.6)).toBe(true);
    expect(scale.beyond(0.17)).toBe(false);
    expect(scale.share(5.6)).toBe(1);
    expect(scale.share(-0.1)).toBe(0);
    expect(damageScale([]).cap).toBe(1);
    expect(damageScale([-0.1, 0]).cap).toBe(1);
  });

  it('gets darker with damage, under text that reads', () => {
    const { color, ink } = damageScale(windows.map(({ damage }) => damage));
    const green = (text: string) => Number(text.split(',')[1]);
    expect(green(color(0.02))).toBeGreaterThan(green(color(0.06)));
    expect(green(color(0.06))).toBeGreaterThan(green(color(5.6)));
    expect(ink(0)).not.toBe(ink(5.6));
  });

  it('lies along the diagonal at the windows’ middles', () => {
    const strip = diagonalStrip(windows, 2, 12);
    expect(strip.map(({ first }) => first)).toEqual([0, 1, 2, 3]);
    const [x, y] = strip[0].points.split(' ')[0].split(',').map(Number);
    expect([x, y]).toEqual([0.74, 0.26]);
    expect(windowAt(windows, 3, 2)?.first).toBe(1);
    expect(windowAt(windows, 2, 4)?.first).toBe(3);
  });

  it('has a place for every window, scored or not', () => {
    const [pairs, triples] = mapRows(windows, 5, [2, 3]);
    expect(pairs.cells).toHaveLength(4);
    expect(triples.cells.map(({ damage }) => damage)).toEqual([undefined, 0.17, undefined]);
    expect(triples.cells[0].left).toBeCloseTo(20, 12);
  });
});

describe('the curve of a loss', () => {
  const box = { width: 300, height: 200, left: 40, right: 10, top: 10, bottom: 30 };
  const points = [0.3, 0.2, 0.12, 0.14].map((heldOut, index) => ({ step: 100 * index, heldOut }));

  it('marks the lowest point, and spans all steps that there may be', () => {
    const { series, xTicks } = lossCurve([{ steps: 1000, points, ended: false }], box);
    expect(series[0].best).toMatchObject({ step: 200, heldOut: 0.12 });
    expect(series[0].best.y).toBeGreaterThan(series[0].last.y);
    expect(series[0].path.split('L')).toHaveLength(4);
    expect(series[0].last.x).toBeCloseTo(40 + 0.3 * 250, 9);
    expect(xTicks.at(-1)).toEqual({ value: 1000, x: 290 });
  });

  it('tells a training that stopped from one that came to its end, and from one that runs', () => {
    const stopped = (steps: number, ended: boolean) =>
      lossCurve([{ steps, points, ended }], box).series[0].stopped;
    expect(stopped(1000, true)).toBe(true);
    expect(stopped(1000, false)).toBe(false);
    expect(stopped(400, true)).toBe(false);
    expect(stopped(300, true)).toBe(false);
  });

  it('draws several in one frame, and none in an empty one', () => {
    const other = { steps: 500, points: [{ step: 0, heldOut: 0.9 }], ended: false };
    const { series, yTicks } = lossCurve([{ steps: 400, points, ended: true }, other], box);
    expect(series[1].last.y).toBeLessThan(series[0].last.y);
    for (const { y } of yTicks) expect(y).toBeLessThanOrEqual(170);
    expect(lossCurve([{ ...other, points: [] }], box).series).toEqual([]);
  });
});
