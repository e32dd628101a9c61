/**
 * The report's figures as SVG text: the same scales and geometry as on the page, without a DOM.
 *
 * Colours of text and lines come from the report's style sheet by class, so that they follow light and dark; cells keep
 * cividis in both.
 */
import { html } from '../charts/escape.ts';
import {
  heatmapScale,
  labelStep,
  legendPosition,
  legendStops,
  shortValue,
  textColor,
  tickText,
  windowColor,
} from '../charts/heatmap.ts';
import { blocksOf, runsOf } from '../charts/layer-sets.ts';
import { tradeoff } from '../charts/tradeoff.ts';
import type { HeatmapBlock, StackBlock, TradeoffBlock } from './types.ts';

const round = (value: number) => String(Math.round(value * 100) / 100);

function svg(width: number, height: number, label: string, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" role="img" aria-label="${html(label)}">${content}</svg>`;
}

function label(x: number, y: number, text: string, kind: string, anchor = 'middle'): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${kind}" text-anchor="${anchor}">${html(text)}</text>`;
}

/** Cells at least this wide have their value in them. */
const WRITTEN_CELL = 28;
const SIDE = 384;
const LEFT = 26;
const TOP = 4;

export function heatmapSvg(block: HeatmapBlock, id: string): string {
  const { size, values, sets, title } = block;
  const scale = heatmapScale(block, true);
  const cell = SIDE / size;
  const gap = cell > 14 ? 1 : 0;
  const parts: string[] = [
    `<rect x="${LEFT}" y="${TOP}" width="${SIDE}" height="${SIDE}" class="unmeasured"/>`,
  ];
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const value = values[row * size + column];
      if (Number.isNaN(value)) continue;
      const [x, y] = [LEFT + column * cell, TOP + row * cell];
      const color = scale.color(value);
      const box = `x="${round(x)}" y="${round(y)}" width="${round(cell - gap)}" height="${round(cell - gap)}"`;
      parts.push(`<rect ${box} fill="${color}"/>`);
      if (cell < WRITTEN_CELL || row === column) continue;
      parts.push(
        `<text x="${round(x + cell / 2)}" y="${round(y + cell / 2 + 3.5)}" class="cell" fill="${textColor(color)}" text-anchor="middle">${shortValue(value)}</text>`,
      );
    }
  }
  for (let layer = 0; layer < size; layer += labelStep(size)) {
    const middle = (layer + 0.5) * cell;
    parts.push(label(LEFT + middle, TOP + SIDE + 13, String(layer), 'tick'));
    parts.push(label(LEFT - 5, TOP + middle + 4, String(layer), 'tick', 'end'));
  }
  sets.forEach(({ layers }, k) => {
    for (const { rows, columns, diagonal } of blocksOf(layers)) {
      const box = `x="${round(LEFT + columns.first * cell)}" y="${round(TOP + rows.first * cell)}" width="${round((columns.last - columns.first + 1) * cell - gap)}" height="${round((rows.last - rows.first + 1) * cell - gap)}"`;
      const dashed = diagonal ? '' : ' stroke-dasharray="4 3"';
      parts.push(`<rect ${box} fill="none" stroke="${windowColor(k)}" stroke-width="3"${dashed}/>`);
    }
  });
  const legend = TOP + SIDE + 28;
  const stops = legendStops().map(
    ({ offset, color }) => `<stop offset="${round(offset)}" stop-color="${color}"/>`,
  );
  parts.push(
    `<defs><linearGradient id="${html(id)}">${stops.join('')}</linearGradient></defs>`,
    `<rect x="${LEFT}" y="${legend}" width="${SIDE}" height="9" fill="url(#${html(id)})"/>`,
    ...scale.ticks.map((tick) => {
      const at = legendPosition(scale, tick, SIDE);
      const anchor = at < 8 ? 'start' : at > SIDE - 8 ? 'end' : 'middle';
      return label(LEFT + at, legend + 22, tickText(tick), 'tick', anchor);
    }),
  );
  return svg(LEFT + SIDE + 2, legend + 26, `${title}, ${size} by ${size} layers`, parts.join(''));
}

