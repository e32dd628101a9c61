/**
 * Damage by window, drawn where the windows lie: as a strip along the heatmap's diagonal for one width, and as rows of
 * cells over the layers for several. One colour scale for both: from pale (no damage) to dark, told apart by lightness
 * alone, so that it reads with every colour vision. Damage is skewed (the first layers often break a model), so
 * the scale ends at 2.5 times the third quartile, and colour goes with the square root: small damages, which one chooses
 * among, are told apart. What lies beyond has the darkest colour and says its number.
 */
import { interpolateRdPu, quantile, rgb, scaleLinear, scaleSequentialSqrt } from 'd3';

export interface WindowDamage {
  readonly first: number;
  readonly last: number;
  /** Above 0 = worse than the original. */
  readonly damage: number;
}

export interface DamageScale {
  /** Where the scale ends. */
  readonly cap: number;
  readonly color: (damage: number) => string;
  /** Text that reads on that colour. */
  readonly ink: (damage: number) => string;
  /** Of a bar's whole length, 0 to 1. */
  readonly share: (damage: number) => number;
  /** True where the bar is cut off. */
  readonly beyond: (damage: number) => boolean;
}

const DARK_TEXT = '#14020a';
const LIGHT_TEXT = '#ffffff';

export function damageScale(damages: readonly number[]): DamageScale {
  const most = Math.max(0, ...damages);
  const usual = 2.5 * (quantile(damages, 0.75) ?? 0);
  const cap = (usual > 0 ? Math.min(most, usual) : most) || 1;
  const share = scaleLinear([0, cap], [0, 1]).clamp(true);
  // The palest tenth would vanish on white.
  const color = scaleSequentialSqrt((t: number) => interpolateRdPu(0.08 + 0.92 * t))
    .domain([0, cap])
    .clamp(true);
  return {
    cap,
    color,
    ink: (damage) =>
      contrast(color(damage), DARK_TEXT) >= contrast(color(damage), LIGHT_TEXT) ? DARK_TEXT : LIGHT_TEXT,
    share,
    beyond: (damage) => damage > cap * 1.0001,
  };
}

/** WCAG contrast of two colours. */
function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((one, other) => other - one);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(text: string): number {
  const { r, g, b } = rgb(text);
  const linear = (value: number) =>
    value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

export interface StripCell extends WindowDamage {
  /** Corners as an SVG polygon, in layers: the heatmap is a square of `size` by `size`. */
  readonly points: string;
}

/** Half of the strip's thickness: in layers of a stack of up to 24; of deeper ones, in 24ths of the same. */
const HALF = 0.24;

/** One cell a window of the width, centred where the window's middle crosses the diagonal. */
export function diagonalStrip(windows: readonly WindowDamage[], width: number, layers: number): StripCell[] {
  const half = HALF * Math.max(1, layers / 24);
  return windows
    .filter(({ first, last }) => last - first + 1 === width)
    .sort((a, b) => a.first - b.first)
    .map((window) => {
      const from = (window.first + window.last) / 2;
      const to = from + 1;
      const corners = [
        [from + half, from - half],
        [to + half, to - half],
        [to - half, to + half],
        [from - half, from + half],
      ];
      return { ...window, points: corners.map(([x, y]) => `${x},${y}`).join(' ') };
    });
}

/** The window whose cell of the strip is nearest to a layer; undefined off its ends. */
export function windowAt<T extends WindowDamage>(
  windows: readonly T[],
  width: number,
  layer: number,
): T | undefined {
  const first = Math.floor(layer - (width - 1) / 2);
  return windows.find((window) => window.last - window.first + 1 === width && window.first === first);
}

export interface MapCell {
  readonly first: number;
  readonly last: number;
  /** Percent of the row's length. */
  readonly left: number;
  readonly width: number;
  /** undefined = not scored yet. */
  readonly damage: number | undefined;
}

/** The rows of the map: one a width, a cell a window, one layer wide, at the window's middle. */
export function mapRows(
  windows: readonly WindowDamage[],
  layers: number,
  widths: readonly number[],
): { readonly width: number; readonly cells: readonly MapCell[] }[] {
  const known = new Map(windows.map(({ first, last, damage }) => [`${first} ${last}`, damage]));
  return widths.map((width) => ({
    width,
    cells: Array.from({ length: Math.max(0, layers - width + 1) }, (_, first) => {
      const last = first + width - 1;
      return {
        first,
        last,
        left: (100 * (first + (width - 1) / 2)) / layers,
        width: 100 / layers,
        damage: known.get(`${first} ${last}`),
      };
    }),
  }));
}
