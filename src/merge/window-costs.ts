/**
 * Costs of windows that were not measured, estimated from narrower ones inside them.
 *
 * Why: a sweep measures windows of a few widths, and the interval programme may want wider ones.
 * Rule: c(i, j) ≈ c(i, j−1) + c(i+1, j) − c(i+1, j−1), which is right where the two end layers do not influence each
 * other; one layer alone costs 0. They do, so the rule falls short; by how much is told by the widest measured width
 * (the median factor f, 1 to 2). Wider windows are raised by less: if all P = w(w−1)/2 pairs of a window weighed alike,
 * the missing pair would be 1/(P−1) of the rule, so f − 1 shrinks as 1/(P−1). On the fixture `shakespeare-gpt2` (nats)
 * f is 1.71 at 3 layers and 1.18 at 4, where this expects 1.28. An estimate is never below the dearest window inside.
 *
 * Known limits: an estimate of an estimate, for windows wider by several layers; so it is for choosing candidates only.
 */
import type { WindowCost } from './interval-plan.ts';

export interface WindowCosts {
  /** Measured, else estimated; Infinity where neither can be had. */
  readonly cost: WindowCost;
  isMeasured(first: number, last: number): boolean;
  /** A sentence for the page: what was measured, and how the rest is estimated. */
  readonly rule: string;
}

/** Windows that a factor needs to be told from. */
const LEAST_WINDOWS = 3;
const MOST_FACTOR = 2;

/**
 * Costs of all windows from those that were measured.
 * @param measured cost by `first-last`; windows that are missing are estimated, too
 * @param widths that were measured, in layers
 */
export function extrapolateCosts(
  measured: ReadonlyMap<string, number>,
  layers: number,
  widths: readonly number[],
): WindowCosts {
  const known = (first: number, last: number) => (first >= last ? 0 : measured.get(`${first}-${last}`));
  const widest = Math.max(0, ...widths);
  const factor = factorAt(widest, layers, known);
  const raise = (width: number) => 1 + ((factor - 1) * shortBy(width)) / shortBy(Math.max(3, widest));
  const cells = new Map<string, { cost: number; dearest: number }>();
  const cell = (first: number, last: number): { cost: number; dearest: number } => {
    if (first >= last) return { cost: 0, dearest: Number.NEGATIVE_INFINITY };
    const key = `${first}-${last}`;
    const have = cells.get(key);
    if (have) return have;
    const left = cell(first, last - 1);
    const right = cell(first + 1, last);
    let cost = measured.get(key);
    const inside = Math.max(left.dearest, right.dearest);
    if (cost === undefined && last === first + 1) cost = Number.POSITIVE_INFINITY;
    if (cost === undefined) {
      const rule = left.cost + right.cost - cell(first + 1, last - 1).cost;
      // Infinity − Infinity: no estimate either.
      if (Number.isNaN(rule)) cost = Number.POSITIVE_INFINITY;
      else cost = Math.max(rule > 0 ? rule * raise(last - first + 1) : rule, inside);
    }
    const made = { cost, dearest: Math.max(cost, inside) };
    cells.set(key, made);
    return made;
  };
  return {
    cost: (first, last) =>
      first < 0 || last >= layers || first >= last ? Number.POSITIVE_INFINITY : cell(first, last).cost,
    isMeasured: (first, last) => measured.has(`${first}-${last}`),
    rule: ruleOf(widths, layers, factor),
  };
}

/** 1/(P − 1) of the P pairs of a window. */
function shortBy(width: number): number {
  return 1 / ((width * (width - 1)) / 2 - 1);
}

/** How far the rule falls short at a width whose windows, and those inside them, were measured. */
function factorAt(
  width: number,
  layers: number,
  known: (first: number, last: number) => number | undefined,
): number {
  const ratios: number[] = [];
  for (let first = 0; width >= 3 && first + width <= layers; first++) {
    const last = first + width - 1;
    const [whole, left, right, middle] = [
      known(first, last),
      known(first, last - 1),
      known(first + 1, last),
      known(first + 1, last - 1),
    ];
    if (whole === undefined || left === undefined || right === undefined || middle === undefined) continue;
    const rule = Math.max(left + right - middle, left, right);
    if (rule > 0) ratios.push(whole / rule);
  }
  if (ratios.length < LEAST_WINDOWS) return 1;
  ratios.sort((a, b) => a - b);
  const half = ratios.length >> 1;
  const median = ratios.length % 2 === 1 ? ratios[half] : (ratios[half - 1] + ratios[half]) / 2;
  return Math.min(MOST_FACTOR, Math.max(1, median));
}

function ruleOf(widths: readonly number[], layers: number, factor: number): string {
  const sorted = [...new Set(widths)].sort((a, b) => a - b);
  const gaps = sorted.some((w, k) => k > 0 && w !== sorted[k - 1] + 1);
  const range =
    sorted.length === 1
      ? `${sorted[0]}`
      : gaps || sorted.length === 2
        ? sorted.join(', ').replace(/, (\d+)$/, ' and $1')
        : `${sorted[0]} to ${sorted.at(-1)}`;
  const sum = 'The estimate is the sum of what its windows cost alone';
  if (sorted.length === 0) return `${sum}; nothing was measured, so there is none.`;
  const widest = sorted.at(-1)!;
  if (!gaps && sorted[0] === 2 && widest >= layers) return `${sum}, all of them measured.`;
  const short = Math.round(100 * (factor - 1));
  const scale = short > 0 ? `, raised because that falls short (by ${short} % at ${widest} layers)` : '';
  return `${sum}: measured for windows of ${range} layers, and for others estimated from the narrower ones inside them${scale}.`;
}
