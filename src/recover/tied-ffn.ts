/**
 * A tied FFN as recovery sees it: matrices that k layers share, vectors and low-rank deltas that each layer may have of
 * its own.
 *
 *   Z = (X·W_in) ⊙ γ + X·a·b + b_in,  G = (X·W_gate) ⊙ γ_g + X·a_g·b_g + b_gate,
 *   H = φ(Z), or φ(G) ⊙ Z where gated,  Ŷ = (H ⊙ s)·W_out + (H ⊙ s)·a_o·b_o + b_out.
 *
 * Shapes: X [T × d], W_in and W_gate [d × n], W_out [n × d] (as X multiplies them, whatever the file's layout), vectors
 * [n], b_out [d], deltas [d × r]·[r × n] and, for the output, [n × r]·[r × d]. Layers hold the same array where a
 * vector is tied, so what is stored can be counted from it.
 *
 * Known limits: other per-unit vectors inside the region (a slope, the scale of a normalisation) have no formula here
 * and are refused where weights are read.
 */
import { activate, type KnownActivation } from './activation.ts';
import type { Dense, LinearAlgebra } from './linear-algebra.ts';

export interface SharedMatrices {
  readonly wIn: Dense;
  /** Only where gated. */
  readonly wGate?: Dense;
  readonly wOut: Dense;
}

export interface LayerVectors {
  readonly bIn?: Float32Array;
  readonly bGate?: Float32Array;
  readonly bOut?: Float32Array;
  /** γ of R2; absent means 1. */
  readonly inScale?: Float32Array;
  readonly gateScale?: Float32Array;
  /** s of R4; absent means 1. */
  readonly hiddenScale?: Float32Array;
}

/** a·b, r(rows + cols) floats. */
export interface LowRank {
  readonly a: Dense;
  readonly b: Dense;
}

/** R5; absent means nothing is added. */
export interface LayerDeltas {
  readonly inDelta?: LowRank;
  readonly gateDelta?: LowRank;
  readonly outDelta?: LowRank;
}

/** What a layer may have of its own. */
export interface LayerOwn extends LayerVectors, LayerDeltas {}

export type VectorRole = keyof LayerVectors;
export type DeltaRole = keyof LayerDeltas;
export type OwnRole = VectorRole | DeltaRole;

export const vectorRoles: readonly VectorRole[] = [
  'bIn',
  'bGate',
  'bOut',
  'inScale',
  'gateScale',
  'hiddenScale',
];

export const deltaRoles: readonly DeltaRole[] = ['inDelta', 'gateDelta', 'outDelta'];

/** One FFN of the original, its hidden units already gathered by its permutation. */
export interface LayerFfn extends SharedMatrices, LayerVectors {}

export interface TiedFfn {
  readonly activation: KnownActivation;
  readonly shared: SharedMatrices;
  /** One entry a layer, execution order. */
  readonly layers: readonly LayerOwn[];
}

/** d, n, k and whether there is a gate. */
export function shapeOf({ shared, layers }: TiedFfn) {
  return {
    dModel: shared.wIn.rows,
    dFf: shared.wIn.cols,
    layers: layers.length,
    gated: shared.wGate !== undefined,
  };
}

/** @throws RangeError where matrices and vectors do not fit together */
export function checkTied(ffn: TiedFfn): void {
  const { wIn, wGate, wOut } = ffn.shared;
  const [d, n] = [wIn.rows, wIn.cols];
  const fits = (m: Dense | undefined, rows: number, cols: number) =>
    !m || (m.rows === rows && m.cols === cols && m.data.length === rows * cols);
  if (!fits(wIn, d, n) || !fits(wGate, d, n) || !fits(wOut, n, d)) {
    throw new RangeError(
      `The matrices of a tied FFN do not fit: W_in ${wIn.rows} × ${wIn.cols}, W_out ${wOut.rows} × ${wOut.cols}.`,
    );
  }
  if (ffn.layers.length === 0) throw new RangeError('A tied FFN needs at least one layer.');
  for (const layer of ffn.layers) {
    for (const role of vectorRoles) {
      const size = role === 'bOut' ? d : n;
      const values = layer[role];
      if (values && values.length !== size) {
        throw new RangeError(`The vector ${role} has ${values.length} values where ${size} were expected.`);
      }
      if (values && !wGate && (role === 'bGate' || role === 'gateScale')) {
        throw new RangeError(`The vector ${role} belongs to a gate, which this FFN does not have.`);
      }
    }
    for (const role of deltaRoles) {
      const [rows, cols] = role === 'outDelta' ? [n, d] : [d, n];
      const delta = layer[role];
      if (delta && !(fits(delta.a, rows, delta.b.rows) && fits(delta.b, delta.a.cols, cols))) {
        throw new RangeError(
          `The delta ${role} is ${delta.a.rows} × ${delta.a.cols} by ${delta.b.rows} × ${delta.b.cols} where ${rows} × r by r × ${cols} was expected.`,
        );
      }
      if (delta && !wGate && role === 'gateDelta') {
        throw new RangeError('A delta of the gate was given to an FFN that has no gate.');
      }
    }
  }
}

/** What the layers' own inputs give in the tied FFN. */
export interface Forward {
  /** X·W_in [T × n], before γ, the delta and b_in. */
  readonly rawIn: Dense;
  readonly rawGate?: Dense;
  /** [T × n], after γ, the delta and b_in. */
  readonly z: Dense;
  readonly g?: Dense;
  /** φ(Z), or φ(G) where gated. */
  readonly activated: Dense;
  /** H before s. */
  readonly hidden: Dense;
}

