/**
 * The interval programme: which disjoint windows to tie so that R FFNs leave at the least total damage.
 *
 * Why: several small groups often cost less than one wide window that saves the same (method.md, R0a). Windows of a
 * stack are intervals, so the cheapest sets of disjoint ones follow by dynamic programming over the layers, exactly.
 * With N layers, R to remove and the K best kept: at most N·R states of R+1 choices with K each.
 *
 * Known limits: the total is a sum, as if windows did not influence each other; so plans are to be scored whole.
 */

/** Adjacent layers first … last, both inclusive; ties last − first FFNs away. */
export interface Window {
  readonly first: number;
  readonly last: number;
}

export interface IntervalPlan {
  /** Disjoint, ascending. */
  readonly windows: readonly Window[];
  /** Sum of the windows' costs. */
  readonly cost: number;
}

/** Damage of tying the layers first … last; not finite (or NaN) where that window cannot be had. */
export type WindowCost = (first: number, last: number) => number;

/** A plan of the layers from some layer on, as a list: its first window and the rest. */
interface Tail {
  readonly cost: number;
  readonly window: Window | null;
  readonly rest: Tail | null;
}

const NOTHING: Tail = { cost: 0, window: null, rest: null };

/**
 * The `count` cheapest sets of disjoint windows that together remove exactly `remove` FFNs, cheapest first.
 * Equal costs are ordered by their windows: the earlier first layer, then the narrower window, goes first.
 * @returns fewer than `count` where there are no more; none where `remove` cannot be reached
 * @throws RangeError where an argument is not a whole number in range
 */
export function bestPartitions(layers: number, remove: number, cost: WindowCost, count = 10): IntervalPlan[] {
  for (const [name, value, least] of [
    ['layers', layers, 1],
    ['remove', remove, 0],
    ['count', count, 1],
  ] as const) {
    if (!Number.isInteger(value) || value < least) {
      throw new RangeError(`“${name}” must be a whole number of at least ${least}; it is ${value}.`);
    }
  }
  if (remove > layers - 1) return [];
  // after[p][r]: the best plans of the layers p … that remove r.
  const after: Tail[][][] = Array.from({ length: layers + 1 }, () => []);
  for (let r = 0; r <= remove; r++) after[layers][r] = r === 0 ? [NOTHING] : [];
  for (let p = layers - 1; p >= 0; p--) {
    const costs = Array.from({ length: Math.min(remove, layers - 1 - p) }, (_, k) => cost(p, p + k + 1));
    for (let r = 0; r <= remove; r++) {
      const tails = [...after[p + 1][r]];
      for (let k = 1; k <= Math.min(r, costs.length); k++) {
        const own = costs[k - 1];
        if (!Number.isFinite(own)) continue;
        const window = { first: p, last: p + k };
        for (const rest of after[p + k + 1][r - k]) tails.push({ cost: own + rest.cost, window, rest });
      }
      after[p][r] = tails.sort(compare).slice(0, count);
    }
  }
  return after[0][remove].map((tail) => ({ windows: windowsOf(tail), cost: tail.cost }));
}

/** By cost, then by the windows in order. */
function compare(a: Tail, b: Tail): number {
  if (a.cost !== b.cost) return a.cost - b.cost;
  for (let x: Tail | null = a, y: Tail | null = b; x !== y; x = x.rest, y = y.rest) {
    if (!x?.window || !y?.window) return x?.window ? 1 : y?.window ? -1 : 0;
    if (x.window.first !== y.window.first) return x.window.first - y.window.first;
    if (x.window.last !== y.window.last) return x.window.last - y.window.last;
  }
  return 0;
}

function windowsOf(tail: Tail): Window[] {
  const windows: Window[] = [];
  for (let t: Tail | null = tail; t?.window; t = t.rest) windows.push(t.window);
  return windows;
}

export { extrapolateCosts, type WindowCosts } from './window-costs.ts';
