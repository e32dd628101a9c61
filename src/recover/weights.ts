/**
 * Weights as the graph has them, to and from the form of recovery: matrices as X multiplies them, hidden units
 * gathered by a permutation, packed gate and up apart.
 *
 * The formula of `tied-ffn.ts` is an assumption about the region (activation, no other scale, which half is the gate);
 * `readLayer` proves it on tapped values before anything is fitted.
 */
import type { Permutation } from '../align/permutation.ts';
import type { Ffn, WeightRole } from '../graph/ffn.ts';
import { weightShape } from '../graph/weights.ts';
import type { FfnWeights, WeightMatrix } from '../merge/method.ts';
import type { OwnLayer, OwnPlace, ValueChange } from '../merge/own.ts';
import { transpose } from '../tensor/matrix.ts';
import { type KnownActivation, knownActivation } from './activation.ts';
import type { Dense, LinearAlgebra } from './linear-algebra.ts';
import { foldScales, isTiedBias } from './storage.ts';
import {
  affine,
  type LayerFfn,
  type LayerOwn,
  type LayerVectors,
  type LowRank,
  outputOf,
  type SharedMatrices,
  shapeOf,
  type TiedFfn,
} from './tied-ffn.ts';

export type { OwnRole } from './tied-ffn.ts';

/** Which half of a packed projection is the gate. */
export type GateHalf = 0 | 1;

export interface ReadLayer {
  readonly activation: KnownActivation;
  readonly layer: LayerFfn;
  /** For `valuesOf`. */
  readonly gateHalf: GateHalf;
}

/** What an FFN gave on some rows: its input [T × d] and its output [T × d]. */
export interface Sample {
  readonly x: Dense;
  readonly y: Dense;
}

/** Relative error from which on the formula is not the FFN's. */
const LARGEST_ERROR = 1e-2;

/**
 * One FFN, its hidden units gathered by a permutation (null: as they are), checked on a sample.
 * @throws RangeError where the region holds what the formula does not, with what that is
 */
export async function readLayer(
  ffn: Ffn,
  weights: FfnWeights,
  permutation: Permutation | null,
  algebra: LinearAlgebra,
  { x, y }: Sample,
): Promise<ReadLayer> {
  const activation = knownActivation(ffn.activation);
  const strange = [...weights.keys()].find((role) => role.startsWith('unit_'));
  if (strange) {
    throw new RangeError(
      `The FFN “${ffn.label}” has a vector inside it (${weights.get(strange)!.weight.source.tensor.name}) that recovery has no formula for; it can be merged, not recovered.`,
    );
  }
  const packed = weights.get('w_in')!.weight.halves === 2;
  let least = Number.POSITIVE_INFINITY;
  for (const gateHalf of packed ? ([0, 1] as const) : ([0] as const)) {
    const layer = layerOf(weights, permutation, gateHalf);
    const tied: TiedFfn = { activation, shared: layer, layers: [layer] };
    const given = await outputOf(tied, 0, algebra, x);
    const error = relativeError(given.data, y.data);
    if (error <= LARGEST_ERROR) return { activation, layer, gateHalf };
    least = Math.min(least, error);
  }
  throw new RangeError(
    `The FFN “${ffn.label}” does not compute what its weights and ${ffn.activation.label} say (its output is ${(100 * least).toPrecision(2)} % off); it can be merged, not recovered.`,
  );
}

/** The weights in the form of recovery. */
export function layerOf(
  weights: FfnWeights,
  permutation: Permutation | null,
  gateHalf: GateHalf = 0,
): LayerFfn {
  const order = permutation?.indices ?? null;
  const take = (role: WeightRole, half: 0 | 1 = 0) => {
    const weight = weights.get(role);
    return weight && unitsLast(weight, half, order);
  };
  const packed = weights.get('w_in')?.weight.halves === 2;
  const upHalf = packed ? ((1 - gateHalf) as 0 | 1) : 0;
  const vector = (role: WeightRole, half: 0 | 1 = 0) => take(role, half)?.data;
  const wOut = take('w_out')!;
  const wGate = packed ? take('w_in', gateHalf) : take('w_gate');
  const bIn = vector('b_in', upHalf);
  const bGate = packed ? vector('b_in', gateHalf) : vector('b_gate');
  const bOut = weights.get('b_out')?.data;
  return {
    wIn: take('w_in', upHalf)!,
    ...(wGate && { wGate }),
    wOut: { rows: wOut.cols, cols: wOut.rows, data: transpose(wOut.data, wOut.rows, wOut.cols) },
    ...(bIn && { bIn }),
    ...(bGate && { bGate }),
    ...(bOut && { bOut }),
  };
}

/** [others × n] of one half, units gathered. */
function unitsLast(
  { weight, rows, cols, data }: WeightMatrix,
  half: 0 | 1,
  order: Uint32Array | null,
): Dense {
  const { unitAxis, halves } = weightShape(weight);
  const turned = unitAxis === 0 ? transpose(data, rows, cols) : data;
  const [others, units] = unitAxis === 0 ? [cols, rows] : [rows, cols];
  const n = units / halves;
  const out = new Float32Array(others * n);
  for (let r = 0; r < others; r++) {
    for (let u = 0; u < n; u++) out[r * n + u] = turned[r * units + half * n + (order ? order[u] : u)];
  }
  return { rows: others, cols: n, data: out };
}

