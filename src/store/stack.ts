/**
 * What the drawing of the layers needs of a group: bytes a layer, which layers are picked, and what the merge that a
 * download holds made of them. A merge that is no longer what is picked gives way to the picks.
 *
 * Attention is drawn with the normalisations of its layer: all that the layer holds beside its FFN.
 *
 * What layers keep of their own after recovery is exact as a whole, the file against one that is only tied; the drawing
 * gives every tied layer an equal part of it.
 */
import { ties } from './describe.ts';
import { formatBytes } from './format.ts';
import { mergeIsStale } from './merge.ts';
import { ffnsRemoved } from './sets.ts';
import type { GroupSummary, ModelSummary, StudioFacts } from './types.ts';

export interface LayerBytes {
  readonly ffn: number;
  /** With the normalisations. */
  readonly attention: number;
}

export function layerBytes({ bytesPerFfn, bytesBesideFfn }: GroupSummary): LayerBytes {
  return { ffn: bytesPerFfn, attention: bytesBesideFfn };
}

export interface GroupStack {
  readonly picked: readonly (readonly number[])[];
  readonly tied: readonly (readonly number[])[];
  readonly withoutFfn: readonly number[];
  readonly leftOut: readonly number[];
  /** FFNs that the file holds of this group: now, and with the picks merged. */
  readonly stored: number;
  readonly storedThen: number;
  /** Bytes that all tied layers of this group together keep of their own. */
  readonly own: number;
}

const NOTHING: readonly number[] = [];

/** Sets of other groups keep their place as empty lists, so that colours agree with the heatmap. */
export function groupStack(state: StudioFacts, group: GroupSummary): GroupStack {
  const { result } = state.merge;
  const here = (sets: StudioFacts['picks']['sets']) =>
    sets.map(({ groupId, layers }) => (groupId === group.id ? layers : NOTHING));
  const mine = (sets: StudioFacts['picks']['sets']) => sets.filter(({ groupId }) => groupId === group.id);
  const { sets } = state.picks;
  const storedThen = group.layers - ffnsRemoved(mine(sets));
  const none = { tied: [], withoutFfn: [], leftOut: [], own: 0 };
  if (!result || mergeIsStale(state))
    return { ...none, picked: here(sets), stored: group.layers, storedThen };
  const { plan, droppedLayers = [] } = result;
  if (ties(plan.method)) {
    const stored = group.layers - ffnsRemoved(mine(plan.sets));
    const own = (keptOfOwn(state) * tiedLayers(mine(plan.sets))) / Math.max(1, tiedLayers(plan.sets));
    return { ...none, picked: [], tied: here(plan.sets), stored, storedThen: stored, own };
  }
  const leftOut = droppedLayers.filter(({ groupId }) => groupId === group.id).flatMap(({ layers }) => layers);
  const withoutFfn =
    plan.method === 'ffn-drop' ? mine(plan.sets).flatMap(({ layers }) => layers.slice(1)) : [];
  const stored = group.layers - leftOut.length - withoutFfn.length;
  return { ...none, picked: [], withoutFfn, leftOut, stored, storedThen: stored };
}

const tiedLayers = (sets: StudioFacts['picks']['sets']) =>
  sets.reduce((sum, { layers }) => sum + layers.length, 0);

/** Bytes of the merged file over one in which the picks are only tied; 0 while that is not known. */
function keptOfOwn({ merge: { result }, picks: { saving } }: StudioFacts): number {
  return result && saving ? Math.max(0, result.saving.bytesAfter - saving.bytesAfter) : 0;
}

/** Of one tied layer. */
export function ownBytesEach({ own, tied }: GroupStack): number {
  const layers = tied.reduce((sum, set) => sum + set.length, 0);
  return layers > 0 ? own / layers : 0;
}

/** Of the largest layer of the model. */
export function scaleBytes(model: ModelSummary): number {
  return Math.max(
    ...model.groups.map((group) => {
      const { ffn, attention } = layerBytes(group);
      return ffn + attention;
    }),
  );
}

/** What the drawing shows, in a sentence. */
export function stackSentence(
  { stored, storedThen, leftOut, own }: GroupStack,
  layers: number,
  { ffn, attention }: LayerBytes,
): string {
  if (leftOut.length > 0) {
    const saved = formatBytes(leftOut.length * (ffn + attention));
    return `${layers} layers, ${layers - leftOut.length} stored: about ${saved} less.`;
  }
  if (stored < layers) {
    const kept = own > 0 ? `, with the ${formatBytes(own)} that layers keep of their own` : '';
    return `${layers} layers, ${stored} ${stored === 1 ? 'FFN' : 'FFNs'} stored: ${formatBytes((layers - stored) * ffn - own)} less${kept}.`;
  }
  const then = storedThen < layers ? `; ${storedThen} once merged` : '';
  return `${layers} layers, ${layers} FFNs stored${then}.`;
}
