/** The value of a condition that does not depend on the input: a constant, or an input that is fixed. */
import { tensorBytes } from '../onnx/tensors.ts';
import type { TensorInfo } from '../onnx/types.ts';
import type { ScopeNames } from './names.ts';

const VIEWS = new Set(['Identity', 'Cast', 'Squeeze', 'Unsqueeze', 'Reshape', 'Gather', 'Slice']);

/**
 * @param fixedOf the value of a fixed input by flat name
 * @returns undefined where the condition can be either
 */
export async function conditionOf(
  name: string,
  names: ScopeNames,
  fixedOf: (flatName: string) => boolean | undefined,
  depth = 0,
): Promise<boolean | undefined> {
  const fixed = fixedOf(names.of(name));
  if (fixed !== undefined) return fixed;
  const { model } = names.scope.use.part;
  const constant = constantIn(name, names);
  if (constant) return truthOf(await tensorBytes(model, constant));
  const made = names.producerOf(name);
  if (!made || depth > 8 || !VIEWS.has(made.node.opType)) return undefined;
  return conditionOf(made.node.inputs[0], made.names, fixedOf, depth + 1);
}

function constantIn(name: string, names: ScopeNames): TensorInfo | undefined {
  const made = names.producerOf(name)?.node;
  if (made) return made.opType === 'Constant' ? made.attributes.get('value')?.t : undefined;
  for (let scope: ScopeNames['scope'] | undefined = names.scope; scope; scope = scope.parent) {
    const found = scope.graph?.initializers.find((t) => t.name === name);
    if (found) return found;
    if (scope.kind === 'function') return undefined;
  }
  return undefined;
}

/** One element of any whole-number type: true where a bit is set. Several cannot be a condition. */
function truthOf(bytes: Uint8Array): boolean | undefined {
  return bytes.length >= 1 && bytes.length <= 8 ? bytes.some((b) => b !== 0) : undefined;
}
