/**
 * What a layer holds beside its FFN: the weights of its attention and of its normalisations.
 *
 * Why: the page draws layers to the scale of their bytes, and merging FFNs leaves this part as it is.
 *
 * A layer's part is what is met walking back from where its FFN begins to where the FFN before it ended. What several
 * layers meet (embeddings, masks, tables of rotary angles) is no layer's.
 *
 * Known limits: the first FFN's part cannot be told from the embeddings before it, so it has none. A projection that two
 * layers share counts for neither.
 */
import type { TensorInfo } from '../onnx/types.ts';
import { type Ffn, type FfnSearch, storedTensors } from './ffn.ts';
import { valuesBehind } from './index-graph.ts';

/** Tensors that one layer alone reads beside its FFN, by FFN. The first FFN of a model has none. */
export function besideFfns({ groups, index, constants }: FfnSearch): Map<Ffn, Set<TensorInfo>> {
  const ffns = groups.flatMap((g) => g.ffns);
  if (ffns.length === 0) return new Map();
  const stops = new Set(
    ffns.flatMap(({ output, residual }) => (residual ? [output, residual.output] : [output])),
  );
  const ofFfns = new Set(ffns.flatMap((f) => [...storedTensors(f)]));
  const readers = new Map<TensorInfo, Set<Ffn>>();
  const isInside = (value: string) => !stops.has(value) && constants.sourceOf(value) === undefined;
  for (const ffn of ffns) {
    const { input, residual, attentionOutput } = ffn;
    const starts = [input, residual?.stream, attentionOutput].filter((v) => v !== undefined);
    for (const value of valuesBehind(starts, index, isInside)) {
      const tensor = constants.sourceOf(value)?.tensor;
      if (!tensor || ofFfns.has(tensor)) continue;
      const all = readers.get(tensor);
      if (all) all.add(ffn);
      else readers.set(tensor, new Set([ffn]));
    }
  }
  const own = new Map(ffns.map((ffn) => [ffn, new Set<TensorInfo>()]));
  for (const [tensor, [first, ...others]] of readers) {
    if (others.length === 0) own.get(first)?.add(tensor);
  }
  const byPlace = (f: Ffn) => index.order(index.producers.get(f.output)!);
  const first = ffns.reduce((a, b) => (byPlace(b) < byPlace(a) ? b : a));
  own.get(first)?.clear();
  return own;
}
