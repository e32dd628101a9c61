/**
 * What is tuned of tied sets: weights that layers share, and what each layer has of its own, each as one input of the
 * plain graph.
 *
 * A set comes as the merge or its recovery left it (`merge/write-back.ts`): shared weights by role, own weights, and
 * changes of values (own scales, biases, low-rank deltas), which become nodes behind the values.
 */
import type { Ffn } from '../graph/ffn.ts';
import type { WeightRole } from '../graph/weights.ts';
import type { OwnLayer, OwnPlace, ValueChange } from '../merge/own.ts';
import type { TiedFfn } from '../merge/write-back.ts';
import type { NodeInfo } from '../onnx/types.ts';
import type { Parameters } from '../runtime/differentiable.ts';

export interface ParameterInput {
  readonly name: string;
  readonly dims: readonly number[];
  readonly start: Float32Array;
}

/** A change of a value: names of the inputs that it reads. */
export interface ValueHook {
  readonly scale?: string;
  readonly shift?: string;
  readonly delta?: { readonly a: string; readonly b: string; readonly from: string };
  /** Axis of the features, from the end. */
  readonly axis: number;
}

export interface LiveParameters {
  readonly inputs: readonly ParameterInput[];
  /** Input names of nodes that read parameters in the place of their weights. */
  readonly reads: ReadonlyMap<NodeInfo, readonly string[]>;
  /** By value. */
  readonly hooks: ReadonlyMap<string, ValueHook>;
}

const tiedName = (set: number, role: WeightRole) => `parameter/${set}/${role}`;
const ownName = (set: number, layer: number, role: WeightRole) => `parameter/${set}/${layer}/${role}`;
const changeName = (set: number, layer: number, place: OwnPlace, part: 'scale' | 'shift' | 'a' | 'b') =>
  `parameter/${set}/${layer}/${place}/${part}`;

/** @throws RangeError where a set has no values, or a change names a value that its FFN does not have */
export function liveParameters(sets: readonly TiedFfn[]): LiveParameters {
  const inputs: ParameterInput[] = [];
  const reads = new Map<NodeInfo, string[]>();
  const hooks = new Map<string, ValueHook>();
  const read = (node: NodeInfo, input: number, name: string) => {
    const names = reads.get(node) ?? [...node.inputs];
    names[input] = name;
    reads.set(node, names);
  };
  sets.forEach(({ group, layers, values, own }, k) => {
    if (!values) throw new RangeError('The merge has no weights yet, so there is nothing to tune.');
    const [first] = layers;
    for (const { role, source } of group.ffns[first].weights) {
      const isOwn = own?.some((o) => o.weights?.has(role)) ?? false;
      if (!isOwn) inputs.push({ name: tiedName(k, role), dims: source.dims, start: weightIn(values, role) });
      layers.forEach((layer, i) => {
        const weight = group.ffns[layer].weights.find((w) => w.role === role)!;
        const name = isOwn ? ownName(k, layer, role) : tiedName(k, role);
        if (isOwn) inputs.push({ name, dims: source.dims, start: weightIn(own![i].weights!, role) });
        read(weight.node, weight.input, name);
      });
    }
    layers.forEach((layer, i) => {
      for (const [place, change] of own?.[i].changes ?? []) {
        const ffn = group.ffns[layer];
        const value = valueAt(ffn, place);
        const made = hook(k, layer, place, change, ffn, value);
        inputs.push(...made.inputs);
        hooks.set(value, made.hook);
      }
    });
  });
  return { inputs, reads, hooks };
}

/** The sets with other values of their parameters. */
export function withParameters(sets: readonly TiedFfn[], parameters: Parameters): TiedFfn[] {
  const take = (name: string, otherwise: Float32Array) => parameters.get(name) ?? otherwise;
  return sets.map((set, k) => ({
    ...set,
    ...(set.values && { values: mapped(set.values, (role, v) => take(tiedName(k, role), v)) }),
    ...(set.own && {
      own: set.own.map(({ weights, changes }, i): OwnLayer => {
        const layer = set.layers[i];
        const change = (place: OwnPlace, { scale, shift, delta }: ValueChange): ValueChange => ({
          ...(scale && { scale: take(changeName(k, layer, place, 'scale'), scale) }),
          ...(delta && {
            delta: {
              ...delta,
              a: take(changeName(k, layer, place, 'a'), delta.a),
              b: take(changeName(k, layer, place, 'b'), delta.b),
            },
          }),
          ...(shift && { shift: take(changeName(k, layer, place, 'shift'), shift) }),
        });
        return {
          ...(weights && { weights: mapped(weights, (role, v) => take(ownName(k, layer, role), v)) }),
          ...(changes && { changes: mapped(changes, change) }),
        };
      }),
    }),
  }));
}

/** The sets with biases of their own for each layer, as far as their nodes read a bias already: n or d floats each. */
export function withOwnBiases(sets: readonly TiedFfn[]): TiedFfn[] {
  return sets.map((set) => {
    const biases = [...(set.values ?? [])].filter(([role]) => role.startsWith('b_'));
    if (biases.length === 0) return set;
    const own = set.layers.map((_, i): OwnLayer => {
      const mine = set.own?.[i] ?? {};
      const shared = biases.map(([role, v]) => [role, v.slice()] as const);
      return { ...mine, weights: new Map([...shared, ...(mine.weights ?? [])]) };
    });
    return { ...set, own };
  });
}

function hook(k: number, layer: number, place: OwnPlace, change: ValueChange, ffn: Ffn, value: string) {
  const inputs: ParameterInput[] = [];
  const axis = ffn.featureAxes?.get(value) ?? -1;
  const vector = (part: 'scale' | 'shift', start: Float32Array) => {
    const name = changeName(k, layer, place, part);
    inputs.push({ name, dims: [start.length, ...new Array<number>(-axis - 1).fill(1)], start });
    return name;
  };
  const matrix = (part: 'a' | 'b', start: Float32Array, dims: readonly number[]) => {
    const name = changeName(k, layer, place, part);
    inputs.push({ name, dims, start });
    return name;
  };
  const { scale, shift, delta } = change;
  const made: ValueHook = {
    axis,
    ...(scale && { scale: vector('scale', scale) }),
    ...(delta && {
      delta: {
        a: matrix('a', delta.a, [delta.a.length / delta.rank, delta.rank]),
        b: matrix('b', delta.b, [delta.rank, delta.b.length / delta.rank]),
        from: place === 'out' ? ffn.hidden : ffn.input,
      },
    }),
    ...(shift && { shift: vector('shift', shift) }),
  };
  return { inputs, hook: made };
}

function valueAt(ffn: Ffn, place: OwnPlace): string {
  const { preActivation, gatePreActivation, hidden, output } = ffn;
  const value = { in: preActivation, gate: gatePreActivation, hidden, out: output }[place];
  if (value === undefined) throw new RangeError(`The FFN “${ffn.label}” has no gate to change.`);
  return value;
}

function weightIn(values: ReadonlyMap<WeightRole, Float32Array>, role: WeightRole): Float32Array {
  const found = values.get(role);
  if (!found) throw new RangeError(`The merge has no values of the weight “${role}”.`);
  return found;
}

function mapped<K, V>(map: ReadonlyMap<K, V>, change: (key: K, value: V) => V): Map<K, V> {
  return new Map([...map].map(([key, value]) => [key, change(key, value)]));
}
