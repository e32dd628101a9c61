/**
 * Naming the activation of an FFN region: one fused operator, or a formula written out node by node.
 *
 * Why: only FFNs with the same function may be merged, and people want to see which it is. The name is part of the
 * group key together with the region's operators, so a wrong name never lets two different functions merge.
 *
 * Known limits: a formula that is none of the known ones is named by its operators.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { Constants } from './constants.ts';
import { isNonlinear, isRounding, isView } from './operators.ts';
import type { Region } from './region.ts';
import { clipsAtZero } from './rounding.ts';

export type ActivationId =
  | 'relu'
  | 'relu-squared'
  | 'gelu-erf'
  | 'gelu-tanh'
  | 'gelu-sigmoid'
  | 'silu'
  | 'tanh'
  | 'sigmoid'
  | 'other';

export interface Activation {
  readonly id: ActivationId;
  /** For people, e.g. `GELU (tanh)`. */
  readonly label: string;
}

const LABELS: Record<Exclude<ActivationId, 'other'>, string> = {
  relu: 'ReLU',
  'relu-squared': 'squared ReLU',
  'gelu-erf': 'GELU (erf)',
  'gelu-tanh': 'GELU (tanh)',
  'gelu-sigmoid': 'GELU (sigmoid)',
  silu: 'SiLU',
  tanh: 'tanh',
  sigmoid: 'sigmoid',
};

/** Names the activation of a region. */
export function activationOf(region: Region, constants: Constants): Activation {
  const fused = region.ups.map((m) => m.activation?.toLowerCase()).find((a) => a !== undefined);
  if (fused === 'relu' || fused === 'tanh' || fused === 'sigmoid') return { id: fused, label: LABELS[fused] };
  const id = identify(region.nodes, constants);
  if (id !== 'other') return { id, label: LABELS[id] };
  const ops = region.nodes.filter((n) => isNonlinear(n.opType)).map((n) => n.opType);
  return { id, label: [...new Set(ops)].join(' + ') };
}

function identify(nodes: readonly NodeInfo[], constants: Constants): ActivationId {
  const bending = nodes.filter((n) => isNonlinear(n.opType));
  if (bending.length === 0 && nodes.some((n) => clipsAtZero(n, constants))) return 'relu';
  if (bending.length !== 1) return 'other';
  const [node] = bending;
  const scalars = nodes
    .filter((n) => !isRounding(n.opType))
    .flatMap((n) => n.inputs.map((v) => constants.scalarOf(v)))
    .filter((v) => v !== undefined);
  const has = (value: number) => scalars.some((s) => Math.abs(s - value) < 1e-3 * Math.abs(value));
  const products = nodes.filter((n) => n.opType === 'Mul').length;
  switch (node.opType) {
    case 'Relu':
      return isSquared(node, nodes, constants) ? 'relu-squared' : 'relu';
    case 'Gelu':
      return node.attributes.get('approximate')?.s === 'tanh' ? 'gelu-tanh' : 'gelu-erf';
    case 'BiasGelu':
      return 'gelu-erf';
    case 'FastGelu':
      return 'gelu-tanh';
    case 'QuickGelu':
      return 'gelu-sigmoid';
    case 'Silu':
    case 'Swish':
      return 'silu';
    case 'Erf':
      return products > 0 && (has(Math.SQRT2) || has(Math.SQRT1_2)) ? 'gelu-erf' : 'other';
    case 'Tanh':
      if (products > 0 && has(0.044715)) return 'gelu-tanh';
      return products === 0 ? 'tanh' : 'other';
    case 'Sigmoid':
      if (products === 0) return 'sigmoid';
      return has(1.702) ? 'gelu-sigmoid' : 'silu';
    default:
      return 'other';
  }
}

/** Whether what a node gives is multiplied with itself. */
function isSquared(node: NodeInfo, nodes: readonly NodeInfo[], constants: Constants): boolean {
  const values = new Set([node.outputs[0]]);
  for (const n of nodes) if (isRounding(n.opType) && values.has(n.inputs[0])) values.add(n.outputs[0]);
  return nodes.some(
    ({ opType, inputs }) =>
      values.has(inputs[0]) &&
      ((opType === 'Pow' && constants.scalarOf(inputs[1]) === 2) ||
        (opType === 'Mul' && inputs[1] === inputs[0])),
  );
}

/** The region's operators in order, views left out: equal strings mean equal functions up to constants. */
export function regionSignature(region: Region, constants: Constants): string {
  return region.nodes
    .filter((n) => !isView(n.opType))
    .map((n) => {
      const scalars = n.inputs.map((v) => constants.scalarOf(v)).filter((v) => v !== undefined);
      const attributes = [...n.attributes.values()]
        .map((a) => `${a.name}=${a.f ?? a.i ?? a.s ?? a.ints?.join(':') ?? ''}`)
        .sort();
      return `${n.opType}(${scalars.join(';')}${attributes.length ? `|${attributes.join(';')}` : ''})`;
    })
    .join(' ');
}