/** Weights in the shape that the nodes see, and vectors that the graph has no place for. */
export interface LayerValues {
  /** By role of the graph. */
  readonly weights: ReadonlyMap<WeightRole, Float32Array>;
  /** Scales, deltas, and biases where the original has none: they need nodes of their own. */
  readonly extra: LayerOwn;
}

/**
 * What one layer of a tied FFN reads. A bias that the graph has and the FFN has not is zero.
 * @param template the layer's original weights, for their shapes
 */
export function valuesOf(
  ffn: TiedFfn,
  layer: number,
  template: FfnWeights,
  gateHalf: GateHalf = 0,
): LayerValues {
  const { bIn, bGate, bOut, ...scales } = ffn.layers[layer];
  const { weights, shifts } = biasesByRole({ bIn, bGate, bOut }, ffn, template, gateHalf);
  return {
    weights: new Map([...matricesByRole(ffn.shared, template, gateHalf), ...weights]),
    extra: {
      ...scales,
      ...(shifts.has('in') && { bIn: shifts.get('in')! }),
      ...(shifts.has('gate') && { bGate: shifts.get('gate')! }),
      ...(shifts.has('out') && { bOut: shifts.get('out')! }),
    },
  };
}

/** What one layer stores: what it shares with the others of its set, and what is its own. */
export interface StoredLayer {
  /** The same for all layers of the set. */
  readonly tied: ReadonlyMap<WeightRole, Float32Array>;
  readonly own: OwnLayer;
}

/**
 * One layer of a tied FFN as its files hold it. A bias of the graph stands before the new scale, z′ = γ ⊙ (X·W + b/γ), so
 * that it is divided by it, and is own where scales differ; biases without a role in the graph come after it.
 * @param template the layer's original weights, for their shapes
 */
export function ownOf(
  ffn: TiedFfn,
  layer: number,
  template: FfnWeights,
  gateHalf: GateHalf = 0,
): StoredLayer {
  const folded = foldScales(ffn);
  const { bIn, bGate, bOut, ...rest } = folded.layers[layer];
  const hasRole = rolesOfBiases(template);
  const before = (bias: Float32Array | undefined, scale: Float32Array | undefined, stands: boolean) =>
    bias && scale && stands ? bias.map((b, u) => b / scale[u]) : bias;
  const { weights, shifts } = biasesByRole(
    {
      bIn: before(bIn, rest.inScale, hasRole.in),
      bGate: before(bGate, rest.gateScale, hasRole.gate),
      bOut,
    },
    ffn,
    template,
    gateHalf,
  );
  const tied = new Map(matricesByRole(ffn.shared, template, gateHalf));
  const own = new Map<WeightRole, Float32Array>();
  for (const [role, values] of weights) {
    const isTied = biasesIn(role, template).every((bias) => isTiedBias(folded, bias));
    (isTied ? tied : own).set(role, values);
  }
  const changes = new Map<OwnPlace, ValueChange>();
  const change = (place: OwnPlace, scale: Float32Array | undefined, delta: LowRank | undefined) => {
    const shift = shifts.get(place);
    if (!scale && !delta && !shift) return;
    changes.set(place, {
      ...(scale && { scale }),
      ...(delta && { delta: { a: delta.a.data, b: delta.b.data, rank: delta.b.rows } }),
      ...(shift && { shift }),
    });
  };
  change('in', rest.inScale, rest.inDelta);
  change('gate', rest.gateScale, rest.gateDelta);
  change('hidden', rest.hiddenScale, undefined);
  change('out', undefined, rest.outDelta);
  return {
    tied,
    own: { ...(own.size > 0 && { weights: own }), ...(changes.size > 0 && { changes }) },
  };
}

/** The biases that a role of the graph holds. */
function biasesIn(role: WeightRole, template: FfnWeights): readonly ('bIn' | 'bGate' | 'bOut')[] {
  if (role === 'b_out') return ['bOut'];
  if (role === 'b_gate') return ['bGate'];
  return isPacked(template) ? ['bIn', 'bGate'] : ['bIn'];
}

/** One layer as plain weights of its own, and biases for which the graph has no role. */
export interface FoldedLayer {
  readonly weights: ReadonlyMap<WeightRole, Float32Array>;
  /** Added to the value at a place. */
  readonly shifts: ReadonlyMap<OwnPlace, Float32Array>;
}

/**
 * The same layer for a model in which each layer has matrices of its own: scales and deltas are multiplied into them.
 * @param template the layer's original weights, for their shapes
 */
