/**
 * Tracing the hidden units of an FFN from a linear map to the linear map that ends it.
 *
 * Why: merging is sound exactly when a permutation of the hidden units leaves the function unchanged, and that
 * holds when they flow only through element-wise operations (method.md, “Why it works at all”). So an FFN is found
 * by following values, never by a layer's name.
 *
 * Of each value the axis of its hidden units is known, counted from the end (−1, or the channels of a convolution),
 * and its size: n, or 2n before one packed gate-and-up projection is cut in halves. A permutation of the n units then
 * acts on both halves alike.
 *
 * Pairs of QuantizeLinear and DequantizeLinear with one scale are element-wise (see rounding.ts).
 *
 * Known limits: interleaved gate and up, nested graphs, and scales for each hidden unit end the trace with a reason.
 */
import type { NodeInfo } from '../onnx/types.ts';
import { elementCount } from '../tensor/shape.ts';
import type { Constants } from './constants.ts';
import type { GraphIndex } from './index-graph.ts';
import { isVectorOver, type LinearMap, type Operand } from './linear.ts';
import {
  isBinary,
  isNonlinear,
  isNorm,
  isReshape,
  isRounding,
  isShapeOnly,
  isUnary,
  opOf,
} from './operators.ts';
import { operandOf, storedConstant } from './packing.ts';
import { clipsAtZero, scaledBy } from './rounding.ts';
import {
  cutsInHalves,
  fromEnd,
  keepsLastAxis,
  type Surroundings,
  takesEverySecond,
  transposed,
} from './views.ts';

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
  /** The two halves of a packed gate-and-up projection, by value name, in node order. */
  readonly halves?: readonly [string, string];
  /** Axis of the hidden units in the values of the region, counted from the end. */
  readonly axes: ReadonlyMap<string, number>;
}

export type Trace =
  | { readonly kind: 'ffn'; readonly region: Region }
  /** Looks like an FFN (an activation was met), but cannot be merged; `reason` completes “… because ”. */
  | { readonly kind: 'refused'; readonly ups: readonly LinearMap[]; readonly reason: string }
  /** Not an FFN at all. */
  | { readonly kind: 'other' };

class Refusal extends Error {
  readonly at: NodeInfo | undefined;
  /** Worth a sentence although no activation was met yet. */
  readonly sure: boolean;
  constructor(reason: string, at?: NodeInfo, sure = false) {
    super(reason);
    this.at = at;
    this.sure = sure;
  }
}

/** Where the hidden units of a value are, and how many entries they take. */
interface Place {
  readonly axis: number;
  readonly size: number;
}

/** Follows the outputs of `start` until every path ends in one linear map, or one path cannot be followed. */
export function traceRegion(
  start: LinearMap,
  index: GraphIndex,
  constants: Constants,
  linears: ReadonlyMap<NodeInfo, LinearMap>,
): Trace {
  const tracer = new Tracer(start, index, constants, linears);
  try {
    tracer.run();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.sure ||
      (tracer.bent && endsInLinear([...tracer.queue, ...(error.at?.outputs ?? [])], index, linears))
      ? { kind: 'refused', ups: tracer.entries(), reason: error.message }
      : { kind: 'other' };
  }
  const region = tracer.region();
  return region ? { kind: 'ffn', region } : { kind: 'other' };
}

class Tracer {
  readonly queue: string[] = [];
  bent = false;
  private readonly places = new Map<string, Place>();
  private readonly ups = new Map<NodeInfo, LinearMap>();
  private readonly nodes = new Map<NodeInfo, Place>();
  private readonly vectors = new Map<string, Operand>();
  private readonly halves: string[] = [];
  private down: LinearMap | undefined;
  private hidden = '';
  private readonly around: Surroundings;

  constructor(
    private readonly start: LinearMap,
    private readonly index: GraphIndex,
    private readonly constants: Constants,
    private readonly linears: ReadonlyMap<NodeInfo, LinearMap>,
  ) {
    this.around = { index, constants, width: (value) => this.places.get(value)?.size };
    this.enter(start);
  }

  run(): void {
    for (let head = 0; head < this.queue.length; head++) {
      const value = this.queue[head];
      if (this.index.outputs.has(value)) throw new Refusal('its hidden units are an output of the model');
      for (const use of this.index.usesOf(value)) this.visit(value, use.node, use.input);
    }
    if (this.down && this.ups.size > 2) {
      throw new Refusal(
        `its hidden units come from ${this.ups.size} linear maps, where one or two are an FFN's`,
      );
    }
    const size = this.places.get(this.hidden)?.size;
    if (this.halves.length > 0 && (this.halves.length !== 2 || size !== this.units || this.ups.size > 1)) {
      throw new Refusal('its hidden units are cut apart in a way that is not gate and up');
    }
  }

