/**
 * Exact linear assignment: which unit of one layer stands for which unit of another.
 *
 * Why: method.md "Steps", 3: alignment maximises Σ_u C[u, π(u)] over permutations π.
 * Source: shortest augmenting paths with a column-reduction start, after R. Jonker and A. Volgenant, "A shortest
 * augmenting path algorithm for dense and sparse linear assignment problems", Computing 38 (1987).
 * Shapes: score [n × n] row-major, any finite values; not copied, so memory is 8 short vectors beside it.
 * Duals are f64 whatever the score's type; the answer is optimal up to their rounding (about n·1e-16 relative).
 *
 * Speed (one core of a small server): n = 512 about 0.04 s; n = 3072 0.1 to 1 s on random scores, 8 s on scores of
 * low rank. Known limit: the worst case is O(n³), e.g. a minute for n = 3072 where score[u, v] = −u·v.
 */
import { Permutation } from './permutation.ts';

/** The score is not an n × n matrix of finite numbers. */
export class AssignmentError extends Error {
  override readonly name = 'AssignmentError';
}

/** Thrown where `shouldStop` said so. */
export class AssignmentStopped extends Error {
  override readonly name = 'AssignmentStopped';
}

export interface Assignment {
  /** permutation.indices[u] = the column matched to row u. */
  readonly permutation: Permutation;
  /** Σ_u score[u, permutation[u]], summed in f64. */
  readonly objective: number;
}

export interface AssignmentOptions {
  /** Asked every few milliseconds; true ends the search with `AssignmentStopped`. */
  readonly shouldStop?: () => boolean;
}

type Score = Float32Array | Float64Array;

/**
 * Maximises Σ_u score[u, π(u)] exactly.
 * @param score row-major [n × n], finite.
 * @throws AssignmentError for a wrong length, NaN or Infinity; AssignmentStopped where `shouldStop` said so.
 */
export function solveAssignment(score: Score, n: number, options: AssignmentOptions = {}): Assignment {
  const search = steps(score, n);
  for (let step = search.next(); ; step = search.next()) {
    if (step.done) return step.value;
    if (options.shouldStop?.()) throw new AssignmentStopped('The assignment was stopped.');
  }
}

/**
 * The same, giving way to the event loop every 30 ms or so, so that an abort can arrive.
 * @throws as `solveAssignment`, and the signal's reason where it aborts.
 */
export async function solveAssignmentAsync(
  score: Score,
  n: number,
  signal?: AbortSignal,
): Promise<Assignment> {
  const search = steps(score, n);
  let since = performance.now();
  for (let step = search.next(); ; step = search.next()) {
    if (step.done) return step.value;
    signal?.throwIfAborted();
    if (performance.now() - since > 30) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
      since = performance.now();
    }
  }
}

/** The search in steps of at most about n² operations, between which it can be stopped. */
function* steps(score: Score, n: number): Generator<void, Assignment> {
  check(score, n);
  yield;
  const solver = new Solver(score, n);
  solver.reduceColumns();
  yield;
  solver.transferReduction();
  yield;
  for (let pass = 0; pass < 2; pass++) {
    const free = solver.freeRows();
    // Rounding can make two rows outbid each other for ever by tiny amounts; what is left over when the
    // budget ends goes to the augmentation, which needs no luck to end.
    let budget = 4 * n;
    for (const start of free) {
      for (let row = start; row >= 0; budget--) {
        row = budget > 0 ? solver.bid(row) : -1;
        if ((budget & 63) === 0) yield;
      }
    }
  }
  for (const row of solver.freeRows()) {
    solver.augment(row);
    yield;
  }
  return solver.result();
}

function check(score: Score, n: number): void {
  if (!Number.isInteger(n) || n < 0 || score.length !== n * n) {
    throw new AssignmentError(
      `An assignment of ${n} needs a score of ${n}×${n}; ${score.length} values came.`,
    );
  }
  for (let k = 0; k < score.length; k++) {
    if (!Number.isFinite(score[k])) {
      throw new AssignmentError(
        `The score of row ${Math.floor(k / n)} and column ${k % n} is ${score[k]}; all must be finite.`,
      );
    }
  }
}

/**
 * Works on costs c = −score, which are minimised. `price` holds the column duals v; a row's reduced cost in
 * column j is c[i, j] − v[j]. Invariant between steps: each matched row holds a column of its least reduced cost.
 */
class Solver {
  private readonly columnOf: Int32Array;
  private readonly rowOf: Int32Array;
  private readonly price: Float64Array;
  // Of the shortest path search: distance and predecessor row of each column, and the columns in order of state.
  private readonly distance: Float64Array;
  private readonly reachedFrom: Int32Array;
  private readonly order: Int32Array;
  private readonly score: Score;
  private readonly n: number;

  constructor(score: Score, n: number) {
    this.score = score;
    this.n = n;
    this.columnOf = new Int32Array(n).fill(-1);
    this.rowOf = new Int32Array(n).fill(-1);
    this.price = new Float64Array(n).fill(Number.POSITIVE_INFINITY);
    this.distance = new Float64Array(n);
    this.reachedFrom = new Int32Array(n);
    this.order = new Int32Array(n);
  }

