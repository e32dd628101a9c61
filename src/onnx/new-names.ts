/**
 * Names that edits give to values: each must be new where it is made, around it, and in the graphs inside.
 *
 * Why: ONNX knows each name once in a graph and the graphs in it (a branch may not shadow what it could read), while
 * two branches side by side may have the same names. A clash makes a file that no runtime opens.
 *
 * Known limits: names that the file already has twice are left as they are.
 */
import type { GraphInfo, ModelEdits, NodeInfo, OnnxModel } from './types.ts';
import { OnnxError } from './types.ts';

/**
 * @throws OnnxError `bad-data` where an output that an edit renames or adds has a name that another value has;
 *   `bad-reference` where the node is a function's, which all of its calls share
 */
export function checkNewNames(model: OnnxModel, edits: ModelEdits): void {
  const edited = [...(edits.nodes ?? [])].filter(([, e]) => e !== 'drop' && (e.outputs || e.after?.length));
  if (edited.length === 0) return;
  const graphs = graphsOf(model, edits);
  const check = (home: Named, names: readonly string[]) => {
    const related = graphs.filter((g) => g === home || isAround(g, home) || isAround(home, g));
    for (const name of names) {
      if (related.reduce((n, g) => n + (g.names.get(name) ?? 0), 0) <= 1) continue;
      throw new OnnxError(
        'bad-data',
        `The model already has a value "${name}"; give the new one another name.`,
      );
    }
  };
  for (const [node] of edited) {
    const home = graphs.find((g) => g.graph.nodes.includes(node));
    if (!home) {
      throw new OnnxError(
        'bad-reference',
        `The node "${node.name || node.opType}" is in a function, whose calls share it; it cannot be given other outputs or nodes behind it.`,
        node.field.start,
      );
    }
    check(home, newNames(node, edits));
  }
  check(
    graphs[0],
    (edits.addInitializers ?? []).map((t) => t.name),
  );
}

interface Named {
  readonly graph: GraphInfo;
  readonly around?: Named;
  /** How many values of the edited graph have a name. */
  readonly names: ReadonlyMap<string, number>;
}

function isAround(outer: Named, inner: Named): boolean {
  for (let at = inner.around; at; at = at.around) if (at === outer) return true;
  return false;
}

function newNames(node: NodeInfo, edits: ModelEdits): string[] {
  const edit = edits.nodes!.get(node);
  if (!edit || edit === 'drop') return [];
  const renamed = (edit.outputs ?? []).filter((name, i) => name !== node.outputs[i]);
  return [...renamed, ...(edit.after ?? []).flatMap((n) => n.outputs)].filter((name) => name !== '');
}

/** The graphs of a model with the names that they will have. */
function graphsOf(model: OnnxModel, edits: ModelEdits): Named[] {
  const all: Named[] = [];
  const add = (graph: GraphInfo, around: Named | undefined): void => {
    const names = new Map<string, number>();
    const define = (name: string) => name !== '' && names.set(name, (names.get(name) ?? 0) + 1);
    // An initializer may be listed as an input as well.
    const given = new Set(graph.inputs.map((v) => v.name));
    for (const tensor of graph.initializers) {
      const edit = edits.tensors?.get(tensor);
      if (edit !== 'drop') given.add((edit ?? tensor).name);
    }
    if (graph === model.graph) {
      for (const { name } of [...(edits.addInitializers ?? []), ...(edits.addInputs ?? [])]) given.add(name);
    }
    given.forEach(define);
    const mine: Named = { graph, names, ...(around && { around }) };
    all.push(mine);
    for (const node of graph.nodes) {
      const edit = edits.nodes?.get(node);
      if (edit === 'drop') continue;
      (edit?.outputs ?? node.outputs).forEach(define);
      for (const { outputs } of edit?.after ?? []) outputs.forEach(define);
      for (const { g } of node.attributes.values()) if (g) add(g, mine);
    }
  };
  add(model.graph, undefined);
  return all;
}
