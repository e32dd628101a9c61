/**
 * The similarity heatmap: a symmetric matrix as coloured cells on a canvas, and the geometry that turns a point
 * into a cell or into a place on the diagonal. Pure functions of plain data; the frame around it (labels, focus,
 * outlines) is the page's. Cividis, because it reads the same with every common colour vision.
 */
import { interpolateCividis, rgb, scaleSequential, ticks } from 'd3';

export interface Matrix {
  readonly size: number;
  /** Row-major; NaN where not measured. */
  readonly values: ArrayLike<number>;
}

export interface HeatmapScale {
  readonly domain: readonly [number, number];
  readonly color: (value: number) => string;
  readonly ticks: readonly number[];
}

/** Up to this many layers the value is written into its cell, where a cell is wide enough. */
export const WRITTEN_VALUES = 16;
const WRITTEN_CELL_PX = 30;

/**
 * The scale of a matrix. `stretch` fits it to the values off the diagonal, rounded outwards to tenths, because
 * the diagonal is 1 for every measure and neighbours often differ by little; otherwise 0 to 1.
 */
export function heatmapScale({ size, values }: Matrix, stretch: boolean): HeatmapScale {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const value = values[row * size + column];
      if (row === column || Number.isNaN(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const measured = low <= high;
  const domain: [number, number] =
    stretch && measured ? [Math.floor(low * 10) / 10, Math.ceil(high * 10) / 10] : [0, 1];
  if (domain[0] === domain[1]) domain[0] = domain[1] - 0.1;
  const color = scaleSequential(interpolateCividis).domain(domain).clamp(true);
  return { domain, color, ticks: ticks(domain[0], domain[1], 4) };
}

/** Stops of the legend's ramp, low to high. */
export function legendStops(steps = 24): { readonly offset: number; readonly color: string }[] {
  return Array.from({ length: steps + 1 }, (_, step) => ({
    offset: step / steps,
    color: interpolateCividis(step / steps),
  }));
}

/** Where a tick stands on the legend, of its whole length. */
export function legendPosition({ domain }: HeatmapScale, value: number, whole = 1): number {
  return (whole * (value - domain[0])) / (domain[1] - domain[0]);
}

export interface HeatmapInk {
  /** Behind the cells, and in the gaps. */
  readonly paper: string;
  /** Hatching of what was not measured. */
  readonly hatch: string;
}

export const HEATMAP_INK: Record<'light' | 'dark', HeatmapInk> = {
  light: { paper: '#f1f4f7', hatch: '#c9d2da' },
  dark: { paper: '#16202a', hatch: '#33424f' },
};

/** Draws the cells on a square of `side` CSS pixels. */
export function drawHeatmap(
  context: CanvasRenderingContext2D,
  matrix: Matrix,
  scale: HeatmapScale,
  options: {
    readonly side: number;
    readonly pixelRatio: number;
    readonly ink: HeatmapInk;
    readonly font: string;
  },
): void {
  const { side, pixelRatio, ink } = options;
  const { size, values } = matrix;
  const cell = side / size;
  const gap = cell > 14 ? 1 : 0;
  context.setTransform(pixelRatio, 0, 0, pixelRatio, 0, 0);
  context.fillStyle = ink.paper;
  context.fillRect(0, 0, side, side);
  hatch(context, side, ink.hatch);
  if (gap > 0) grid(context, size, side, ink.paper);
  const written = size <= WRITTEN_VALUES && cell >= WRITTEN_CELL_PX;
  context.font = `${Math.min(13, Math.round(cell * 0.29))}px ${options.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const value = values[row * size + column];
      if (Number.isNaN(value)) continue;
      context.fillStyle = scale.color(value);
      // Edges on whole device pixels, so that neighbouring cells neither overlap nor leave a seam.
      const x = snap(column * cell, pixelRatio);
      const y = snap(row * cell, pixelRatio);
      const right = snap((column + 1) * cell, pixelRatio);
      const bottom = snap((row + 1) * cell, pixelRatio);
      context.fillRect(x, y, right - x - gap, bottom - y - gap);
      if (!written || row === column) continue;
      context.fillStyle = textColor(context.fillStyle);
      context.fillText(shortValue(value), (column + 0.5) * cell - gap / 2, (row + 0.5) * cell);
    }
  }
}

function snap(value: number, pixelRatio: number): number {
  return Math.round(value * pixelRatio) / pixelRatio;
}

/** `.94`: the leading zero says nothing in a cell, and a zero is not below zero. */
export function shortValue(value: number): string {
  return value
    .toFixed(2)
    .replace(/^-(?=0\.00$)/, '')
    .replace(/^(-?)0\./, '$1.')
    .replace('-', '−');
}

/** A tick of the legend, to hundredths. */
export function tickText(value: number): string {
  return String(Number(value.toFixed(2))).replace('-', '−');
}

const DARK_TEXT = '#101a24';
const LIGHT_TEXT = '#ffffff';

/** Near-black or white, whichever contrasts more (WCAG); `fill` is a CSS color. */
export function textColor(fill: string | CanvasGradient | CanvasPattern): string {
  if (typeof fill !== 'string') return DARK_TEXT;
  const light = luminance(fill);
  return (light + 0.05) / (luminance(DARK_TEXT) + 0.05) > 1.05 / (light + 0.05) ? DARK_TEXT : LIGHT_TEXT;
}

function luminance(color: string): number {
  const linear = (channel: number) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const { r, g, b } = rgb(color);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

/** Parts the hatching into cells. */
function grid(context: CanvasRenderingContext2D, size: number, side: number, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 3;
  context.beginPath();
  for (let line = 1; line < size; line++) {
    const at = (line * side) / size - 0.5;
    context.moveTo(at, 0);
    context.lineTo(at, side);
    context.moveTo(0, at);
    context.lineTo(side, at);
  }
  context.stroke();
}

function hatch(context: CanvasRenderingContext2D, side: number, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  for (let start = -side; start < side; start += 7) {
    context.moveTo(start, side);
    context.lineTo(start + side, 0);
  }
  context.stroke();
}

export interface Cell {
  readonly row: number;
  readonly column: number;
}

/** The cell under a point given as fractions of the square; null outside. */
export function cellAt(x: number, y: number, size: number): Cell | null {
  if (x < 0 || y < 0 || x >= 1 || y >= 1) return null;
  return { row: Math.floor(y * size), column: Math.floor(x * size) };
}

/** The layer on the diagonal nearest to a point; points outside go to its ends. */
export function diagonalAt(x: number, y: number, size: number): number {
  return Math.min(size - 1, Math.max(0, Math.floor(((x + y) / 2) * size)));
}

/** Where a drag or a touch counts as being on the diagonal: within a cell of it, or 14 px where cells are small. */
export function isOnDiagonal(x: number, y: number, size: number, side: number): boolean {
  return Math.abs(x - y) * side <= diagonalReach(size, side);
}

/** Half the width of the diagonal's band, in pixels along an axis. */
export function diagonalReach(size: number, side: number): number {
  return Math.max(14, side / size / 2);
}

/** Which axis labels to show: all where they fit on the smallest heatmap (320 px), else every 2nd, 4th, 8th… */
export function labelStep(size: number): number {
  let step = 1;
  while ((320 / size) * step < 17) step *= 2;
  return step;
}

/** One colour a picked window, in order; each is told apart from cividis by its red or green, and by its label. */
export const WINDOW_COLORS = ['#f0562d', '#1fb6a6', '#d64fb3', '#7fc31c', '#8f6df2', '#e8930c'] as const;

export function windowColor(index: number): string {
  return WINDOW_COLORS[index % WINDOW_COLORS.length];
}

/** Left and width, or top and height, of `count` cells from `from`, as CSS lengths of the square. */
export function spanOf(
  from: number,
  count: number,
  size: number,
): { readonly offset: string; readonly extent: string } {
  return { offset: `${(100 * from) / size}%`, extent: `${(100 * count) / size}%` };
}

/** 0 … size − 1. */
export function indices(size: number): number[] {
  return Array.from({ length: size }, (_, index) => index);
}

/** A point of the window as fractions of a box, and the box's side. */
export function placeIn(
  box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
  x: number,
  y: number,
): { readonly x: number; readonly y: number; readonly side: number } {
  return { x: (x - box.left) / box.width, y: (y - box.top) / box.height, side: box.width };
}
