/**
 * Where the files can change a value of one layer's FFN after it is made: the node that gives it, and the name of what
 * a low-rank delta starts from.
 *
 * Why: what a layer keeps of its own (own.ts) is written as nodes behind that node, so the value must be one of the
 * file's own: not made and read inside a function, nor inside one fused operator.
 *
 * Known limits: nothing is added inside a function, not even where it is called once.
 */
import { isVisible } from '../flatten/sites.ts';
import type { FlatModel, Part, Scope, ValueOrigin } from '../flatten/types.ts';
import { calledBy } from '../flatten/value-types.ts';
import type { Ffn } from '../graph/ffn.ts';
import { isReshape, opOf } from '../graph/operators.ts';
import type { FfnWeight, WeightRole } from '../graph/weights.ts';
import type { NodeInfo } from '../onnx/types.ts';
import type { OwnPlace } from './own.ts';
import type { View } from './views.ts';

/** Which changes all files can take at a place; `delta`: low-rank ones too. */
export type PlaceUse =
  | { readonly possible: true; readonly delta: boolean }
  /** Completes “… because ”. */
  | { readonly possible: false; readonly reason: string };

const OWN_PLACES: readonly OwnPlace[] = ['in', 'gate', 'hidden', 'out'];

/** A value of an FFN in its file. */
export interface Spot {
  readonly part: Part;
  readonly scope: Scope;
  /** The node that gives it, and as which of its outputs. */
  readonly node: NodeInfo;
  readonly output: number;
  readonly name: string;
  /** Axis of its features, counted from the end. */
  readonly axis: number;
  /** What a delta starts from, and whether its rows lie in another shape; absent where there can be none. */
  readonly from?: { readonly name: string; readonly reshaped: boolean };
  /** Weights that have the value's element type and that of `from`, where the file does not record them. */
  readonly typedLike: FfnWeight;
  readonly fromTypedLike: FfnWeight;
}

/** What can be changed of an FFN of the first view, in all views that have it. A plain FFN has no place `gate`. */
export function placesFor(views: readonly View[], ffn: Ffn): ReadonlyMap<OwnPlace, PlaceUse> {
  const uses = new Map<OwnPlace, PlaceUse>();
  for (const place of OWN_PLACES) {
    if (place === 'gate' && ffn.gatePreActivation === undefined) continue;
    const spots = views.flatMap((view) => {
      const twin = view.twinOf(ffn);
      return twin ? [spotOf(view, twin, place)] : [];
    });
    const reason = spots.find((s) => typeof s === 'string');
    if (typeof reason === 'string') uses.set(place, { possible: false, reason });
    else {
      const delta = place !== 'hidden' && spots.every((s) => typeof s !== 'string' && s.from !== undefined);
      uses.set(place, { possible: true, delta });
    }
  }
  return uses;
}

/** Where a view has a value of one of its FFNs; or why it cannot be changed there, completing “… because ”. */
export function spotOf(view: View, ffn: Ffn, place: OwnPlace): Spot | string {
  const value = valueAt(ffn, place);
  if (value === undefined) return 'the FFN has no gate';
  const fused = fusedAt(view, ffn, place, value);
  if (fused !== undefined) return fused;
  const found = definedOutside(view, value);
  if (typeof found === 'string') return found;
  const { scope, name } = found;
  const node = scope.nodes.find((n) => n.outputs.includes(name));
  if (!node) return `no node of the file makes the value “${name}”`;
  if ((scope.use.part.model.opsets.get('') ?? 0) < FIRST_BROADCASTING)
    return `the file is of operator set ${scope.use.part.model.opsets.get('') ?? 0}, which has no broadcasting`;
  const weightOf = (...roles: WeightRole[]) =>
    roles.map((r) => ffn.weights.find((w) => w.role === r)).find((w) => w !== undefined)!;
  const [linear, typedLike] = {
    in: () => [weightOf('w_in'), weightOf('b_in', 'w_in')],
    // Packed, gate and up are one matrix.
    gate: () => [weightOf('w_gate', 'w_in'), weightOf('b_gate', 'b_in', 'w_gate', 'w_in')],
    hidden: () => [weightOf('w_out'), weightOf('w_out')],
    out: () => [weightOf('w_out'), weightOf('b_out', 'w_out')],
  }[place]();
  const axis = ffn.featureAxes?.get(value) ?? -1;
  const from = place === 'hidden' ? undefined : startOf(view, ffn, place, value, linear, scope);
  return {
    part: scope.use.part,
    scope,
    node,
    output: node.outputs.indexOf(name),
    name,
    axis,
    ...(from && !(from.reshaped && axis !== -1) && { from }),
    typedLike,
    fromTypedLike: linear,
  };
}

