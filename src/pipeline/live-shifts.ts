/**
 * Biases that recovery may give an FFN whose file has none, as inputs of the open model: zero in the original.
 *
 * Scales and deltas need no place of their own while a variant is tried, because each layer of the open model has live
 * matrices of its own that take them in; a bias without a weight to be in does.
 */
import type { Ffn } from '../graph/ffn.ts';
import { type LiveShift, liveName } from '../graph/open-graph.ts';
import type { OwnPlace } from '../merge/own.ts';
import { placesFor } from '../merge/own-places.ts';
import type { OpenedModel } from './opened.ts';

/** The name of the graph input. */
export function shiftName(groupId: string, layer: number, place: OwnPlace): string {
  return liveName(groupId, layer, `shift_${place}`);
}

/** One for each FFN and place where the files can take a bias and have none. */
export function liveShifts({ views, search }: Pick<OpenedModel, 'views' | 'search'>): LiveShift[] {
  const shifts: LiveShift[] = [];
  for (const { id, ffns, dFf, dModel } of search.groups) {
    for (const ffn of ffns) {
      const places = placesFor(views, ffn);
      for (const [place, value] of withoutBias(ffn)) {
        if (!places.get(place)?.possible) continue;
        const axis = ffn.featureAxes?.get(value) ?? -1;
        const size = place === 'out' ? dModel : dFf;
        const dims = [size, ...new Array<number>(-axis - 1).fill(1)];
        shifts.push({ name: shiftName(id, ffn.layer, place), value, dims });
      }
    }
  }
  return shifts;
}

function withoutBias({ weights, preActivation, gatePreActivation, output }: Ffn): [OwnPlace, string][] {
  const roles = new Set(weights.map((w) => w.role));
  const isPacked = weights.some((w) => w.role === 'w_in' && w.halves === 2);
  const places: [OwnPlace, string][] = [];
  if (!roles.has('b_in')) places.push(['in', preActivation]);
  if (gatePreActivation !== undefined && !roles.has(isPacked ? 'b_in' : 'b_gate')) {
    places.push(['gate', gatePreActivation]);
  }
  if (!roles.has('b_out')) places.push(['out', output]);
  return places;
}
