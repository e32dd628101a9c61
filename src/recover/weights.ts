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
import { transpose } from '../tensor/matrix.ts';
import { type KnownActivation, knownActivation } from './activation.ts';
import type { Dense, LinearAlgebra } from './linear-algebra.ts';
import { type LayerFfn, type LayerVectors, outputOf, type TiedFfn } from './tied-ffn.ts';

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
  /** Scales, and biases where the original has none: they need nodes of their own. */
  readonly extra: LayerVectors;
}

/**
 * What one layer of a tied FFN reads.
 * @param template the layer's original weights, for their shapes
 */
export function valuesOf(
  ffn: TiedFfn,
  layer: number,
  template: FfnWeights,
  gateHalf: GateHalf = 0,
): LayerValues {
  const { wIn, wGate, wOut } = ffn.shared;
  const { bIn, bGate, bOut, ...scales } = ffn.layers[layer];
  const packed = template.get('w_in')?.weight.halves === 2;
  const halvesOf = (up: Dense, gate: Dense) => (gateHalf === 0 ? [gate, up] : [up, gate]);
  const asVector = (v: Float32Array): Dense => ({ rows: 1, cols: v.length, data: v });
  const weights = new Map<WeightRole, Float32Array>();
  let extra: LayerVectors = scales;
  const put = (role: WeightRole, parts: readonly Dense[]) => {
    const { weight } = template.get(role)!;
    weights.set(role, unitsAsStored(parts, weightShape(weight).unitAxis === 0));
  };
  put('w_in', packed ? halvesOf(wIn, wGate!) : [wIn]);
  if (wGate && !packed) put('w_gate', [wGate]);
  const turned = { rows: wOut.cols, cols: wOut.rows, data: transpose(wOut.data, wOut.rows, wOut.cols) };
  put('w_out', [turned]);
  if (bOut && template.has('b_out')) weights.set('b_out', bOut);
  else if (bOut) extra = { ...extra, bOut };
  if (packed && template.has('b_in') && bIn && bGate) {
    put('b_in', halvesOf(asVector(bIn), asVector(bGate)));
  } else {
    if (bIn && !packed && template.has('b_in')) put('b_in', [asVector(bIn)]);
    else if (bIn) extra = { ...extra, bIn };
    if (bGate && template.has('b_gate')) put('b_gate', [asVector(bGate)]);
    else if (bGate) extra = { ...extra, bGate };
  }
  return { weights, extra };
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
