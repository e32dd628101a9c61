/**
 * Views and cuts of a value with hidden units: whether a reshape keeps them whole, and which half a cut takes.
 *
 * Why: shapes in an exported graph are seldom written down; they are computed from other shapes. What must be known
 * is only whether the last axis stays, and whether a packed gate and up projection is cut in the middle.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';
import { isRounding, isShapeOnly } from './operators.ts';

/** What the functions below look things up in; `width` gives the size of the last axis of a traced value. */
export interface Surroundings {
  readonly index: GraphIndex;
  readonly constants: Constants;
  readonly width: (value: string) => number | undefined;
}

/**
 * Whether a view keeps the hidden units as its last axis. A row-major reshape does exactly when its last
 * dimension stays `units`: read from the shape operand, else from the recorded shape, else from the consumer
 * (a linear map contracts exactly `units`, so nothing else could run).
 */
export function keepsLastAxis(node: NodeInfo, units: number, around: Surroundings): boolean {
  const { index, constants } = around;
  const output = node.outputs[0];
  if (node.opType === 'Squeeze' || node.opType === 'Unsqueeze') {
    const axes =
      node.attributes.get('axes')?.ints ?? (node.inputs[1] ? constants.intsOf(node.inputs[1]) : undefined);
    if (axes === undefined || axes.includes(-1) || units <= 1) return false;
    if (node.opType === 'Squeeze') return true;
    const rank = rankOf(node.inputs[0], index);
    return axes.every((a) => a < 0 || (rank === undefined ? a <= 1 : a < rank));
  }
  if (node.opType === 'Flatten') return true;
  const last = lastOfShape(node.inputs[1], around, 0);
  if (last !== undefined && last !== -1) return last === units;
  const recorded = index.valueInfos.get(output)?.dims?.at(-1);
  if (typeof recorded === 'number') return recorded === units;
  return contracted(output, index);
}

/** Whether linear maps alone read a value, rounded or not. */
function contracted(value: string, index: GraphIndex): boolean {
  const uses = index.usesOf(value).filter((u) => !isShapeOnly(u.node.opType));
  return (
    uses.length > 0 &&
    uses.every(({ node, input }) => {
      if (input !== 0) return false;
      if (isRounding(node.opType)) return contracted(node.outputs[0], index);
      return node.opType === 'MatMul' || node.opType === 'Gemm';
    })
  );
}

/** The last entry of a shape value, where it can be told without running the model; −1 stands for “inferred”. */
function lastOfShape(value: string | undefined, around: Surroundings, depth: number): number | undefined {
  const { index, constants } = around;
  if (!value || depth > 12) return undefined;
  const known = constants.intsOf(value);
  if (known) return known.at(-1);
  const node = index.producers.get(value);
  if (!node) return undefined;
  const follow = (v: string | undefined) => lastOfShape(v, around, depth + 1);
  switch (node.opType) {
    case 'Concat':
      return follow(node.inputs.at(-1));
    case 'Unsqueeze':
    case 'Squeeze':
    case 'Cast':
    case 'Identity':
      return follow(node.inputs[0]);
    case 'Shape':
      return node.attributes.get('end') === undefined ? around.width(node.inputs[0]) : undefined;
    case 'Slice': {
      const start = constants.intsOf(node.inputs[1] ?? '')?.[0] ?? node.attributes.get('starts')?.ints?.[0];
      const end = constants.intsOf(node.inputs[2] ?? '')?.[0] ?? node.attributes.get('ends')?.ints?.[0];
      return start !== undefined && end !== undefined && end >= 1 << 30 ? follow(node.inputs[0]) : undefined;
    }
    case 'Gather':
      return constants.intsOf(node.inputs[1])?.[0] === -1 ? follow(node.inputs[0]) : undefined;
    default:
      return undefined;
  }
}

/** How many axes a value has, where the file says. */
export function rankOf(value: string, index: GraphIndex): number | undefined {
  return (index.valueInfos.get(value) ?? index.inputs.get(value))?.dims?.length;
}

/** An axis of a value counted from the end, where that can be told. */
export function fromEnd(axis: number, value: string, index: GraphIndex): number | undefined {
  if (axis < 0) return axis;
  const rank = rankOf(value, index);
  return rank === undefined ? undefined : axis - rank;
}

