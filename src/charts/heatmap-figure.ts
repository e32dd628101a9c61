/**
 * The heatmap as a figure to save: title, axes, cells, picked sets and legend in one SVG text that needs no style sheet
 * and no font of its own. Always dark on white, because it is for papers and slides. `charts/rasterise.ts` makes a PNG of it.
 */
import { html } from './escape.ts';
import {
  HEATMAP_INK,
  heatmapScale,
  labelStep,
  legendPosition,
  legendStops,
  type Matrix,
  shortValue,
  textColor,
  tickText,
  WRITTEN_VALUES,
  windowColor,
} from './heatmap.ts';
import { blocksOf } from './layer-sets.ts';

export interface HeatmapFigure {
  readonly matrix: Matrix;
  /** Whether colours fit the data, as on the page. */
  readonly stretch: boolean;
  readonly title: string;
  /** Under the title: the model, what it was measured on. */
  readonly lines: readonly string[];
  /** `set` gives the colour, as on the page. */
  readonly windows: readonly {
    readonly set: number;
    readonly layers: readonly number[];
    readonly name: string;
  }[];
}

const SIDE = 640;
const LEFT = 60;
const RIGHT = 24;
const LINE = 20;
const INK = '#0e1e30';
const SOFT = '#4a5b6d';

export function heatmapFigureSvg(figure: HeatmapFigure): string {
  const { matrix, stretch, title, lines, windows } = figure;
  const { size } = matrix;
  const scale = heatmapScale(matrix, stretch);
  const top = 44 + lines.length * LINE;
  const cell = SIDE / size;
  const foot = top + SIDE;
  const legend = foot + 62;
  const parts = [
    text(LEFT, 30, title, { size: 20, weight: 650, anchor: 'start', color: INK }),
    ...lines.map((line, index) => text(LEFT, 30 + (index + 1) * LINE, line, { size: 13, anchor: 'start' })),
    `<g transform="translate(${LEFT} ${top})">`,
    `<rect width="${SIDE}" height="${SIDE}" fill="${HEATMAP_INK.light.hatch}"/>`,
    ...cells(matrix, scale.color),
    ...windows.flatMap(({ set, layers }) =>
      blocksOf(layers).map(({ rows, columns, diagonal }) => {
        const box = `x="${round(columns.first * cell)}" y="${round(rows.first * cell)}" width="${round((columns.last - columns.first + 1) * cell)}" height="${round((rows.last - rows.first + 1) * cell)}"`;
        const dash = diagonal ? '' : ' stroke-dasharray="6 4"';
        return `<rect ${box} fill="none" stroke="#0b1622" stroke-width="6"/><rect ${box} fill="none" stroke="${windowColor(set)}" stroke-width="3"${dash}/>`;
      }),
    ),
    '</g>',
    ...axes(size, cell, top),
    text(LEFT + SIDE / 2, foot + 38, 'Layer', { size: 13 }),
    `<g transform="translate(18 ${top + SIDE / 2}) rotate(-90)">${text(0, 0, 'Layer', { size: 13 })}</g>`,
    '<defs><linearGradient id="ramp">',
    ...legendStops().map(({ offset, color }) => `<stop offset="${round(offset)}" stop-color="${color}"/>`),
    `</linearGradient></defs><rect x="${LEFT}" y="${legend}" width="240" height="12" fill="url(#ramp)"/>`,
    ...scale.ticks.map((tick) =>
      text(LEFT + legendPosition(scale, tick, 240), legend + 28, tickText(tick), { size: 12 }),
    ),
    `<rect x="${LEFT + 280}" y="${legend}" width="18" height="12" fill="${HEATMAP_INK.light.hatch}"/>`,
    text(LEFT + 306, legend + 11, 'not measured', { size: 12, anchor: 'start' }),
    ...windows.flatMap(({ set, name }, index) => {
      const x = LEFT + (index % 4) * 160;
      const y = legend + 46 + Math.floor(index / 4) * LINE;
      return [
        `<rect x="${x + 1.5}" y="${y + 1.5}" width="13" height="13" fill="none" stroke="${windowColor(set)}" stroke-width="3"/>`,
        text(x + 24, y + 13, name, { size: 13, anchor: 'start', color: INK }),
      ];
    }),
  ];
  const width = LEFT + SIDE + RIGHT;
  const height = legend + 44 + Math.ceil(windows.length / 4) * LINE + (windows.length > 0 ? 10 : 0);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" role="img" aria-label="${html(title)}"><rect width="${width}" height="${height}" fill="#ffffff"/>${parts.join('')}</svg>\n`;
}

/** A small matrix as a rectangle a cell, with its value; a large one as a path a colour, which draws several times faster. */
function cells(matrix: Matrix, color: (value: number) => string): string[] {
  const { size, values } = matrix;
  const cell = SIDE / size;
  const gap = cell > 14 ? 1 : 0;
  const written = size <= WRITTEN_VALUES;
  const parts: string[] = [];
  const byColor = new Map<string, string[]>();
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const value = values[row * size + column];
      if (Number.isNaN(value)) continue;
      const [x, y, side, fill] = [column * cell, row * cell, round(cell - gap), color(value)];
      if (!written) {
        const path = byColor.get(fill) ?? [];
        path.push(`M${round(x)} ${round(y)}h${side}v${side}h-${side}z`);
        byColor.set(fill, path);
        continue;
      }
      parts.push(`<rect x="${round(x)}" y="${round(y)}" width="${side}" height="${side}" fill="${fill}"/>`);
      if (row === column) continue;
      const ink = textColor(fill);
      const middle = { size: Math.min(15, Math.round(cell * 0.29)), color: ink };
      parts.push(text(x + cell / 2, y + cell / 2 + middle.size / 3, shortValue(value), middle));
    }
  }
  if (written) return parts;
  const paths = [...byColor].map(([fill, path]) => `<path fill="${fill}" d="${path.join('')}"/>`);
  return [`<g shape-rendering="${gap > 0 ? 'auto' : 'crispEdges'}">${paths.join('')}</g>`];
}

function axes(size: number, cell: number, top: number): string[] {
  const parts: string[] = [];
  for (let layer = 0; layer < size; layer += labelStep(size)) {
    const middle = (layer + 0.5) * cell;
    parts.push(
      text(LEFT + middle, top + SIDE + 18, String(layer), { size: 12 }),
      text(LEFT - 8, top + middle + 4, String(layer), { size: 12, anchor: 'end' }),
    );
  }
  return parts;
}

interface TextStyle {
  readonly size: number;
  readonly weight?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly color?: string;
}

function text(x: number, y: number, content: string, style: TextStyle): string {
  const { size, weight = 400, anchor = 'middle', color = SOFT } = style;
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${color}">${html(content)}</text>`;
}

function round(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}
