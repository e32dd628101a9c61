/**
 * A tied set of layers as recovery sees it, and back to a variant of the model.
 *
 * The rungs work on `recover/tied-ffn.ts`; the files hold tied weights, own vectors and new nodes (`merge/own.ts`); the
 * live model has weights for each layer and shifts where the file has no bias. All three say the same thing.
 *
 * Known limits: own biases of quantized files are scored before they are rounded to their type.
 */
import type { Permutation } from '../align/permutation.ts';
import type { Ffn } from '../graph/ffn.ts';
import type { WeightRole } from '../graph/weights.ts';
import { asKept } from '../merge/as-kept.ts';
import type { FfnWeights } from '../merge/method.ts';
import type { OwnLayer, OwnPlace, ValueChange } from '../merge/own.ts';
import { keptChange } from '../merge/own-nodes.ts';
import { placesFor } from '../merge/own-places.ts';
import { type TiedFfn as StoredSet, tieFfns } from '../merge/write-back.ts';
import type { CalibrationData } from '../recover/calibration.ts';
import { dense, type LinearAlgebra } from '../recover/linear-algebra.ts';
import { foldScales } from '../recover/storage.ts';
import {
  averageLayers,
  type DeltaRole,
  type LowRank,
  type OwnRole,
  type TiedFfn,
  type VectorRole,
  withVectors,
} from '../recover/tied-ffn.ts';
import { foldedLayer, type GateHalf, layerOf, ownOf, readLayer } from '../recover/weights.ts';
import type { PinnedTensor } from '../runtime/session.ts';
import type { StageContext } from './context.ts';
import type { OpenedModel } from './opened.ts';
import type { CalibrationTaps } from './recover-data.ts';
import type { RecoveryStep } from './types.ts';
import type { Requantized, Variant } from './variant.ts';

/** What does not change while a set is recovered. */
export interface RecoverableSet {
  readonly stored: StoredSet;
  /** Weights of each layer as the file has them. */
  readonly templates: readonly FfnWeights[];
  readonly gateHalf: GateHalf;
  /** Own vectors that the files have a place for. */
  readonly storable: ReadonlySet<OwnRole>;
}

/** Where recovery of a set is. */
export interface SetState {
  readonly permutations: readonly (Permutation | null)[];
  readonly ffn: TiedFfn;
}

/**
 * A merged set made ready: its weights read, its formula proved on the first batch of its data.
 * @throws RangeError where the FFN computes something that recovery has no formula for, in a sentence
 */
export async function openSet(
  opened: OpenedModel,
  { stored, permutations }: { stored: StoredSet; permutations: SetState['permutations'] },
  taps: CalibrationTaps,
  algebra: LinearAlgebra,
): Promise<{ set: RecoverableSet; state: SetState }> {
  const { group, layers } = stored;
  const templates: FfnWeights[] = [];
  for (const layer of layers) templates.push(await taps.weightsOf(group, layer));
  const sample = await first(taps.of(stored));
  const read = [];
  for (const [i, layer] of layers.entries()) {
    const seen = { x: (sample.originalX ?? sample.x)[i], y: sample.y[i] };
    read.push(await readLayer(group.ffns[layer], templates[i], permutations[i], algebra, seen));
  }
  const [{ activation, gateHalf }] = read;
  const originals = read.map((r) => r.layer);
  const ffn = tiedOf(stored, templates[0], gateHalf, averageLayers(activation, originals));
  const set = {
    stored,
    templates,
    gateHalf,
    storable: storableOf(
      opened,
      layers.map((l) => group.ffns[l]),
    ),
  };
  return { set, state: { permutations, ffn } };
}

async function first(data: CalibrationData) {
  for await (const batch of data.batches()) return batch;
  throw new RangeError('The calibration split holds nothing to recover with: drop more data.');
}

/** The merge as it was carried out, whatever its method, in the form of recovery. */
function tiedOf({ values }: StoredSet, template: FfnWeights, gateHalf: GateHalf, like: TiedFfn): TiedFfn {
  const { wIn, wGate, wOut, ...vectors } = layerOf(withValues(template, values!), null, gateHalf);
  return { ...like, shared: { wIn, ...(wGate && { wGate }), wOut }, layers: like.layers.map(() => vectors) };
}

function withValues(template: FfnWeights, values: ReadonlyMap<WeightRole, Float32Array>): FfnWeights {
  return new Map([...template].map(([role, m]) => [role, { ...m, data: values.get(role) ?? m.data }]));
}

/** Own vectors that every layer's FFN has a place for in all files. */
function storableOf({ views }: StageContext['opened'], ffns: readonly Ffn[]): ReadonlySet<OwnRole> {
  const places = ffns.map((f) => placesFor(views, f));
  const every = (place: OwnPlace, asDelta = false) =>
    places.every((p) => {
      const use = p.get(place);
      return use?.possible === true && (use.delta || !asDelta);
    });
  const has = (role: WeightRole) => ffns.every((f) => f.weights.some((w) => w.role === role));
  const packed = ffns.some((f) => f.weights.some((w) => w.role === 'w_in' && w.halves === 2));
  const roles: [OwnRole, boolean][] = [
    ['bIn', has('b_in') || every('in')],
    ['bGate', has(packed ? 'b_in' : 'b_gate') || every('gate')],
    ['bOut', has('b_out') || every('out')],
    ['inScale', every('in')],
    ['gateScale', every('gate')],
    ['hiddenScale', every('hidden')],
    ['inDelta', every('in', true)],
    ['gateDelta', every('gate', true)],
    ['outDelta', every('out', true)],
  ];
  return new Set(roles.flatMap(([role, fits]) => (fits ? [role] : [])));
}