/** Everything up to the hidden state, for one layer. */
export async function forwardHidden(
  algebra: LinearAlgebra,
  activation: KnownActivation,
  { wIn, wGate }: Pick<SharedMatrices, 'wIn' | 'wGate'>,
  layer: LayerOwn,
  x: Dense,
): Promise<Forward> {
  const rawIn = await algebra.matmul(x, wIn);
  const z = plus(affine(rawIn, layer.inScale, layer.bIn), await throughDelta(algebra, x, layer.inDelta));
  if (!wGate) {
    const activated = { ...z, data: activate(activation, z.data) };
    return { rawIn, z, activated, hidden: activated };
  }
  const rawGate = await algebra.matmul(x, wGate);
  const g = plus(
    affine(rawGate, layer.gateScale, layer.bGate),
    await throughDelta(algebra, x, layer.gateDelta),
  );
  const activated = { ...g, data: activate(activation, g.data) };
  const hidden = new Float32Array(z.data.length);
  for (let i = 0; i < hidden.length; i++) hidden[i] = activated.data[i] * z.data[i];
  return { rawIn, rawGate, z, g, activated, hidden: { ...z, data: hidden } };
}

/** H ⊙ s [T × n], what W_out multiplies. */
export async function hiddenOf(
  ffn: TiedFfn,
  layer: number,
  algebra: LinearAlgebra,
  x: Dense,
): Promise<Dense> {
  const vectors = ffn.layers[layer];
  const { hidden } = await forwardHidden(algebra, ffn.activation, ffn.shared, vectors, x);
  return affine(hidden, vectors.hiddenScale, undefined);
}

/** Ŷ [T × d] of one layer. */
export async function outputOf(
  ffn: TiedFfn,
  layer: number,
  algebra: LinearAlgebra,
  x: Dense,
): Promise<Dense> {
  return outputFrom(ffn, layer, algebra, await hiddenOf(ffn, layer, algebra, x));
}

/** Ŷ [T × d] of one layer from H ⊙ s [T × n]. */
export async function outputFrom(
  { shared, layers }: Pick<TiedFfn, 'shared' | 'layers'>,
  layer: number,
  algebra: LinearAlgebra,
  hidden: Dense,
): Promise<Dense> {
  const { bOut, outDelta } = layers[layer];
  const given = affine(await algebra.matmul(hidden, shared.wOut), undefined, bOut);
  return plus(given, await throughDelta(algebra, hidden, outDelta));
}

/** X·a·b; null where there is no delta. */
export async function throughDelta(
  algebra: LinearAlgebra,
  x: Dense,
  delta: LowRank | undefined,
): Promise<Dense | null> {
  return delta ? algebra.matmul(await algebra.matmul(x, delta.a), delta.b) : null;
}

/** a·b with its columns scaled. */
export function scaledDelta({ a, b }: LowRank, scale: ArrayLike<number>): LowRank {
  return { a, b: { ...b, data: b.data.map((v, at) => v * scale[at % b.cols]) } };
}

/** M + sign·N; the same matrix where there is no N. */
export function plus(m: Dense, n: Dense | null, sign: 1 | -1 = 1): Dense {
  if (!n) return m;
  const data = new Float32Array(m.data.length);
  for (let i = 0; i < data.length; i++) data[i] = m.data[i] + sign * n.data[i];
  return { ...m, data };
}

/** M ⊙ scale + bias, row by row; the same matrix where there is neither. */
export function affine(m: Dense, scale: Float32Array | undefined, bias: Float32Array | undefined): Dense {
  if (!scale && !bias) return m;
  const { rows, cols } = m;
  const data = new Float32Array(m.data.length);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, i++) {
      data[i] = m.data[i] * (scale ? scale[c] : 1) + (bias ? bias[c] : 0);
    }
  }
  return { rows, cols, data };
}

/**
 * The plain merge: matrices and biases are means over the aligned layers, all tied.
 * @throws RangeError where the layers do not have the same weights
 */
export function averageLayers(activation: KnownActivation, originals: readonly LayerFfn[]): TiedFfn {
  const [head] = originals;
  const matrix = (pick: (l: LayerFfn) => Dense) => ({
    ...pick(head),
    data: meanOf(originals.map((l) => pick(l).data)),
  });
  const vectors: { -readonly [R in VectorRole]?: Float32Array } = {};
  for (const role of vectorRoles) {
    const present = originals.filter((l) => l[role]);
    if (present.length === 0) continue;
    if (present.length < originals.length) {
      throw new RangeError(`Only ${present.length} of ${originals.length} layers have the vector ${role}.`);
    }
    vectors[role] = meanOf(originals.map((l) => l[role]!));
  }
  const ffn: TiedFfn = {
    activation,
    shared: {
      wIn: matrix((l) => l.wIn),
      ...(head.wGate && { wGate: matrix((l) => l.wGate!) }),
      wOut: matrix((l) => l.wOut),
    },
    layers: originals.map(() => vectors),
  };
  checkTied(ffn);
  return ffn;
}

function meanOf(arrays: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(arrays[0].length);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (const a of arrays) sum += a[i];
    out[i] = sum / arrays.length;
  }
  return out;
}

/** The same FFN with other vectors or deltas; `undefined` takes one away. */
export function withVectors(
  ffn: TiedFfn,
  change: (layer: number) => { readonly [R in OwnRole]?: LayerOwn[R] | undefined },
): TiedFfn {
  const layers = ffn.layers.map((own, i) => {
    const merged = { ...own, ...change(i) };
    return Object.fromEntries(Object.entries(merged).filter(([, v]) => v !== undefined)) as LayerOwn;
  });
  return { ...ffn, layers };
}
