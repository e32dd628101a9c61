/**
 * Names for people: `transformer.h.4.mlp` rather than `addmm_18`.
 *
 * Why: exporters keep the module path in different places (weight names, bias names, node names), and one exporter
 * renames some of them. The longest dotted path that the operands of an FFN share is the module's.
 *
 * Known limits: where no path is kept, the name of the first node stands in.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { Operand } from './linear.ts';

/** A label for an FFN from the names that its nodes and constants carry. */
export function layerLabel(nodes: readonly NodeInfo[], operands: readonly Operand[]): string {
  const names = operands.map((o) => o.source.tensor.name || (o.source.holder?.outputs[0] ?? ''));
  const paths = [...names, ...nodes.map((n) => n.name)].map(splitPath).filter((p) => p.length >= 3);
  if (paths.length === 0) return nodes[0].name || nodes[0].outputs[0];
  const [first, ...rest] = paths;
  let shared = first.length;
  for (const path of rest) {
    let k = 0;
    while (k < shared && path[k] === first[k]) k++;
    // A path from a foreign source (a shared constant of another layer) must not empty the label.
    if (k >= 2) shared = Math.min(shared, k);
  }
  const kept = first.slice(0, shared === first.length ? first.length - 1 : shared);
  return kept.join('.');
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
  return first.map((part, i) => (split.every((s) => s[i] === part) ? part : '*')).join('.');
}