  freeRows(): number[] {
    const free: number[] = [];
    for (let i = 0; i < this.n; i++) if (this.columnOf[i] < 0) free.push(i);
    return free;
  }

  /** v[j] = least cost of column j; a column takes the row of its least cost while that row is free. */
  reduceColumns(): void {
    const { score, n, price, columnOf, rowOf } = this;
    const best = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const base = i * n;
      for (let j = 0; j < n; j++) {
        const cost = -score[base + j];
        if (cost < price[j]) {
          price[j] = cost;
          best[j] = i;
        }
      }
    }
    for (let j = n - 1; j >= 0; j--) {
      if (columnOf[best[j]] >= 0) continue;
      columnOf[best[j]] = j;
      rowOf[j] = best[j];
    }
  }

  /** A matched row gives the slack to its second-best column over to the price of its own. */
  transferReduction(): void {
    const { score, n, price, columnOf } = this;
    if (n < 2) return;
    for (let i = 0; i < n; i++) {
      const own = columnOf[i];
      if (own < 0) continue;
      const base = i * n;
      let slack = Number.POSITIVE_INFINITY;
      for (let j = 0; j < n; j++) {
        if (j === own) continue;
        const reduced = -score[base + j] - price[j];
        if (reduced < slack) slack = reduced;
      }
      price[own] -= slack - (-score[base + own] - price[own]);
    }
  }

  /**
   * A free row takes its best column, lowering the price until the second best is as good.
   * @returns the row that lost that column and should bid at once, or −1: also where nothing was gained, since
   *   such a row would only trade places; it waits for the next pass.
   */
  bid(row: number): number {
    const { score, n, price, columnOf, rowOf } = this;
    const base = row * n;
    let first = 0;
    let second = -1;
    let least = -score[base] - price[0];
    let next = Number.POSITIVE_INFINITY;
    for (let j = 1; j < n; j++) {
      const reduced = -score[base + j] - price[j];
      if (reduced >= next) continue;
      if (reduced >= least) {
        next = reduced;
        second = j;
      } else {
        next = least;
        second = first;
        least = reduced;
        first = j;
      }
    }
    let column = first;
    const gained = least < next;
    if (gained) {
      // With one column only there is no second bid to match.
      if (second >= 0) price[first] -= next - least;
    } else if (rowOf[first] >= 0) {
      column = second;
    }
    const loser = rowOf[column];
    rowOf[column] = row;
    columnOf[row] = column;
    if (loser < 0) return -1;
    columnOf[loser] = -1;
    return gained ? loser : -1;
  }

  /** Matches a free row along the shortest alternating path to a free column, and updates the prices. */
  augment(start: number): void {
    const { score, n, price, columnOf, rowOf, distance, reachedFrom, order } = this;
    const startBase = start * n;
    for (let j = 0; j < n; j++) {
      distance[j] = -score[startBase + j] - price[j];
      reachedFrom[j] = start;
      order[j] = j;
    }
    // order[0, settled): distance final, row scanned; [settled, frontier): at the current least distance,
    // row not scanned yet; [frontier, n): farther.
    let settled = 0;
    let frontier = 0;
    let passed = 0;
    let least = 0;
    let end = -1;
    while (end < 0) {
      if (settled === frontier) {
        passed = settled;
        least = distance[order[frontier]];
        frontier++;
        for (let k = frontier; k < n; k++) {
          const j = order[k];
          const d = distance[j];
          if (d > least) continue;
          if (d < least) {
            least = d;
            frontier = settled;
          }
          order[k] = order[frontier];
          order[frontier++] = j;
        }
        for (let k = settled; k < frontier && end < 0; k++) if (rowOf[order[k]] < 0) end = order[k];
        if (end >= 0) break;
      }
      const from = order[settled++];
      const row = rowOf[from];
      const base = row * n;
      const offset = least - (-score[base + from] - price[from]);
      for (let k = frontier; k < n; k++) {
        const j = order[k];
        const d = -score[base + j] - price[j] + offset;
        if (d >= distance[j]) continue;
        distance[j] = d;
        reachedFrom[j] = row;
        if (d > least) continue;
        if (rowOf[j] < 0) {
          end = j;
          break;
        }
        order[k] = order[frontier];
        order[frontier++] = j;
      }
    }
    for (let k = 0; k < passed; k++) {
      const j = order[k];
      price[j] += distance[j] - least;
    }
    for (let j = end; ; ) {
      const row = reachedFrom[j];
      rowOf[j] = row;
      const taken = columnOf[row];
      columnOf[row] = j;
      if (row === start) break;
      j = taken;
    }
  }

  result(): Assignment {
    let objective = 0;
    for (let i = 0; i < this.n; i++) objective += this.score[i * this.n + this.columnOf[i]];
    return { permutation: Permutation.from(this.columnOf), objective };
  }
}
