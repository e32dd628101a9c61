/**
 * Synthetic tied sets for tests of recovery: layers that are one planted FFN and noise, their own inputs, and exact
 * targets, with a forward pass and a loss of their own in plain f64 loops.
 */
import { activationOfNumber, type KnownActivation } from '../recover/activation.ts';
import type { CalibrationBatch } from '../recover/calibration.ts';
import type { Dense } from '../recover/linear-algebra.ts';
import {
  averageLayers,
  type LayerFfn,
  type LayerOwn,
  type LowRank,
  type TiedFfn,
} from '../recover/tied-ffn.ts';
import { createRandom, type Random } from './random.ts';

export interface PlantedOptions {
  readonly activation?: KnownActivation;
  readonly gated?: boolean;
  readonly biases?: boolean;
  readonly layers?: number;
  readonly dModel?: number;
  readonly dFf?: number;
  readonly batches?: number;
  readonly rows?: number;
  /** How far layers are from the planted one, relative to its weights. */
  readonly spread?: number;
  readonly seed?: number;
}

export interface Planted {
  readonly originals: readonly LayerFfn[];
  readonly merged: TiedFfn;
  readonly batches: readonly CalibrationBatch[];
  readonly random: Random;
}

export function plantedStack(options: PlantedOptions = {}): Planted {
  const { activation = 'gelu-tanh', gated = false, biases = true, layers = 3 } = options;
  const { dModel = 8, dFf = 20, batches = 3, rows = 60, spread = 0.4, seed = 1 } = options;
  const random = createRandom(seed);
  const base = randomFfn(random, dModel, dFf, gated, biases);
  const originals = Array.from({ length: layers }, () => {
    const noise = randomFfn(random, dModel, dFf, gated, biases);
    return mixed(base, noise, spread);
  });
  const scales = originals.map((_, i) => 0.7 + 0.3 * i);
  const data = Array.from({ length: batches }, (): CalibrationBatch => {
    const x = scales.map((scale, i) => {
      const values = random
        .normals(rows * dModel)
        .map((v, t) => scale * v + 0.3 * (t % dModel) * (i - 1) * 0.2);
      return { rows, cols: dModel, data: values };
    });
    return { x, y: x.map((m, i) => naiveOutput(activation, originals[i], originals[i], m)) };
  });
  return { originals, merged: averageLayers(activation, originals), batches: data, random };
}

function randomFfn(random: Random, d: number, n: number, gated: boolean, biases: boolean): LayerFfn {
  const matrix = (rows: number, cols: number): Dense => ({
    rows,
    cols,
    data: random.normals(rows * cols).map((v) => v / Math.sqrt(rows)),
  });
  const vector = (size: number) => random.normals(size).map((v) => 0.5 * v);
  return {
    wIn: matrix(d, n),
    ...(gated && { wGate: matrix(d, n) }),
    wOut: matrix(n, d),
    ...(biases && { bIn: vector(n), bOut: vector(d), ...(gated && { bGate: vector(n) }) }),
  };
}

function mixed(base: LayerFfn, noise: LayerFfn, spread: number): LayerFfn {
  const add = (a: Float32Array, b: Float32Array) => a.map((v, i) => v + spread * b[i]);
  const one = (key: keyof LayerFfn) => {
    const [a, b] = [base[key], noise[key]];
    if (a instanceof Float32Array) return add(a, b as Float32Array);
    return a && { ...a, data: add(a.data, (b as Dense).data) };
  };
  return Object.fromEntries(
    Object.keys(base).map((k) => [k, one(k as keyof LayerFfn)]),
  ) as unknown as LayerFfn;
}

/** A random delta [rows × rank]·[rank × cols], small beside weights of unit columns. */
export function randomDelta(random: Random, rows: number, rank: number, cols: number): LowRank {
  const matrix = (r: number, c: number, size: number): Dense => ({
    rows: r,
    cols: c,
    data: random.normals(r * c).map((v) => size * v),
  });
  return { a: matrix(rows, rank, 0.3 / Math.sqrt(rows)), b: matrix(rank, cols, 1) };
}

