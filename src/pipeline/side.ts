/**
 * Which side of an encoder–decoder a stack is on, told by what it computes from: a value of the encoder's may have as
 * many rows as the decoder's tokens, and would lose the wrong ones as padding.
 */
import type { Padding } from '../data/dataset.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import { type GraphIndex, valuesBehind } from '../graph/index-graph.ts';

export type Side = 'encoder' | 'decoder';

/** The decoder where the stack depends on an input of the decoder's, the encoder (or the only stack) otherwise. */
export function sideOf({ ffns }: FfnGroup, index: GraphIndex): Side {
  for (const value of valuesBehind([ffns[0].input], index)) {
    if (index.inputs.has(value) && value.startsWith('decoder_')) return 'decoder';
  }
  return 'encoder';
}

/** What of a batch's padding is a side's. */
export function paddingOn(side: Side, padding: Padding | undefined): Padding | undefined {
  if (!padding) return undefined;
  const mask = padding[side];
  return { ...(padding.items && { items: padding.items }), ...(mask && { [side]: mask }) };
}