/** Tied layers are one bar; layers of a set that are not neighbours are joined by a line below. */
export function stackSvg({ layers, sets, caption }: StackBlock): string {
  const perRow = Math.min(layers, 24);
  const width = 720;
  const cell = width / perRow;
  const rowHeight = 52;
  const place = (layer: number) => ({
    x: (layer % perRow) * cell,
    y: Math.floor(layer / perRow) * rowHeight,
  });
  const parts: string[] = [];
  const tied = new Set(sets.flatMap((set) => set.layers));
  for (let layer = 0; layer < layers; layer++) {
    const { x, y } = place(layer);
    if (!tied.has(layer)) {
      parts.push(
        `<rect x="${round(x + 2)}" y="${y + 2}" width="${round(cell - 4)}" height="26" rx="3" class="layer"/>`,
      );
    }
    parts.push(label(x + cell / 2, y + 44, String(layer), 'tick'));
  }
  sets.forEach((set, k) => {
    const color = windowColor(k);
    for (const { first, last } of runsOf(set.layers)) {
      // A run that goes over the end of a row is drawn in both.
      for (let from = first; from <= last; ) {
        const to = Math.min(last, from + perRow - 1 - (from % perRow));
        const { x, y } = place(from);
        const wide = (to - from + 1) * cell;
        parts.push(
          `<rect x="${round(x + 2)}" y="${y + 2}" width="${round(wide - 4)}" height="26" rx="3" fill="${color}"/>`,
        );
        parts.push(
          `<text x="${round(x + wide / 2)}" y="${y + 19}" class="set" text-anchor="middle">${wide < 60 ? String.fromCharCode(65 + (k % 26)) : html(set.name)}</text>`,
        );
        from = to + 1;
      }
    }
  });
  return svg(width, Math.ceil(layers / perRow) * rowHeight, caption, parts.join(''));
}

export function tradeoffSvg(block: TradeoffBlock): string {
  const { points, higherIsBetter, bytesText, scoreText, metric, title } = block;
  const box = { width: 640, height: 330, left: 80, right: 16, top: 26, bottom: 44 };
  const layout = tradeoff(points, higherIsBetter, box);
  const bottom = box.height - box.bottom;
  const parts = [
    ...layout.yTicks.map(
      ({ value, y }) =>
        `<line x1="${box.left}" x2="${box.width - box.right}" y1="${round(y)}" y2="${round(y)}" class="grid"/>${label(box.left - 8, y + 4, scoreText(value), 'tick', 'end')}`,
    ),
    ...layout.xTicks.map(
      ({ value, x }) =>
        `<line x1="${round(x)}" x2="${round(x)}" y1="${bottom}" y2="${bottom + 5}" class="axis"/>${label(x, bottom + 19, bytesText(value), 'tick')}`,
    ),
    `<line x1="${box.left}" x2="${box.width - box.right}" y1="${bottom}" y2="${bottom}" class="axis"/>`,
    label(box.left, 14, `${metric}, better upwards`, 'tick', 'start'),
    label(box.width - box.right, box.height - 6, 'size of the file', 'tick', 'end'),
    `<path d="${layout.front}" class="front"/>`,
  ];
  for (const { id, x, y, side, labelY, front } of layout.points) {
    const name = id === 0 ? 'original' : String(id);
    parts.push(
      `<circle cx="${round(x)}" cy="${round(y)}" r="5" class="${front ? 'point best' : 'point'}"/>`,
      label(side === 'left' ? x - 10 : x + 10, labelY + 4, name, 'name', side === 'left' ? 'end' : 'start'),
    );
  }
  return svg(box.width, box.height, title, parts.join(''));
}