/** Where the axis goes in a Transpose, counted from the end. */
export function transposed(node: NodeInfo, axis: number): number | undefined {
  const perm = node.attributes.get('perm')?.ints;
  // Of two axes only a matrix of weights is transposed: hidden units that become rows are never a layout.
  if (!perm || perm.length < 3) return undefined;
  const at = perm.indexOf(perm.length + axis);
  return at < 0 ? undefined : at - perm.length;
}

/** Whether a Split or Slice of the last axis, of an even size, gives whole halves of it. */
export function cutsInHalves(node: NodeInfo, size: number, around: Surroundings): boolean {
  const { index, constants } = around;
  const value = node.inputs[0];
  const half = size / 2;
  if (!Number.isInteger(half)) return false;
  if (node.opType === 'Split') {
    if (node.outputs.length !== 2 || fromEnd(node.attributes.get('axis')?.i ?? 0, value, index) !== -1)
      return false;
    const sizes =
      node.attributes.get('split')?.ints ?? (node.inputs[1] ? constants.intsOf(node.inputs[1]) : undefined);
    return sizes ? sizes.length === 2 && sizes.every((s) => s === half) : !node.inputs[1];
  }
  if (node.opType !== 'Slice') return false;
  const read = (input: number, name: string) =>
    node.inputs[input] ? constants.intsOf(node.inputs[input]) : node.attributes.get(name)?.ints;
  const bounds = (input: number, name: string) => {
    const known = read(input, name);
    if (known) return known;
    const one = wholeNumber(node.inputs[input] ?? '', around, 0);
    return one === undefined ? undefined : [one];
  };
  const starts = bounds(1, 'starts');
  const ends = bounds(2, 'ends');
  const axes = read(3, 'axes');
  const steps = node.inputs[4] ? constants.intsOf(node.inputs[4]) : [1];
  if (starts?.length !== 1 || ends?.length !== 1 || axes?.length !== 1 || steps?.[0] !== 1) return false;
  if (fromEnd(axes[0], value, index) !== -1) return false;
  const clamp = (v: number) => Math.min(size, Math.max(0, v < 0 ? v + size : v));
  const [start, end] = [clamp(starts[0]), clamp(ends[0])];
  return end - start === half && (start === 0 || start === half);
}

/** Whether a Slice takes every second entry of the last axis. */
export function takesEverySecond(node: NodeInfo, value: string, { index, constants }: Surroundings): boolean {
  const [axes, steps] = [node.inputs[3], node.inputs[4]].map((v) => (v ? constants.intsOf(v) : undefined));
  return axes?.length === 1 && steps?.[0] === 2 && fromEnd(axes[0], value, index) === -1;
}

/** A whole number computed from constants and from the sizes of traced values, as `chunk` writes its bounds. */
function wholeNumber(value: string, around: Surroundings, depth: number): number | undefined {
  const { index, constants } = around;
  const known = constants.intsOf(value);
  if (known) return known.length === 1 ? known[0] : undefined;
  const node = index.producers.get(value);
  if (!node || depth > 12) return undefined;
  const follow = (v: string | undefined) => (v ? wholeNumber(v, around, depth + 1) : undefined);
  if (['Unsqueeze', 'Squeeze', 'Cast', 'Identity', 'Reshape'].includes(node.opType))
    return follow(node.inputs[0]);
  if (node.opType === 'Gather') {
    const shape = index.producers.get(node.inputs[0]);
    const axis = constants.intsOf(node.inputs[1])?.[0];
    if (shape?.opType !== 'Shape' || shape.attributes.size > 0 || axis === undefined) return undefined;
    return fromEnd(axis, shape.inputs[0], index) === -1 ? around.width(shape.inputs[0]) : undefined;
  }
  const [a, b] = [follow(node.inputs[0]), follow(node.inputs[1])];
  if (a === undefined || b === undefined) return undefined;
  switch (node.opType) {
    case 'Add':
      return a + b;
    case 'Sub':
      return a - b;
    case 'Mul':
      return a * b;
    case 'Div':
      return b === 0 ? undefined : Math.trunc(a / b);
    default:
      return undefined;
  }
}
