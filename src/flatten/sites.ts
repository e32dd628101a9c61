/**
 * From the flat model back to the files: where in a file a node of the flat model reads a value.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { FlatModel, Part, Scope, ValueOrigin } from './types.ts';

/** An input of a node of a file. */
export interface Site {
  readonly scope: Scope;
  readonly node: NodeInfo;
  readonly input: number;
}

/**
 * Where a file decides which value a node reads: the node's own input or, inside a function, the input of the call.
 * Undefined where the value is made inside a function, which all of its calls share, and inside a function for the
 * operators that keep one weight in several inputs, of which a call may hand on each by itself.
 */
export function siteOf(flat: FlatModel, node: NodeInfo, input: number): Site | undefined {
  const origin = flat.originOfNode(node);
  if (!origin) return undefined;
  let { scope, node: at } = origin;
  let index = origin.inputs ? origin.inputs[input] : input;
  if (index < 0) return undefined;
  for (;;) {
    const called = functionAround(scope);
    if (!called) return { scope, node: at, input: index };
    if (at.opType === 'MatMulNBits') return undefined;
    const name = at.inputs[index];
    for (let inner = scope; inner !== called; inner = inner.parent!) {
      if (makes(inner, name)) return undefined;
    }
    index = called.formals!.indexOf(name);
    if (index < 0) return undefined;
    at = called.holder!;
    scope = called.parent!;
  }
}

/** The call of a function that a scope is, or is a branch in. */
function functionAround(scope: Scope): Scope | undefined {
  for (let at: Scope | undefined = scope; at; at = at.parent) if (at.kind === 'function') return at;
  return undefined;
}

function makes({ nodes, graph }: Scope, name: string): boolean {
  return (
    (graph?.initializers.some((t) => t.name === name) ?? false) || nodes.some((n) => n.outputs.includes(name))
  );
}

/** Whether a value can be named at a site or in a scope: it is defined in its scope or around it. */
export function isVisible({ scope }: ValueOrigin, site: Pick<Site, 'scope'>): boolean {
  for (let at: Scope | undefined = site.scope; at; at = at.kind === 'branch' ? at.parent : undefined) {
    if (at.path === scope.path && at.use === scope.use) return true;
  }
  return false;
}

/** A file that is its own flat model: one graph in f32. */
export function asItIs(part: Part): FlatModel {
  const { model } = part;
  const use = { part, prefix: '', inputs: new Map(), fixed: new Map(), keepsOutput: () => true };
  const scope: Scope = { use, kind: 'graph', path: '', nodes: model.graph.nodes, graph: model.graph };
  return {
    model,
    uses: [use],
    originOfNode: (node) => ({ scope, node }),
    originOfValue: (name) => ({ scope, name }),
    storedAs: (tensor) => ({ scope, tensor }),
  };
}