export function foldedLayer(
  ffn: TiedFfn,
  layer: number,
  template: FfnWeights,
  gateHalf: GateHalf = 0,
): FoldedLayer {
  const { wIn, wGate, wOut } = ffn.shared;
  const { bIn, bGate, bOut, ...own } = ffn.layers[layer];
  const matrices: SharedMatrices = {
    wIn: plusProduct(affine(wIn, own.inScale, undefined), own.inDelta),
    ...(wGate && { wGate: plusProduct(affine(wGate, own.gateScale, undefined), own.gateDelta) }),
    wOut: scaledRows(plusProduct(wOut, own.outDelta), own.hiddenScale),
  };
  const { weights, shifts } = biasesByRole({ bIn, bGate, bOut }, ffn, template, gateHalf);
  return { weights: new Map([...matricesByRole(matrices, template, gateHalf), ...weights]), shifts };
}

/** M + a·b. */
function plusProduct(m: Dense, delta: LowRank | undefined): Dense {
  if (!delta) return m;
  const { a, b } = delta;
  const data = new Float32Array(m.data.length);
  const row = new Float64Array(m.cols);
  for (let r = 0; r < m.rows; r++) {
    for (let c = 0; c < m.cols; c++) row[c] = m.data[r * m.cols + c];
    for (let k = 0; k < a.cols; k++) {
      const factor = a.data[r * a.cols + k];
      for (let c = 0; c < m.cols; c++) row[c] += factor * b.data[k * m.cols + c];
    }
    data.set(row, r * m.cols);
  }
  return { ...m, data };
}

/** diag(s)·M */
function scaledRows(m: Dense, s: Float32Array | undefined): Dense {
  return s ? { ...m, data: m.data.map((v, at) => v * s[Math.floor(at / m.cols)]) } : m;
}

const isPacked = (template: FfnWeights) => template.get('w_in')?.weight.halves === 2;

/** Whether the graph has a bias for each projection. */
function rolesOfBiases(template: FfnWeights) {
  const gate = template.has(isPacked(template) ? 'b_in' : 'b_gate');
  return { in: template.has('b_in'), gate, out: template.has('b_out') };
}

/** Up and gate in the order in which a packed projection has them. */
function halves<T>(up: T, gate: T, gateHalf: GateHalf): readonly T[] {
  return gateHalf === 0 ? [gate, up] : [up, gate];
}

function matricesByRole(
  { wIn, wGate, wOut }: SharedMatrices,
  template: FfnWeights,
  gateHalf: GateHalf,
): [WeightRole, Float32Array][] {
  const packed = isPacked(template);
  const turned = { rows: wOut.cols, cols: wOut.rows, data: transpose(wOut.data, wOut.rows, wOut.cols) };
  const up = packed ? halves(wIn, wGate!, gateHalf) : [wIn];
  return [
    ['w_in', asStored('w_in', up, template)],
    ...(wGate && !packed ? ([['w_gate', asStored('w_gate', [wGate], template)]] as const) : []),
    ['w_out', asStored('w_out', [turned], template)],
  ] as [WeightRole, Float32Array][];
}

/** Biases by the roles that the graph has, zeros where there is none; those without a role by place. */
function biasesByRole(
  { bIn, bGate, bOut }: Pick<LayerVectors, 'bIn' | 'bGate' | 'bOut'>,
  ffn: TiedFfn,
  template: FfnWeights,
  gateHalf: GateHalf,
) {
  const { dModel, dFf } = shapeOf(ffn);
  const hasRole = rolesOfBiases(template);
  const weights = new Map<WeightRole, Float32Array>();
  const shifts = new Map<OwnPlace, Float32Array>();
  const units = (v?: Float32Array): Dense => ({ rows: 1, cols: dFf, data: v ?? new Float32Array(dFf) });
  const packed = isPacked(template);
  if (hasRole.in) {
    const parts = packed ? halves(units(bIn), units(bGate), gateHalf) : [units(bIn)];
    weights.set('b_in', asStored('b_in', parts, template));
  } else if (bIn) shifts.set('in', bIn);
  if (hasRole.gate && !packed) weights.set('b_gate', asStored('b_gate', [units(bGate)], template));
  else if (bGate && !hasRole.gate) shifts.set('gate', bGate);
  if (hasRole.out) weights.set('b_out', bOut ?? new Float32Array(dModel));
  else if (bOut) shifts.set('out', bOut);
  return { weights, shifts };
}

function asStored(role: WeightRole, parts: readonly Dense[], template: FfnWeights): Float32Array {
  return unitsAsStored(parts, weightShape(template.get(role)!.weight).unitAxis === 0);
}

/** Parts [others × n] side by side, or below one another where units are rows. */
function unitsAsStored(parts: readonly Dense[], unitsAreRows: boolean): Float32Array {
  const [{ rows: others, cols: n }] = parts;
  const wide = new Float32Array(others * n * parts.length);
  parts.forEach((part, p) => {
    for (let r = 0; r < others; r++) {
      wide.set(part.data.subarray(r * n, (r + 1) * n), (r * parts.length + p) * n);
    }
  });
  return unitsAreRows ? transpose(wide, others, n * parts.length) : wide;
}

function relativeError(given: Float32Array, wanted: Float32Array): number {
  let [away, size] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    away += (given[i] - wanted[i]) ** 2;
    size += wanted[i] ** 2;
  }
  return size > 0 ? Math.sqrt(away / size) : Math.sqrt(away);
}
