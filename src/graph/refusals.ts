/**
 * Why FFNs that were found cannot be merged, in sentences for the page.
 *
 * A sentence says what stands in the way and, where there is one, what to do instead.
 */
import type { GraphInfo, OnnxModel } from '../onnx/types.ts';
import { DataType, dataTypeName } from '../tensor/dtype.ts';
import type { FfnWeight } from './weights.ts';

/** What refusals need to know of an FFN. */
export interface Described {
  readonly label: string;
  readonly weights: readonly FfnWeight[];
  /** How its weights are quantized, if they are. */
  readonly scheme?: string;
}

/** Why FFNs of one shape and function, in one stack, are no group; undefined where they are one. */
export function groupRefusal(members: readonly Described[], shape: string): string | undefined {
  const [head] = members;
  if (members.length < 2) {
    return `${head.label} (${shape}) stands alone: no other FFN has the same shape and function, so there is nothing to merge it with.`;
  }
  const all = `The ${members.length} FFNs like ${head.label} (${shape})`;
  if (new Set(members.map((m) => m.weights[0].source.tensor)).size === 1) {
    return `${all} already share one stored copy of their weights, so merging them would save nothing.`;
  }
  if (head.scheme !== undefined) {
    return `${all} have quantized weights (${head.scheme}), which cannot be merged yet; drop the model before quantization instead.`;
  }
  const types = head.weights.flatMap((w) => [w.source.tensor.dataType, w.source.dataType]);
  const other = types.find((t) => t !== DataType.float);
  if (other !== undefined) {
    return `${all} keep their weights in ${dataTypeName(other) ?? `type ${other}`}, which cannot be merged yet; drop the float32 model instead.`;
  }
  return undefined;
}

/** Parts of the model that are not looked into: the branches of If and Loop that depend on the input. */
export function unsearched({ graph }: OnnxModel): string[] {
  const sentences: string[] = [];
  const nested = new Set(
    graph.nodes
      .filter((n) => [...n.attributes.values()].some((a) => a.g && linearCount(a.g) >= 2))
      .map((n) => n.opType),
  );
  for (const op of nested) {
    sentences.push(
      `The FFNs inside the branches of ${op} are not searched yet; drop the model without them instead.`,
    );
  }
  return sentences;
}

function linearCount(graph: GraphInfo): number {
  let count = 0;
  for (const node of graph.nodes) {
    if (node.opType === 'MatMul' || node.opType === 'Gemm') count++;
    for (const a of node.attributes.values()) if (a.g) count += linearCount(a.g);
  }
  return count;
}
