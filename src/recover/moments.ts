/**
 * Streaming centred moments of two feature matrices over several layers, summed with a weight a layer.
 *
 * For layers i with weights wᵢ and rows aₜ [p], bₜ [q]: Σᵢ wᵢ ĀᵢᵀĀᵢ [p × p], Σᵢ wᵢ ĀᵢᵀB̄ᵢ [p × q] and
 * Σᵢ wᵢ‖B̄ᵢ‖², each layer centred by its own means. One p × p accumulator serves all layers, so that memory does not
 * grow with k. Rows are shifted by the first batch's means before products are taken, since E[xy] − E[x]E[y] cancels.
 */
import { type CrossSums, type Dense, dense, type LinearAlgebra } from './linear-algebra.ts';

/** Sums over the rows seen, centred. */
export interface CentredMoments {
  readonly p: number;
  readonly q: number;
  readonly weights: readonly number[];
  /** Rows seen, each layer. */
  readonly rows: number;
  readonly meanA: readonly Float64Array[];
  readonly meanB: readonly Float64Array[];
  /** Σᵢ wᵢ ĀᵢᵀĀᵢ. */
  readonly gram: Float64Array;
  /** Σᵢ wᵢ ĀᵢᵀB̄ᵢ. */
  readonly cross: Float64Array;
  /** Σᵢ wᵢ‖B̄ᵢ‖². */
  readonly power: number;
}

interface LayerSums {
  rows: number;
  shiftA: Float64Array;
  shiftB: Float64Array;
  sumA: Float64Array;
  sumB: Float64Array;
  power: number;
}

export class MomentSums {
  private readonly p: number;
  private readonly q: number;
  private readonly weights: readonly number[];
  private readonly layers: (LayerSums | null)[];
  private readonly gram: CrossSums;
  private readonly cross: CrossSums;

  /** @param weights one a layer */
  constructor(algebra: LinearAlgebra, p: number, q: number, weights: readonly number[]) {
    this.p = p;
    this.q = q;
    this.weights = weights;
    this.layers = weights.map(() => null);
    this.gram = algebra.crossSums(p, p);
    this.cross = algebra.crossSums(p, q);
  }

  /** @throws RangeError where the columns are not p and q */
  async add(layer: number, a: Dense, b: Dense): Promise<void> {
    if (a.cols !== this.p || b.cols !== this.q || a.rows !== b.rows) {
      throw new RangeError(
        `Statistics of ${this.p} and ${this.q} features were given ${a.rows} × ${a.cols} and ${b.rows} × ${b.cols}.`,
      );
    }
    if (a.rows === 0) return;
    this.layers[layer] ??= {
      rows: 0,
      shiftA: columnSums(a).map((s) => s / a.rows),
      shiftB: columnSums(b).map((s) => s / b.rows),
      sumA: new Float64Array(this.p),
      sumB: new Float64Array(this.q),
      power: 0,
    };
    const sums = this.layers[layer];
    const shiftedA = shifted(a, sums.shiftA);
    const shiftedB = shifted(b, sums.shiftB);
    const weight = this.weights[layer];
    await this.gram.add(shiftedA, shiftedA, weight);
    await this.cross.add(shiftedA, shiftedB, weight);
    columnSums(shiftedA).forEach((s, c) => {
      sums.sumA[c] += s;
    });
    columnSums(shiftedB).forEach((s, c) => {
      sums.sumB[c] += s;
    });
    for (const v of shiftedB.data) sums.power += v * v;
    sums.rows += a.rows;
  }

  /** The sums so far. @throws RangeError where no rows came */
  async finish(): Promise<CentredMoments> {
    const { p, q, weights } = this;
    const layers = this.layers.filter((l) => l !== null);
    if (layers.length < weights.length) throw new RangeError('No calibration data came for a layer.');
    const [gram, cross] = [await this.gram.read(), await this.cross.read()];
    let power = 0;
    layers.forEach(({ rows, sumA, sumB, power: own }, i) => {
      addOuter(gram, sumA, sumA, -weights[i] / rows);
      addOuter(cross, sumA, sumB, -weights[i] / rows);
      power += weights[i] * (own - sumB.reduce((s, v) => s + v * v, 0) / rows);
    });
    return {
      p,
      q,
      weights,
      rows: layers[0].rows,
      meanA: layers.map(({ rows, shiftA, sumA }) => shiftA.map((s, c) => s + sumA[c] / rows)),
      meanB: layers.map(({ rows, shiftB, sumB }) => shiftB.map((s, c) => s + sumB[c] / rows)),
      gram,
      cross,
      power,
    };
  }