/** Operators broadcast as numpy does since this version. */
const FIRST_BROADCASTING = 7;

function valueAt(ffn: Ffn, place: OwnPlace): string | undefined {
  switch (place) {
    case 'in':
      return ffn.preActivation;
    case 'gate':
      return ffn.gatePreActivation;
    case 'hidden':
      return ffn.hidden;
    case 'out':
      return ffn.output;
  }
}

/** Z is the value that enters the activation: it is none of the file's where one operator adds the bias and bends. */
function fusedAt({ search }: View, ffn: Ffn, place: OwnPlace, value: string): string | undefined {
  if (place !== 'in' && place !== 'gate') return undefined;
  const { index } = search;
  const made = index.producers.get(value);
  if (made && value === ffn.hidden) return `the operator ${made.opType} applies the activation itself`;
  if (made?.attributes.get('activation')?.s)
    return `the operator ${made.opType} applies the activation itself`;
  const adds = index.usesOf(value).find(({ node, input }) => input === 0 && addsBias(node));
  return adds && `the operator ${adds.node.opType} adds the bias and applies the activation at once`;
}

function addsBias(node: NodeInfo): boolean {
  const op = opOf(node);
  return (op === 'BiasGelu' || op === 'FastGelu') && (node.inputs[1] ?? '') !== '';
}

/** A value where it is defined outside of all functions, seen by all of its readers; or why there is no such place. */
function definedOutside({ flat, search }: View, value: string): ValueOrigin | string {
  let at = flat.originOfValue(value);
  if (!at) return `the value “${value}” is none of the file’s own`;
  while (isInFunction(at.scope)) {
    const inside = at.scope;
    const outer = liftedOnce(at);
    const staysInside = search.index.usesOf(value).some(({ node }) => {
      const origin = flat.originOfNode(node);
      return !origin || isWithin(origin.scope, inside);
    });
    if (!outer || staysInside) {
      const name = functionAround(inside)?.holder?.opType;
      return `it is computed inside the function “${name}”, where nothing can be added`;
    }
    at = outer;
  }
  return at;
}

function functionAround(scope: Scope): Scope | undefined {
  for (let at: Scope | undefined = scope; at; at = at.parent) if (at.kind === 'function') return at;
  return undefined;
}

const isInFunction = (scope: Scope): boolean => functionAround(scope) !== undefined;

function isWithin(scope: Scope, outer: Scope): boolean {
  for (let at: Scope | undefined = scope; at; at = at.parent) if (at === outer) return true;
  return false;
}

/** The same value as the node that holds its scope gives it out. */
function liftedOnce({ scope, name }: ValueOrigin): ValueOrigin | undefined {
  const { holder, parent, graph, use } = scope;
  if (!holder || !parent) return undefined;
  const outputs =
    scope.kind === 'function' ? calledBy(use.part.model, holder)?.outputs : graph?.outputs.map((v) => v.name);
  const outer = holder.outputs[outputs?.indexOf(name) ?? -1];
  return outer ? { scope: parent, name: outer } : undefined;
}

/** The name that the start of a delta (X, or H) has where the value is made. */
function startOf(
  view: View,
  ffn: Ffn,
  place: OwnPlace,
  value: string,
  linear: FfnWeight,
  scope: Scope,
): Spot['from'] {
  const start = place === 'out' ? ffn.hidden : ffn.input;
  if (!linear.node.inputs.includes(start)) return undefined;
  const reshaped = reshapedBetween(view, linear.node, value);
  if (reshaped === undefined) return undefined;
  const name = nameAt(view.flat, start, scope);
  return name === undefined ? undefined : { name, reshaped };
}

function nameAt(flat: FlatModel, value: string, scope: Scope): string | undefined {
  for (let at = flat.originOfValue(value); at; at = liftedOnce(at)) {
    if (isVisible(at, { scope })) return at.name;
  }
  return undefined;
}

/** Whether a view changes the shape of rows between a linear map and a value that comes of it; undefined: no path. */
function reshapedBetween({ search }: View, linear: NodeInfo, value: string): boolean | undefined {
  const { index, constants } = search;
  const walk = (name: string, depth: number): boolean | undefined => {
    const node = index.producers.get(name);
    if (!node || depth > MAX_HOPS || constants.isConstant(name)) return undefined;
    if (node === linear) return false;
    const isView = isReshape(opOf(node));
    for (const input of isView ? node.inputs.slice(0, 1) : node.inputs) {
      const found = input === '' ? undefined : walk(input, depth + 1);
      if (found !== undefined) return found || isView;
    }
    return undefined;
  };
  return walk(value, 0);
}

/** A bias, views of it, a cut in halves: what stands between a linear map and Z or Y is short. */
const MAX_HOPS = 8;
