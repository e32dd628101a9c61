/**
 * The picked sets of layers: windows of neighbours, or layers chosen by hand. Several may be picked; those of one group
 * may not share a layer. The rules are pure; the predicted saving comes from the worker, and an answer that was
 * overtaken is dropped.
 */

import type { SliceContext, Tools } from './context.ts';
import { nothingRecovered } from './facts.ts';
import { isAbort, sentenceOf } from './jobs.ts';
import type { LayerSet, StudioActions, StudioError } from './types.ts';

type SetActions = Pick<
  StudioActions,
  'pickWindow' | 'pickLayers' | 'pickInstead' | 'removeSet' | 'clearWindows'
>;

export function isAdjacent(layers: readonly number[]): boolean {
  return layers.every((layer, index) => index === 0 || layer === layers[index - 1] + 1);
}

/** `4–7` for neighbours, `1, 4, 5` otherwise. */
export function setName(layers: readonly number[]): string {
  return layers.length > 1 && isAdjacent(layers) ? `${layers[0]}–${layers.at(-1)}` : layers.join(', ');
}

/** `window 4–7`, or `layers 1, 4, 5`. */
export function setPhrase(layers: readonly number[]): string {
  return `${isAdjacent(layers) ? 'window' : 'layers'} ${setName(layers)}`;
}

export function sameSet(a: LayerSet, b: LayerSet): boolean {
  return a.groupId === b.groupId && a.layers.join() === b.layers.join();
}

export function sameSets(a: readonly LayerSet[], b: readonly LayerSet[]): boolean {
  return a.length === b.length && a.every((set) => b.some((other) => sameSet(set, other)));
}

/** FFNs that leave the file: all of each set but one. */
export function ffnsRemoved(sets: readonly LayerSet[]): number {
  return sets.reduce((sum, { layers }) => sum + layers.length - 1, 0);
}

export function windowOf(groupId: string, first: number, last: number): LayerSet {
  return { groupId, layers: Array.from({ length: last - first + 1 }, (_, index) => first + index) };
}

const sharesLayer = (a: LayerSet, b: LayerSet): boolean =>
  a.groupId === b.groupId && a.layers.some((layer) => b.layers.includes(layer));

/** Layers as typed: numbers and ranges, parted by commas or spaces; null where something else is in it. */
export function parseLayers(text: string): number[] | null {
  const layers = new Set<number>();
  for (const part of text.replace(/\s*[-–]\s*/g, '-').split(/[\s,;]+/)) {
    if (part === '') continue;
    const [, from, to] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? [];
    if (from === undefined) return null;
    for (let layer = Number(from); layer <= Number(to ?? from); layer++) layers.add(layer);
  }
  return [...layers].sort((a, b) => a - b);
}

/** Why these layers cannot be picked, as a sentence; null where they can. */
export function setRefusal(layerCount: number, others: readonly LayerSet[], set: LayerSet): string | null {
  const end = layerCount - 1;
  const { layers } = set;
  if (!layers.every((layer) => Number.isInteger(layer) && layer >= 0 && layer <= end))
    return `Layers are whole numbers from 0 to ${end}.`;
  if (layers.length < 2) return 'One layer alone saves nothing: pick two or more.';
  const overlapped = others.find((other) => sharesLayer(other, set));
  if (!overlapped) return null;
  const shown = setName(overlapped.layers);
  return `Layers ${setName(layers)} overlap the ${setPhrase(overlapped.layers)}: remove ${shown} first, or pick layers outside it.`;
}

function windowRefusal(layerCount: number, first: number, last: number): string | null {
  const known = (layer: number) => Number.isInteger(layer) && layer >= 0 && layer < layerCount;
  if (!known(first) || !known(last)) return `Layers are whole numbers from 0 to ${layerCount - 1}.`;
  if (first === last) return 'One layer alone saves nothing: pick two or more neighbours.';
  return first > last ? `The first layer (${first}) comes after the last (${last}): swap them.` : null;
}

/** Gives the picks new sets, and asks for what they save. */
export function createSetsChange({ api, set, get, fail }: Tools): (sets: readonly LayerSet[]) => void {
  let asked = 0;
  return (picked) => {
    const mine = ++asked;
    const { merge, model } = get();
    const order = (id: string) => model?.groups.findIndex((known) => known.id === id) ?? 0;
    const sets = [...picked].sort((a, b) => order(a.groupId) - order(b.groupId) || a.layers[0] - b.layers[0]);
    if (sets.length === 0) {
      // Nothing picked is the original: the result goes now, and the worker's copy before it is next used.
      set({
        picks: { sets, saving: null },
        merge: { ...merge, result: null, asked: null },
        recover: nothingRecovered(get()),
        evaluation: null,
      });
      return;
    }
    set({ picks: { sets, saving: null } });
    api.predict(sets).then(
      (saving) => {
        if (mine === asked && get().picks.sets === sets) set({ picks: { sets, saving } });
      },
      (error: unknown) => {
        if (mine === asked && !isAbort(error)) fail('see', sentenceOf(error));
      },
    );
  };
}

export function createSetActions({ set, get, fail, changeSets }: SliceContext): SetActions {
  let refusals: readonly StudioError[] = [];

  /** A refused pick is answered by the next good one. */
  const forgetRefusals = () => {
    if (refusals.length > 0) set({ errors: get().errors.filter((error) => !refusals.includes(error)) });
    refusals = [];
  };
  const refuse = (sentence: string): false => {
    forgetRefusals();
    fail('see', sentence);
    refusals = get().errors.filter((error) => error.sentence === sentence);
    return false;
  };
  const change = (sets: readonly LayerSet[]) => {
    forgetRefusals();
    changeSets(sets);
  };
  const shownGroup = () => {
    const { model, view } = get();
    return model?.groups.find(({ id }) => id === view.groupId);
  };
  const pick = (added: LayerSet, layerCount: number): boolean => {
    const { sets } = get().picks;
    if (sets.some((other) => sameSet(other, added))) return true;
    const refusal = setRefusal(layerCount, sets, added);
    if (refusal) return refuse(refusal);
    change([...sets, added]);
    return true;
  };

  return {
    pickWindow(first, last) {
      const group = shownGroup();
      if (!group) return false;
      const refusal = windowRefusal(group.layers, first, last);
      return refusal ? refuse(refusal) : pick(windowOf(group.id, first, last), group.layers);
    },
    pickLayers(text) {
      const group = shownGroup();
      if (!group) return false;
      const layers = parseLayers(text);
      if (!layers) return refuse('Layers are numbers parted by commas, for example 1, 4, 5.');
      return pick({ groupId: group.id, layers }, group.layers);
    },
    pickInstead(groupId, first, last) {
      const added = windowOf(groupId, first, last);
      change([...get().picks.sets.filter((other) => !sharesLayer(other, added)), added]);
    },
    removeSet(removed) {
      change(get().picks.sets.filter((other) => !sameSet(other, removed)));
    },
    clearWindows() {
      change([]);
    },
  };
}
