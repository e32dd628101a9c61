/**
 * Names for people: `transformer.h.4.mlp` rather than `addmm_18`.
 *
 * Why: exporters keep the module path in different places (weight names, bias names, node names), and one exporter
 * renames some of them. The longest dotted path that the operands of an FFN share is the module's.
 *
 * Known limits: where no path is kept, the name of the first node stands in.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { GraphIndex } from './index-graph.ts';
import type { Operand } from './linear.ts';

/**
 * A label for an FFN: the module path that the names of its nodes share, else that of its constants, else that of the
 * normalisation before it, else the name of the first node.
 * @param input the value that enters the FFN, to look for the normalisation
 */
export function layerLabel(
  nodes: readonly NodeInfo[],
  operands: readonly Operand[],
  input?: string,
  index?: GraphIndex,
): string {
  const names = operands.map((o) => o.source.tensor.name || (o.source.holder?.outputs[0] ?? ''));
  // Constants may be shared with other layers, node names never are.
  const path = sharedPath(nodes.map((n) => n.name)) ?? sharedPath(names);
  if (path) return path;
  const norm = input !== undefined && index ? normPath(input, index) : undefined;
  return norm ?? (nodes[0].name || nodes[0].outputs[0]);
}

function sharedPath(names: readonly string[]): string | undefined {
  const paths = names.map(splitPath).filter((p) => p.length >= 3);
  if (paths.length === 0) return undefined;
  const [first, ...rest] = paths;
  let shared = first.length;
  for (const path of rest) {
    let k = 0;
    while (k < shared && path[k] === first[k]) k++;
    // A path from a foreign source (a shared constant of another layer) must not empty the label.
    if (k >= 2) shared = Math.min(shared, k);
  }
  return first.slice(0, shared === first.length ? first.length - 1 : shared).join('.');
}

/** The module that holds the normalisation before a value: its scale keeps a name where weights were renamed. */
function normPath(value: string, index: GraphIndex): string | undefined {
  const queue = [value];
  for (let head = 0; head < queue.length && head < 8; head++) {
    for (const input of index.producers.get(queue[head])?.inputs ?? []) {
      const path = index.initializers.has(input) ? splitPath(input) : [];
      if (path.length >= 4) return path.slice(0, -2).join('.');
      queue.push(input);
    }
  }
  return undefined;
}

/** Module path of a name: dots and slashes separate; a leading wrapper such as `m` and the leaf are kept out later. */
function splitPath(name: string): string[] {
  if (/^(val|onnx::|node|_?inlfunc|Constant)[_\d]*/i.test(name)) return [];
  const parts = name.split(/[/.]/).filter((p) => p !== '');
  return parts.length > 1 && parts[0].length === 1 ? parts.slice(1) : parts;
}

/** One name for many: the parts in which the labels differ become `*`. */
export function templateOf(labels: readonly string[]): string {
  const split = labels.map((l) => l.split('.'));
  const [first] = split;
  if (split.some((s) => s.length !== first.length)) return `${labels[0]} …`;
  if (first.length === 1 && labels.length > 1) return `${labels[0]} …`;
  return first.map((part, i) => (split.every((s) => s[i] === part) ? part : '*')).join('.');
}
