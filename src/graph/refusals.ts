/**
 * Why FFNs that were found cannot be merged, in sentences for the page.
 *
 * A sentence says what stands in the way and, where there is one, what to do instead.
 */
import type { GraphInfo, OnnxModel } from '../onnx/types.ts';
import { labelOf } from '../quantize/scheme.ts';
import { DataType, dataTypeName } from '../tensor/dtype.ts';
import type { Constants } from './constants.ts';
import type { FfnWeight } from './weights.ts';

/** What refusals need to know of an FFN. */
export interface Described {
  readonly label: string;
  readonly weights: readonly FfnWeight[];
}

/**
 * Why FFNs of one shape and function, in one stack, are no group; undefined where they are one.
 * @param quantized whether weights in half precision, or quantized in a scheme that can be written again, are welcome
 */
export function groupRefusal(
  members: readonly Described[],
  shape: string,
  quantized: boolean,
): string | undefined {
  const [head] = members;
  if (members.length < 2) {
    return `${head.label} (${shape}) stands alone: no other FFN has the same shape and function, so there is nothing to merge it with.`;
  }
  const all = `The ${members.length} FFNs like ${head.label} (${shape})`;
  if (new Set(members.map((m) => m.weights[0].source.tensor)).size === 1) {
    return `${all} already share one stored copy of their weights, so merging them would save nothing.`;
  }
  const reason = head.weights.find((w) => w.unsupported !== undefined)?.unsupported;
  if (reason !== undefined) {
    return `${all} have quantized weights that cannot be merged, because ${reason}; drop the model before quantization instead.`;
  }
  const packing = head.weights.find((w) => w.packing)?.packing;
  if (packing && !quantized) {
    return `${all} have quantized weights (${labelOf(packing.scheme)}), which cannot be merged yet; drop the model before quantization instead.`;
  }
  const types = head.weights.flatMap((w) => [
    ...(w.packing ? [] : [w.source.tensor.dataType]),
    w.source.dataType,
  ]);
  const half = (t: number) => t === DataType.float16 || t === DataType.bfloat16;
  const other = types.find((t) => t !== DataType.float && !(quantized && half(t)));
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

/** Operators that multiply codes, and the input that holds the weight's. */
const KERNELS: Readonly<Record<string, { readonly weight: number; readonly dynamic: boolean }>> = {
  ':MatMulInteger': { weight: 1, dynamic: true },
  'com.microsoft:DynamicQuantizeMatMul': { weight: 1, dynamic: true },
  'com.microsoft:MatMulIntegerToFloat': { weight: 1, dynamic: true },
  ':QLinearMatMul': { weight: 3, dynamic: false },
  'com.microsoft:QGemm': { weight: 3, dynamic: false },
};

/** Linear maps in integers: of activations quantized as the model runs, or all through. Two of them, or none. */
export function integerKernels(graph: GraphInfo, constants: Constants): string[] {
  const sentences: string[] = [];
  for (const dynamic of [true, false]) {
    const found = graph.nodes.filter(({ domain, opType, inputs }) => {
      const kernel = KERNELS[`${domain === 'ai.onnx' ? '' : domain}:${opType}`];
      return kernel?.dynamic === dynamic && constants.isConstant(inputs[kernel.weight] ?? '');
    });
    if (found.length < 2) continue;
    sentences.push(
      `The linear maps of this model are quantized ${dynamic ? 'dynamically ' : ''}(${found[0].opType}), which cannot be merged; drop the model before quantization (model.onnx or model_fp16.onnx) instead.`,
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