/** A set that is recovered, or one that is only merged. */
export type RecoveredSet = { readonly set: RecoverableSet; readonly state: SetState } | null;

/**
 * The variant with sets as they are now.
 * @param sets in the order of the merge's; null = as merged
 * @param steps what was done, for its plan
 */
export async function recoveredVariant(
  { opened, live, dataset }: Pick<StageContext, 'opened' | 'live' | 'dataset'>,
  merged: Variant,
  sets: readonly RecoveredSet[],
  steps: readonly RecoveryStep[],
): Promise<Variant> {
  const flat = opened.views[0].flat;
  const weights = new Map<string, PinnedTensor>();
  const tied: StoredSet[] = [];
  const requantized: Requantized[] = [];
  const put = (overrides: ReadonlyMap<string, PinnedTensor>) => {
    for (const [name, pin] of overrides) weights.set(name, pin);
  };
  for (const [k, stored] of merged.tied.entries()) {
    const { group, layers } = stored;
    const recovered = sets[k];
    if (!recovered) {
      put(live.override(group, layers, stored.values!));
      tied.push(stored);
      requantized.push(...(merged.requantized ?? []).filter((r) => r.layers === layers));
      continue;
    }
    const { set } = recovered;
    const asStored = roundedOwn(opened, recovered);
    const parts = layers.map((_, i) => ownOf(asStored, i, set.templates[i], set.gateHalf));
    const kept = await asKept(flat, group.ffns[layers[0]], parts[0].tied);
    if (kept.requantized) requantized.push({ layers, ...kept.requantized });
    const own: OwnLayer[] = [];
    for (const [i, part] of parts.entries()) {
      const ownWeights = part.own.weights && (await asKept(flat, group.ffns[layers[i]], part.own.weights));
      own.push({ ...part.own, ...(ownWeights && { weights: ownWeights.values }) });
    }
    tied.push({ group, layers, values: kept.values, own });
    const { shared } = tiedOf({ ...stored, values: kept.values }, set.templates[0], set.gateHalf, asStored);
    const plain = layers.map((_, i) =>
      foldedLayer({ ...asStored, shared }, i, set.templates[i], set.gateHalf),
    );
    const isShared = own.every(({ changes = new Map() }) => [...changes.values()].every(onlyShifts));
    const matrices = new Map([...kept.values].filter(([role]) => role.startsWith('w_')));
    // Without scales and deltas all layers multiply by the same matrices, which need to be in memory once.
    if (isShared) put(live.override(group, layers, matrices));
    for (const [i, layer] of layers.entries()) {
      const mine = isShared
        ? new Map([...plain[i].weights].filter(([role]) => !matrices.has(role)))
        : plain[i].weights;
      put(live.override(group, [layer], mine));
      for (const [place, shift] of plain[i].shifts) put(live.shift(group, layer, place, shift));
    }
  }
  const { files } = tieFfns(opened.views, tied);
  return {
    plan: { ...merged.plan, recovery: steps },
    tied,
    permutations: merged.permutations,
    files,
    changes: { weights },
    builtOn: merged.builtOn,
    ...fittedOn(merged, dataset),
    requantized,
  };
}

function onlyShifts({ scale, delta }: ValueChange): boolean {
  return !scale && !delta;
}

/** Scales, deltas and shifts as the files keep them: rounded where values are in half precision. */
function roundedOwn(
  { views }: StageContext['opened'],
  { set: { stored, templates, gateHalf }, state }: NonNullable<RecoveredSet>,
): TiedFfn {
  const ffn = foldScales(state.ffn);
  const [{ rows: dModel, cols: dFf }] = [ffn.shared.wIn];
  const sizes = { in: [dModel, dFf], gate: [dModel, dFf], hidden: [dFf, dFf], out: [dFf, dModel] } as const;
  return withVectors(ffn, (i) => {
    const { changes = new Map<OwnPlace, ValueChange>() } = ownOf(ffn, i, templates[i], gateHalf).own;
    const rounded: Record<string, Float32Array | LowRank> = {};
    for (const [place, change] of changes) {
      const { scale, delta, shift } = keptChange(
        views[0],
        stored.group.ffns[stored.layers[i]],
        place,
        change,
      );
      const [inner, outer] = sizes[place];
      const roles = ROLES[place];
      if (scale && roles.scale) rounded[roles.scale] = scale;
      if (shift && roles.shift) rounded[roles.shift] = shift;
      if (delta && roles.delta) {
        const { a, b, rank } = delta;
        rounded[roles.delta] = { a: dense(a, inner, rank), b: dense(b, rank, outer) };
      }
    }
    return rounded;
  });
}

/** What is changed at a place, by the names of recovery. */
const ROLES: Readonly<
  Record<OwnPlace, { readonly scale?: VectorRole; readonly delta?: DeltaRole; readonly shift?: VectorRole }>
> = {
  in: { scale: 'inScale', delta: 'inDelta', shift: 'bIn' },
  gate: { scale: 'gateScale', delta: 'gateDelta', shift: 'bGate' },
  hidden: { scale: 'hiddenScale' },
  out: { delta: 'outDelta', shift: 'bOut' },
};

/** The data that a recovery of a variant is fitted on: part of what it is, and more than one where data changed between runs. */
export function fittedOn(
  { fittedOn: before }: Pick<Variant, 'fittedOn'>,
  dataset: StageContext['dataset'],
): Pick<Variant, 'fittedOn'> {
  const now = dataset?.key;
  const keys = [before, now === before ? undefined : now].filter((k) => k !== undefined);
  return keys.length > 0 ? { fittedOn: keys.join('+') } : {};
}
