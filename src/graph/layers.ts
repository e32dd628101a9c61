/**
 * Whole layers on the residual stream: where the layer of an FFN begins and ends.
 *
 * Why: the open model is cut there, and dropping a layer means that what enters it leaves it unchanged.
 *
 * Known limits: the last layer of a stack that normalises after the residual Add (post-LN) has no known end; nor has
 * the last of an encoder whose decoder is in the same group.
 */
import { residualAddOf } from './attention.ts';
import type { FfnGroup, FfnSearch } from './ffn.ts';
import { type GraphIndex, valuesBehind } from './index-graph.ts';

export interface LayerSpan {
  /** The value that enters the layer: the residual stream before its attention. */
  readonly input: string;
  /** The value that leaves it: the stream as the next layer takes it. */
  readonly output: string;
}

/** The span of each FFN's layer; undefined where it cannot be told. */
export function layerSpans(group: FfnGroup, { index, constants }: FfnSearch): (LayerSpan | undefined)[] {
  const entries = group.ffns.map((ffn) => {
    if (ffn.attentionOutput === undefined) return undefined;
    const add = residualAddOf(ffn.attentionOutput, index, constants);
    return add?.stream;
  });
  return group.ffns.map((ffn, i) => {
    const input = entries[i];
    if (input === undefined || !ffn.residual) return undefined;
    const next = entries[i + 1];
    if (next !== undefined) {
      // Two stacks in one group: the next layer's stream is another one.
      return dependsOn(next, input, index) ? { input, output: next } : undefined;
    }
    const preNorm = i > 0 && entries[i] === group.ffns[i - 1].residual?.output;
    return preNorm ? { input, output: ffn.residual.output } : undefined;
  });
}

/** Whether a value is computed from another one. */
function dependsOn(value: string, from: string, index: GraphIndex): boolean {
  const source = index.producers.get(from);
  const since = source ? index.order(source) : -1;
  for (const behind of valuesBehind([value], index, (_, node) => index.order(node) > since)) {
    if (behind === from) return true;
  }
  return false;
}
