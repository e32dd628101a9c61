/**
 * Tuned weights back in the form of recovery: the inverse of `ownOf` (weights.ts), so that other rungs can go on from
 * where tuning ended.
 */
import type { FfnWeights } from '../../merge/method.ts';
import type { OwnLayer, ValueChange } from '../../merge/own.ts';
import type { TiedFfn as StoredSet } from '../../merge/write-back.ts';
import { dense } from '../linear-algebra.ts';
import { checkTied, type LayerVectors, type TiedFfn } from '../tied-ffn.ts';
import { type GateHalf, layerOf } from '../weights.ts';

/**
 * A set as the files hold it, as a tied FFN.
 * @param like the FFN before tuning, for its activation
 * @param templates the layers' original weights, for their shapes
 * @throws RangeError where the set has no values
 */
export function tunedFfn(
  { values, own }: StoredSet,
  like: TiedFfn,
  templates: readonly FfnWeights[],
  gateHalf: GateHalf = 0,
): TiedFfn {
  if (!values) throw new RangeError('The merge has no weights yet, so there is nothing to read back.');
  const layers = templates.map((template, i) => {
    const mine: OwnLayer = own?.[i] ?? {};
    const weights: FfnWeights = new Map(
      [...template].map(([role, m]) => [
        role,
        { ...m, data: mine.weights?.get(role) ?? values.get(role) ?? m.data },
      ]),
    );
    return { ...layerOf(weights, null, gateHalf), changes: mine.changes };
  });
  const [{ wIn, wGate, wOut }] = layers;
  const shared = { wIn, ...(wGate && { wGate }), wOut };
  const made = layers.map(({ wIn: _in, wGate: _gate, wOut: _out, changes, ...vectors }): LayerVectors => {
    const [atIn, atGate, atOut] = [changes?.get('in'), changes?.get('gate'), changes?.get('out')];
    const hiddenScale = changes?.get('hidden')?.scale;
    const bIn = biasOf(vectors.bIn, atIn);
    const bGate = biasOf(vectors.bGate, atGate);
    const bOut = biasOf(vectors.bOut, atOut);
    return {
      ...(bIn && { bIn }),
      ...(bGate && { bGate }),
      ...(bOut && { bOut }),
      ...(atIn?.scale && { inScale: atIn.scale }),
      ...(atGate?.scale && { gateScale: atGate.scale }),
      ...(hiddenScale && { hiddenScale }),
      ...deltaOf('inDelta', atIn),
      ...deltaOf('gateDelta', atGate),
      ...deltaOf('outDelta', atOut),
    };
  });
  const ffn: TiedFfn = { activation: like.activation, shared, layers: retied(made) };
  checkTied(ffn);
  return ffn;
}

/** A bias of the graph stands before the new scale, one without a role after it. */
function biasOf(bias: Float32Array | undefined, change: ValueChange | undefined): Float32Array | undefined {
  const scaled = bias && change?.scale ? bias.map((b, u) => b * change.scale![u]) : bias;
  const shift = change?.shift;
  if (!shift) return scaled;
  return scaled ? scaled.map((b, u) => b + shift[u]) : shift;
}

function deltaOf<R extends string>(role: R, change: ValueChange | undefined) {
  if (!change?.delta) return {};
  const { a, b, rank } = change.delta;
  const made = { a: dense(a, a.length / rank, rank), b: dense(b, rank, b.length / rank) };
  return { [role]: made } as Record<R, typeof made>;
}

/** Vectors that all layers read from one tensor are one array, so that what is stored can be counted. */
function retied(layers: readonly LayerVectors[]): LayerVectors[] {
  const [head] = layers;
  const isShared = (role: keyof LayerVectors) => {
    const first = head[role];
    return (
      first instanceof Float32Array &&
      layers.every((l) => {
        const mine = l[role];
        return mine instanceof Float32Array && mine.every((v, i) => v === first[i]);
      })
    );
  };
  const shared = Object.fromEntries(
    (Object.keys(head) as (keyof LayerVectors)[]).filter(isShared).map((role) => [role, head[role]]),
  );
  return layers.map((layer) => ({ ...layer, ...shared }));
}
