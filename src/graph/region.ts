/**
 * Tracing the hidden units of an FFN from a linear map to the linear map that ends it.
 *
 * Why: merging is sound exactly when a permutation of the hidden units leaves the function unchanged, and that
 * holds when they flow only through element-wise operations (method.md, “Why it works at all”). So an FFN is found
 * by following values, never by a layer's name.
 *
 * Known limits: a split of one packed gate-and-up matrix, Conv 1×1 and nested graphs end the trace with a reason.
 */
import type { NodeInfo } from '../onnx/types.ts';
import { elementCount } from '../tensor/shape.ts';
import type { Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';
import { isVectorOver, type LinearMap, type Operand } from './linear.ts';

/** Element-wise operators of one data input that bend the hidden units: the sign of an activation. */
const NONLINEAR = new Set([
  'Relu', 'LeakyRelu', 'Elu', 'Selu', 'Celu', 'Gelu', 'Erf', 'Tanh', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Swish',
  'Silu', 'Mish', 'Softplus', 'Softsign', 'ThresholdedRelu', 'PRelu', 'Exp', 'QuickGelu', 'FastGelu', 'BiasGelu', 'Clip',
]); // biome-ignore format: a list reads best packed
const UNARY = new Set([
  ...NONLINEAR,
  'Sqrt',
  'Abs',
  'Neg',
  'Reciprocal',
  'Cast',
  'Identity',
  'Dropout',
  'Floor',
]);
const BINARY = new Set(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'PRelu']);
const VIEW = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);
const NORM = new Set(['LayerNormalization', 'SimplifiedLayerNormalization', 'RMSNormalization']);
const SHAPE_ONLY = new Set(['Shape', 'Size']);

export function isNonlinear(opType: string): boolean {
  return NONLINEAR.has(opType);
}
export function isView(opType: string): boolean {
  return VIEW.has(opType) || opType === 'Identity' || opType === 'Cast' || opType === 'Dropout';
}

/** What stands between the first and the last linear map of an FFN. */
export interface Region {
  /** Linear maps into the hidden units: one, or gate and up. In node order. */
  readonly ups: readonly LinearMap[];
  readonly down: LinearMap;
  /** The value that enters `down`. */
  readonly hidden: string;
  /** Constant vectors over the hidden units (biases, slopes, norm scales), in node order. */
  readonly vectors: readonly Operand[];
  /** Nodes of the region, in node order, without the linear maps. */
  readonly nodes: readonly NodeInfo[];
  readonly units: number;
}

export type Trace =
  | { readonly kind: 'ffn'; readonly region: Region }
  /** Looks like an FFN (an activation was met), but cannot be merged; `reason` completes “… because ”. */
  | {
      readonly kind: 'refused';
      readonly start: LinearMap;
      /** Linear maps into the same hidden units, as far as they were met. */
      readonly ups: readonly LinearMap[];
      readonly reason: string;
    }
  /** Not an FFN at all. */
  | { readonly kind: 'other' };

class Refusal extends Error {
  readonly at: NodeInfo | undefined;
  constructor(reason: string, at?: NodeInfo) {
    super(reason);
    this.at = at;
  }
}

