/** What flattening asks about a node: the constant in it, and whether graphs in it call functions. */
import type { FunctionInfo, NodeInfo, TensorInfo } from '../onnx/types.ts';
import { rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';

/** Tensors from this size on stay outside of the flat model's own bytes. */
export const LARGE = 2048;

/** A constant that does not stay in its node: large, or in another file. */
export function isOutside(node: NodeInfo): boolean {
  const tensor = constantTensor(node);
  if (!tensor) return false;
  return (
    tensor.storage.kind === 'external' || rawByteLength(tensor.dataType, elementCount(tensor.dims)) >= LARGE
  );
}

/** The tensor of a Constant node. */
export function constantTensor({ opType, domain, attributes }: NodeInfo): TensorInfo | undefined {
  return opType === 'Constant' && domain === '' ? attributes.get('value')?.t : undefined;
}

/** Whether a graph in a node calls functions of the model. */
export function callsInside({ attributes }: NodeInfo, functions: ReadonlyMap<string, FunctionInfo>): boolean {
  if (functions.size === 0) return false;
  return [...attributes.values()].some(({ g }) =>
    g?.nodes.some(
      (n) => functions.has(functionKey(n.domain, n.opType, n.overload)) || callsInside(n, functions),
    ),
  );
}

/** Functions of a model by this. */
export function functionKey(domain: string, name: string, overload = ''): string {
  return `${domain}:${name}:${overload}`;
}
