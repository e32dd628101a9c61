/**
 * The picked windows of layers. Several may be picked; those of one group may not share a layer.
 * The rules are pure; the predicted saving comes from the worker, and an answer that was overtaken is dropped.
 */
import { isAbort, sentenceOf } from './jobs.ts';
import type { LayerWindow, SliceContext, StudioActions, StudioError } from './types.ts';

type WindowActions = Pick<StudioActions, 'pickWindow' | 'removeWindow' | 'clearWindows'>;

export function windowName({ first, last }: Pick<LayerWindow, 'first' | 'last'>): string {
  return `${first}–${last}`;
}

export function sameWindow(a: LayerWindow, b: LayerWindow): boolean {
  return a.groupId === b.groupId && a.first === b.first && a.last === b.last;
}

/** Why these layers cannot be picked, as a sentence; null where they can. */
export function windowRefusal(
  layers: number,
  others: readonly LayerWindow[],
  first: number,
  last: number,
): string | null {
  const end = layers - 1;
  const known = (index: number) => Number.isInteger(index) && index >= 0 && index <= end;
  if (!known(first) || !known(last)) return `Layers are whole numbers from 0 to ${end}.`;
  if (first === last) return 'One layer alone saves nothing: pick two or more neighbours.';
  if (first > last) return `The first layer (${first}) comes after the last (${last}): swap them.`;
  const overlapped = others.find((other) => first <= other.last && last >= other.first);
  if (!overlapped) return null;
  const shown = windowName(overlapped);
  return `Layers ${windowName({ first, last })} overlap the window ${shown}: remove ${shown} first, or pick layers outside it.`;
}

export function createWindowActions({ api, set, get, fail }: SliceContext): WindowActions {
  let asked = 0;
  let refusals: readonly StudioError[] = [];

  /** A refused pick is answered by the next good one. */
  const forgetRefusals = () => {
    if (refusals.length > 0) set({ errors: get().errors.filter((error) => !refusals.includes(error)) });
    refusals = [];
  };

  const change = (windows: readonly LayerWindow[]) => {
    forgetRefusals();
    const mine = ++asked;
    const { merge } = get();
    if (windows.length === 0) {
      // Nothing picked is the original: the result goes now, and the worker's copy before it is next used.
      set({ picks: { windows, saving: null }, merge: { ...merge, result: null }, evaluation: null });
      return;
    }
    set({ picks: { windows, saving: null } });
    api.predict(windows).then(
      (saving) => {
        if (mine === asked && get().picks.windows === windows) set({ picks: { windows, saving } });
      },
      (error: unknown) => {
        if (mine === asked && !isAbort(error)) fail('see', sentenceOf(error));
      },
    );
  };

  return {
    pickWindow(first, last) {
      const { model, view, picks } = get();
      const group = model?.groups.find(({ id }) => id === view.groupId);
      if (!group) return false;
      const window: LayerWindow = { groupId: group.id, first, last };
      if (picks.windows.some((other) => sameWindow(other, window))) return true;
      const others = picks.windows.filter(({ groupId }) => groupId === group.id);
      const refusal = windowRefusal(group.layers, others, first, last);
      if (refusal) {
        forgetRefusals();
        fail('see', refusal);
        refusals = get().errors.filter(({ sentence }) => sentence === refusal);
        return false;
      }
      const order = (id: string) => model?.groups.findIndex((known) => known.id === id) ?? 0;
      const windows = [...picks.windows, window].sort(
        (a, b) => order(a.groupId) - order(b.groupId) || a.first - b.first,
      );
      change(windows);
      return true;
    },
    removeWindow(window) {
      change(get().picks.windows.filter((other) => !sameWindow(other, window)));
    },
    clearWindows() {
      change([]);
    },
  };
}