  release(): void {
    this.gram.release();
    this.cross.release();
  }
}

/** Moments of two sets of rows together; each layer is centred by its means over both. */
export function combine(x: CentredMoments, y: CentredMoments): CentredMoments {
  const rows = x.rows + y.rows;
  const gram = x.gram.map((v, i) => v + y.gram[i]);
  const cross = x.cross.map((v, i) => v + y.cross[i]);
  let power = x.power + y.power;
  const between = (x.rows * y.rows) / rows;
  x.weights.forEach((weight, i) => {
    const a = x.meanA[i].map((v, c) => v - y.meanA[i][c]);
    const b = x.meanB[i].map((v, c) => v - y.meanB[i][c]);
    addOuter(gram, a, a, weight * between);
    addOuter(cross, a, b, weight * between);
    power += weight * between * b.reduce((s, v) => s + v * v, 0);
  });
  const mean = (m: Float64Array, n: Float64Array) => m.map((v, c) => (v * x.rows + n[c] * y.rows) / rows);
  return {
    ...x,
    rows,
    gram,
    cross,
    power,
    meanA: x.meanA.map((m, i) => mean(m, y.meanA[i])),
    meanB: x.meanB.map((m, i) => mean(m, y.meanB[i])),
  };
}

/** Sums of squares and products about other centres than the means: a centre for A and one for B, each layer. */
export function about(
  m: CentredMoments,
  centre: (layer: number) => { readonly a: Float64Array; readonly b: Float64Array },
): CentredMoments {
  const gram = m.gram.slice();
  const cross = m.cross.slice();
  let { power } = m;
  m.weights.forEach((weight, i) => {
    const { a, b } = centre(i);
    const da = m.meanA[i].map((v, c) => v - a[c]);
    const db = m.meanB[i].map((v, c) => v - b[c]);
    addOuter(gram, da, da, weight * m.rows);
    addOuter(cross, da, db, weight * m.rows);
    power += weight * m.rows * db.reduce((s, v) => s + v * v, 0);
  });
  return { ...m, gram, cross, power };
}

/** Multiplications of a product in f64 on the CPU, some 0.2 s. */
const MOST_F64_PRODUCTS = 2 ** 27;

/** A·W [p × q] for moments A [p × p]: in f64 where that is quick, else by the device in f32. */
export async function momentsTimes(
  algebra: LinearAlgebra,
  a: Float64Array,
  w: ArrayLike<number>,
  p: number,
  q: number,
): Promise<ArrayLike<number>> {
  if (p * p * q > MOST_F64_PRODUCTS) {
    const narrow = [dense(Float32Array.from(a), p, p), dense(Float32Array.from(w), p, q)] as const;
    return (await algebra.matmul(...narrow)).data;
  }
  const out = new Float64Array(p * q);
  for (let u = 0; u < p; u++) {
    for (let v = 0; v < p; v++) {
      const factor = a[u * p + v];
      if (factor === 0) continue;
      for (let c = 0; c < q; c++) out[u * q + c] += factor * w[v * q + c];
    }
  }
  return out;
}

/**
 * Σᵢ wᵢ‖B̄ᵢ − ĀᵢW‖² by the moments alone, for W [p × q]. For large W it is exact to about 1e-6 of Σᵢ wᵢ‖B̄ᵢ‖², since the
 * device's product is f32.
 */
export async function residual(
  algebra: LinearAlgebra,
  { p, q, gram, cross, power }: CentredMoments,
  w: ArrayLike<number>,
): Promise<number> {
  const product = await momentsTimes(algebra, gram, w, p, q);
  let sum = power;
  for (let k = 0; k < product.length; k++) sum += w[k] * (product[k] - 2 * cross[k]);
  return sum;
}

/** Column sums in f64. */
export function columnSums({ rows, cols, data }: Dense): Float64Array {
  const out = new Float64Array(cols);
  for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < cols; c++, i++) out[c] += data[i];
  return out;
}

function shifted({ rows, cols, data }: Dense, shift: Float64Array): Dense {
  const out = new Float32Array(data.length);
  for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < cols; c++, i++) out[i] = data[i] - shift[c];
  return { rows, cols, data: out };
}

function addOuter(sum: Float64Array, a: Float64Array, b: Float64Array, weight: number): void {
  for (let i = 0; i < a.length; i++) {
    const factor = weight * a[i];
    if (factor === 0) continue;
    for (let j = 0; j < b.length; j++) sum[i * b.length + j] += factor * b[j];
  }
}