/** Follows the outputs of `start` until every path ends in one linear map, or one path cannot be followed. */
export function traceRegion(
  start: LinearMap,
  index: GraphIndex,
  constants: Constants,
  linears: ReadonlyMap<NodeInfo, LinearMap>,
): Trace {
  const units = start.outSize;
  const region = new Set<string>([start.output]);
  const queue = [start.output];
  const ups = new Map<NodeInfo, LinearMap>([[start.node, start]]);
  const nodes = new Map<NodeInfo, true>();
  const vectors = new Map<string, Operand>();
  let down: LinearMap | undefined;
  let hidden = '';
  let bent = false;

  const addVector = (node: NodeInfo, input: number): boolean => {
    const source = constants.sourceOf(node.inputs[input]);
    if (!source || !isVectorOver(source.dims, units)) return false;
    vectors.set(`${node.index}:${input}`, { node, input, source });
    return true;
  };
  const join = (value: string) => {
    if (!region.has(value)) {
      region.add(value);
      queue.push(value);
    }
  };
  /** Brings in the linear map that another operand of an element-wise node comes from. */
  const joinFrom = (value: string, depth: number): boolean => {
    if (region.has(value)) return true;
    const node = index.producers.get(value);
    if (!node || depth > 24) return false;
    const linear = linears.get(node);
    if (linear) {
      if (linear.outSize !== units) return false;
      ups.set(node, linear);
      join(linear.output);
      return true;
    }
    if (VIEW.has(node.opType) || UNARY.has(node.opType)) return joinFrom(node.inputs[0], depth + 1);
    if (BINARY.has(node.opType)) {
      const dynamic = node.inputs.filter((v) => v !== '' && !constants.sourceOf(v));
      return dynamic.length > 0 && dynamic.every((v) => joinFrom(v, depth + 1));
    }
    return false;
  };
  const elementwise = (node: NodeInfo) => {
    node.inputs.forEach((value, input) => {
      if (value === '' || region.has(value)) return;
      const source = constants.sourceOf(value);
      if (source) {
        if (elementCount(source.dims) === 1 || source.dims.at(-1) === 1) return;
        if (addVector(node, input)) return;
        throw new Refusal(
          `its hidden units meet a constant of shape [${source.dims.join(', ')}] in ${node.opType}`,
        );
      }
      if (constants.scalarOf(value) !== undefined) return;
      if (!joinFrom(value, 0)) {
        throw new Refusal(
          `its hidden units meet the value “${value}” in ${node.opType}, which is not made by a linear map of ${units} outputs`,
        );
      }
    });
    join(node.outputs[0]);
  };
  const visit = (value: string, node: NodeInfo, input: number) => {
    if (input < 0) throw new Refusal('a nested graph reads its hidden units');
    if (SHAPE_ONLY.has(node.opType)) return;
    const linear = linears.get(node);
    if (linear) {
      if (linear.dataInput !== input || linear.inSize !== units) {
        throw new Refusal(`its hidden units enter ${node.opType} with ${linear.inSize} inputs, not ${units}`);
      }
      if (down && down.node !== linear.node) throw new Refusal('two linear maps read its hidden units');
      if (down && hidden !== value)
        throw new Refusal('its hidden units reach the last linear map in two ways');
      down = linear;
      hidden = value;
      return;
    }
    if (nodes.has(node)) return;
    if (UNARY.has(node.opType) || BINARY.has(node.opType)) {
      nodes.set(node, true);
      if (NONLINEAR.has(node.opType)) bent = true;
      elementwise(node);
    } else if (VIEW.has(node.opType) && input === 0) {
      if (!keepsLastAxis(node, units, index, constants, region))
        throw new Refusal(`${node.opType} cuts its hidden units apart`);
      nodes.set(node, true);
      join(node.outputs[0]);
    } else if (NORM.has(node.opType) && input === 0 && isLastAxis(node)) {
      for (let i = 1; i < node.inputs.length; i++) {
        if (node.inputs[i] !== '' && !addVector(node, i))
          throw new Refusal(`${node.opType} scales its hidden units by a value that is not a constant`);
      }
      nodes.set(node, true);
      join(node.outputs[0]);
    } else {
      throw new Refusal(`${node.opType} reads its hidden units`, node);
    }
  };

  try {
    for (let head = 0; head < queue.length; head++) {
      const value = queue[head];
      if (index.outputs.has(value)) throw new Refusal('its hidden units are an output of the model');
      for (const use of index.usesOf(value)) visit(value, use.node, use.input);
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return bent && endsInLinear([...queue, ...(error.at?.outputs ?? [])], index, linears)
      ? { kind: 'refused', start, ups: [...ups.values()], reason: error.message }
      : { kind: 'other' };
  }
  if (!down || !bent || ups.has(down.node)) return { kind: 'other' };
  if (ups.size > 2) {
    const reason = `${ups.size} linear maps feed its hidden units`;
    return { kind: 'refused', start, ups: [...ups.values()], reason };
  }
  const byOrder = (a: { node: NodeInfo }, b: { node: NodeInfo }) => index.order(a.node) - index.order(b.node);
  return {
    kind: 'ffn',
    region: {
      ups: [...ups.values()].sort(byOrder),
      down,
      hidden,
      vectors: [...vectors.values()].sort(byOrder),
      nodes: [...nodes.keys()].sort((a, b) => index.order(a) - index.order(b)),
      units,
    },
  };
}

/** True where some value of the region, or what ended it, enters a linear map: only then is a refusal worth a sentence. */
function endsInLinear(
  values: readonly string[],
  index: GraphIndex,
  linears: ReadonlyMap<NodeInfo, LinearMap>,
): boolean {
  return values.some((v) => index.usesOf(v).some((u) => linears.has(u.node)));
}

function isLastAxis(node: NodeInfo): boolean {
  return (node.attributes.get('axis')?.i ?? -1) === -1;
}

/**
 * Whether a view keeps the hidden units as its last axis. A row-major reshape does exactly when its last
 * dimension stays `units`: read from the shape operand, else from the recorded shape, else from the consumer
 * (a linear map contracts exactly `units`, so nothing else could run).
 */
function keepsLastAxis(
  node: NodeInfo,
  units: number,
  index: GraphIndex,
  constants: Constants,
  region: ReadonlySet<string>,
): boolean {
  const output = node.outputs[0];
  if (node.opType === 'Squeeze' || node.opType === 'Unsqueeze') {
    const axes =
      node.attributes.get('axes')?.ints ?? (node.inputs[1] ? constants.intsOf(node.inputs[1]) : undefined);
    if (axes === undefined || units < 2) return false;
    // An axis of more than one entry cannot be squeezed; a new last axis would take the hidden units' place.
    return node.opType === 'Squeeze' || axes.every((axis) => axis === 0 || axis < -1);
  }
  if (node.opType === 'Flatten') return true;
  const last = lastOfShape(node.inputs[1], index, constants, region, units, 0);
  if (last !== undefined && last !== -1) return last === units;
  const recorded = index.valueInfos.get(output)?.dims?.at(-1);
  if (typeof recorded === 'number') return recorded === units;
  const uses = index.usesOf(output).filter((u) => !SHAPE_ONLY.has(u.node.opType));
  return (
    uses.length > 0 &&
    uses.every((u) => u.input === 0 && (u.node.opType === 'MatMul' || u.node.opType === 'Gemm'))
  );
}

/** The last entry of a shape value, where it can be told without running the model; −1 stands for “inferred”. */
function lastOfShape(
  value: string | undefined,
  index: GraphIndex,
  constants: Constants,
  region: ReadonlySet<string>,
  units: number,
  depth: number,
): number | undefined {
  if (!value || depth > 12) return undefined;
  const known = constants.intsOf(value);
  if (known) return known.at(-1);
  const node = index.producers.get(value);
  if (!node) return undefined;
  const follow = (v: string | undefined) => lastOfShape(v, index, constants, region, units, depth + 1);
  switch (node.opType) {
    case 'Concat':
      return follow(node.inputs.at(-1));
    case 'Unsqueeze':
    case 'Squeeze':
    case 'Cast':
    case 'Identity':
      return follow(node.inputs[0]);
    case 'Shape':
      return region.has(node.inputs[0]) && node.attributes.get('end') === undefined ? units : undefined;
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