  /** Linear maps into the hidden units, as far as they were met. */
  entries(): LinearMap[] {
    return [...this.ups.values()];
  }

  region(): Region | undefined {
    const { down, hidden, start, index } = this;
    if (!down || !this.bent || this.ups.has(down.node)) return undefined;
    const byOrder = (a: { node: NodeInfo }, b: { node: NodeInfo }) =>
      index.order(a.node) - index.order(b.node);
    const [first, second] = this.halves;
    return {
      ups: [...this.ups.values()].sort(byOrder),
      down,
      hidden,
      vectors: [...this.vectors.values()].sort(byOrder),
      nodes: [...this.nodes.keys()].sort((a, b) => index.order(a) - index.order(b)),
      units: second === undefined ? start.outSize : this.units,
      ...(second !== undefined && { halves: [first, second] as const }),
      axes: new Map([...this.places].map(([value, { axis }]) => [value, axis])),
    };
  }

  /** Hidden units; known once a cut was met. */
  private get units(): number {
    return this.halves.length > 0 ? this.start.outSize / 2 : this.start.outSize;
  }

  private enter(map: LinearMap): void {
    this.ups.set(map.node, map);
    if (map.activation !== undefined) this.bent = true;
    this.join(map.output, { axis: map.dataAxis, size: map.outSize });
  }

  private join(value: string, place: Place): void {
    if (this.places.has(value)) return;
    this.places.set(value, place);
    this.queue.push(value);
  }

  private visit(value: string, node: NodeInfo, input: number): void {
    if (input < 0) throw new Refusal('a nested graph reads its hidden units');
    const op = opOf(node);
    if (isShapeOnly(op)) return;
    const place = this.places.get(value)!;
    const linear = this.linears.get(node);
    if (linear) {
      this.leave(value, linear, input, place);
      return;
    }
    const known = this.nodes.get(node);
    if (known) {
      if (known.axis !== place.axis || known.size !== place.size) {
        throw new Refusal(`${node.opType} joins hidden units that lie in different places`);
      }
      return;
    }
    if (isUnary(op) || isBinary(op)) {
      this.nodes.set(node, place);
      if (isNonlinear(op)) this.bent = true;
      this.elementwise(node, place);
    } else if (isRounding(op) && input === 0) {
      const manner = scaledBy(node, this.constants);
      if (manner !== 'one') {
        const scales = manner === 'several' ? 'several scales' : 'a computed scale';
        throw new Refusal(`${node.opType} rounds its hidden units with ${scales}`, node);
      }
      if (clipsAtZero(node, this.constants)) this.bent = true;
      this.pass(node, place);
    } else if (isReshape(op) && input === 0) {
      if (place.axis !== -1 || !keepsLastAxis(node, place.size, this.around))
        throw new Refusal(`${node.opType} cuts its hidden units apart`);
      this.pass(node, place);
    } else if (op === 'Transpose') {
      const axis = transposed(node, place.axis);
      if (axis === undefined) throw new Refusal('Transpose reads its hidden units', node);
      this.nodes.set(node, place);
      this.join(node.outputs[0], { ...place, axis });
    } else if ((op === 'Split' || op === 'Slice') && input === 0) {
      this.cut(value, node, place);
    } else if (isNorm(op) && input === 0 && this.isOverUnits(node, value, place)) {
      for (let i = 1; i < node.inputs.length; i++) {
        if (node.inputs[i] !== '' && !this.addVector(node, i, place))
          throw new Refusal(`${node.opType} scales its hidden units by a value that is not a constant`);
      }
      this.pass(node, place);
    } else {
      throw new Refusal(`${node.opType} reads its hidden units`, node);
    }
  }

  private pass(node: NodeInfo, place: Place): void {
    this.nodes.set(node, place);
    this.join(node.outputs[0], place);
  }

  private leave(value: string, linear: LinearMap, input: number, place: Place): void {
    const { node } = linear;
    if (linear.dataInput !== input || linear.inSize !== place.size || linear.dataAxis !== place.axis) {
      throw new Refusal(
        `its hidden units enter ${node.opType} with ${linear.inSize} inputs, not ${place.size}`,
      );
    }
    if (this.down && this.down.node !== node) throw new Refusal('two linear maps read its hidden units');
    if (this.down && this.hidden !== value)
      throw new Refusal('its hidden units reach the last linear map in two ways');
    this.down = linear;
    this.hidden = value;
  }

