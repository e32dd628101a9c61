/**
 * Element types of all values of a file's main graph.
 *
 * Why: exporters record few types of inner values, and a value whose type is not known must not be taken for a float;
 * so a type here is recorded or follows from the operators' rules, never guessed.
 */
import type { NodeInfo, OnnxModel } from '../onnx/types.ts';
import { resultType } from './half-operators.ts';

/** Outputs of the nested graph come after this many that its node does not give out. */
const NESTED: Readonly<Record<string, { graph: string; skip: number }>> = {
  If: { graph: 'then_branch', skip: 0 },
  Loop: { graph: 'body', skip: 1 },
  Scan: { graph: 'body', skip: 0 },
};
const MAX_DEPTH = 8;

const known = new WeakMap<OnnxModel, ReadonlyMap<string, number>>();

/** ONNX data types by value name, told once for a model; values whose type cannot be told are absent. */
export function valueTypes(model: OnnxModel): ReadonlyMap<string, number> {
  const types = known.get(model) ?? typesIn(model);
  known.set(model, types);
  return types;
}

function typesIn(model: OnnxModel): Map<string, number> {
  const { graph } = model;
  const types = new Map<string, number>();
  for (const { name, elemType } of [...graph.inputs, ...graph.valueInfos, ...graph.outputs]) {
    if (elemType !== undefined) types.set(name, elemType);
  }
  for (const { name, dataType } of graph.initializers) types.set(name, dataType);
  infer(model, graph.nodes, types, 0);
  return types;
}

/** Adds the types that follow from those that are known, in any order of the nodes. */
function infer(model: OnnxModel, nodes: readonly NodeInfo[], types: Map<string, number>, depth: number) {
  let open = nodes.filter((n) => n.outputs.some((v) => v !== '' && !types.has(v)));
  for (let before = Number.POSITIVE_INFINITY; open.length < before; ) {
    before = open.length;
    open = open.filter((node) => {
      node.outputs.forEach((name, output) => {
        if (name === '' || types.has(name)) return;
        const type = typeOfOutput(model, node, output, types, depth);
        if (type !== undefined) types.set(name, type);
      });
      return node.outputs.some((v) => v !== '' && !types.has(v));
    });
  }
}

function typeOfOutput(
  model: OnnxModel,
  node: NodeInfo,
  output: number,
  types: ReadonlyMap<string, number>,
  depth: number,
): number | undefined {
  const nested = node.domain === '' ? NESTED[node.opType] : undefined;
  if (nested) return node.attributes.get(nested.graph)?.g?.outputs[output + nested.skip]?.elemType;
  const called = calledBy(model, node);
  if (!called) return resultType(node, output, (name) => types.get(name));
  if (depth > MAX_DEPTH) return undefined;
  const inner = new Map<string, number>();
  called.inputs.forEach((formal, i) => {
    const type = types.get(node.inputs[i] ?? '');
    if (type !== undefined) inner.set(formal, type);
  });
  infer(model, called.nodes, inner, depth + 1);
  return inner.get(called.outputs[output]);
}

/** The function of the model that a node calls. */
export function calledBy(model: OnnxModel, { opType, domain, overload = '' }: NodeInfo) {
  return model.functions.find((f) => f.name === opType && f.domain === domain && f.overload === overload);
}