/** The FFN with every vector and delta of its own, scales about 1. */
export function withEverything(ffn: TiedFfn, random: Random, rank = 2): TiedFfn {
  const { wIn, wGate } = ffn.shared;
  const [d, n] = [wIn.rows, wIn.cols];
  const around = (size: number, centre: number) => random.normals(size).map((v) => centre + 0.2 * v);
  return {
    ...ffn,
    layers: ffn.layers.map(() => ({
      bIn: around(n, 0),
      bOut: around(d, 0),
      inScale: around(n, 1),
      hiddenScale: around(n, 1),
      inDelta: randomDelta(random, d, rank, n),
      outDelta: randomDelta(random, n, rank, d),
      ...(wGate && {
        bGate: around(n, 0),
        gateScale: around(n, 1),
        gateDelta: randomDelta(random, d, rank, n),
      }),
    })),
  };
}

/** Ŷ in plain f64 loops. */
export function naiveOutput(
  activation: KnownActivation,
  shared: { readonly wIn: Dense; readonly wGate?: Dense; readonly wOut: Dense },
  own: LayerOwn,
  x: Dense,
): Dense {
  const { wIn, wGate, wOut } = shared;
  const [n, d] = [wIn.cols, wOut.cols];
  const out = new Float32Array(x.rows * d);
  naiveRows(activation, shared, own, x, (row, c, value) => {
    out[row * d + c] = value;
  });
  if (wGate && wGate.cols !== n) throw new RangeError('The gate does not fit.');
  return { rows: x.rows, cols: d, data: out };
}

/** Σᵢ ‖Ŷᵢ − Yᵢ‖² / (T vᵢ) in f64. */
export function naiveLoss(ffn: TiedFfn, batch: CalibrationBatch, powers: readonly number[]): number {
  let loss = 0;
  ffn.layers.forEach((own, i) => {
    const [x, y] = [batch.x[i], batch.y[i]];
    naiveRows(ffn.activation, ffn.shared, own, x, (row, c, value) => {
      loss += (value - y.data[row * y.cols + c]) ** 2 / (x.rows * powers[i]);
    });
  });
  return loss;
}

function naiveRows(
  activation: KnownActivation,
  { wIn, wGate, wOut }: { readonly wIn: Dense; readonly wGate?: Dense; readonly wOut: Dense },
  own: LayerOwn,
  x: Dense,
  give: (row: number, column: number, value: number) => void,
): void {
  const [n, d] = [wIn.cols, wOut.cols];
  const entry = (delta: LowRank | undefined, r: number, c: number) => {
    let sum = 0;
    for (let k = 0; delta && k < delta.b.rows; k++) {
      sum += delta.a.data[r * delta.a.cols + k] * delta.b.data[k * delta.b.cols + c];
    }
    return sum;
  };
  const project = (
    row: number,
    u: number,
    w: Dense,
    scale?: Float32Array,
    bias?: Float32Array,
    delta?: LowRank,
  ) => {
    let sum = bias?.[u] ?? 0;
    for (let c = 0; c < x.cols; c++) {
      sum += x.data[row * x.cols + c] * (w.data[c * n + u] * (scale?.[u] ?? 1) + entry(delta, c, u));
    }
    return sum;
  };
  for (let row = 0; row < x.rows; row++) {
    const hidden = new Float64Array(n);
    for (let u = 0; u < n; u++) {
      const z = project(row, u, wIn, own.inScale, own.bIn, own.inDelta);
      const h = wGate
        ? activationOfNumber(activation, project(row, u, wGate, own.gateScale, own.bGate, own.gateDelta)) * z
        : activationOfNumber(activation, z);
      hidden[u] = h * (own.hiddenScale?.[u] ?? 1);
    }
    for (let c = 0; c < d; c++) {
      let sum = own.bOut?.[c] ?? 0;
      for (let u = 0; u < n; u++) sum += hidden[u] * (wOut.data[u * d + c] + entry(own.outDelta, u, c));
      give(row, c, sum);
    }
  }
}