  /** A packed gate-and-up projection may be cut in halves once. */
  private cut(value: string, node: NodeInfo, place: Place): void {
    if (place.axis === -1 && takesEverySecond(node, value, this.around)) {
      throw new Refusal('its gate and up projections are interleaved in one matrix', node, true);
    }
    if (
      place.axis !== -1 ||
      place.size !== this.start.outSize ||
      !cutsInHalves(node, place.size, this.around)
    ) {
      throw new Refusal(`${node.opType} cuts its hidden units apart`, node);
    }
    this.nodes.set(node, place);
    for (const output of node.outputs) {
      if (output === '') continue;
      this.halves.push(output);
      this.join(output, { axis: -1, size: place.size / 2 });
    }
    if (this.halves.length > 2) throw new Refusal(`${node.opType} cuts “${value}” apart once more`);
  }

  private elementwise(node: NodeInfo, place: Place): void {
    node.inputs.forEach((value, input) => {
      if (value === '') return;
      const other = this.places.get(value);
      if (other) {
        if (other.axis === place.axis && other.size === place.size) return;
        throw new Refusal(`${node.opType} joins hidden units that lie in different places`);
      }
      const source = storedConstant(value, this.index, this.constants)?.source;
      if (source) {
        const at = source.dims.length + place.axis;
        if (elementCount(source.dims) === 1 || at < 0 || source.dims[at] === 1) return;
        if (this.addVector(node, input, place)) return;
        throw new Refusal(
          `its hidden units meet a constant of shape [${source.dims.join(', ')}] in ${node.opType}`,
        );
      }
      if (this.isScalar(value, 0)) return;
      if (!this.joinFrom(value, place, 0)) {
        throw new Refusal(
          `its hidden units meet the value “${value}” in ${node.opType}, which is not made by a linear map of ${place.size} outputs`,
        );
      }
    });
    this.join(node.outputs[0], place);
  }

  private addVector(node: NodeInfo, input: number, { axis, size }: Place): boolean {
    const stored = storedConstant(node.inputs[input], this.index, this.constants);
    if (!stored || !isVectorOver(stored.source.dims, size, axis)) return false;
    this.vectors.set(`${node.index}:${input}`, operandOf(node, input, stored));
    return true;
  }

  /** One number, computed from constants of one number each. */
  private isScalar(value: string, depth: number): boolean {
    if (this.constants.scalarOf(value) !== undefined) return true;
    const source = this.constants.sourceOf(value);
    if (source) return elementCount(source.dims) === 1;
    const node = this.index.producers.get(value);
    if (!node || depth > 6) return false;
    const op = opOf(node);
    return (isUnary(op) || isBinary(op)) && node.inputs.every((v) => v === '' || this.isScalar(v, depth + 1));
  }

  /** Brings in the linear map that another operand of an element-wise node comes from. */
  private joinFrom(value: string, place: Place, depth: number): boolean {
    if (this.places.has(value)) return true;
    const node = this.index.producers.get(value);
    if (!node || depth > 24) return false;
    const linear = this.linears.get(node);
    if (linear) {
      if (linear.outSize !== place.size) return false;
      this.enter(linear);
      return true;
    }
    const op = opOf(node);
    if (isReshape(op) || isUnary(op) || isRounding(op) || op === 'Transpose')
      return this.joinFrom(node.inputs[0], place, depth + 1);
    // The other half of the same projection joins when its cut is visited.
    if (op === 'Split' || op === 'Slice') return this.places.has(node.inputs[0]);
    if (isBinary(op)) {
      const computed = node.inputs.filter(
        (v) => v !== '' && !this.constants.isConstant(v) && !this.isScalar(v, 0),
      );
      return computed.length > 0 && computed.every((v) => this.joinFrom(v, place, depth + 1));
    }
    return false;
  }

  private isOverUnits(node: NodeInfo, value: string, { axis }: Place): boolean {
    return axis === -1 && fromEnd(node.attributes.get('axis')?.i ?? -1, value, this.index) === -1;
  }
}

/** True where some value of the region, or what ended it, enters a linear map: only then is a refusal worth a sentence. */
function endsInLinear(
  values: readonly string[],
  index: GraphIndex,
  linears: ReadonlyMap<NodeInfo, LinearMap>,
): boolean {
  return values.some((v) =>
    index
      .usesOf(v)
      .some(
        (u) =>
          linears.has(u.node) || (isRounding(opOf(u.node)) && endsInLinear(u.node.outputs, index, linears)),
      ),
  );
}
