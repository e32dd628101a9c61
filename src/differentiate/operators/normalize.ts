/** Normalisations, softmax and reductions. */
import type { Plain } from '../builder.ts';
import {
  floatAttribute,
  fromFront,
  intAttribute,
  intsOf,
  need,
  type Rule,
  type RuleInput,
  Unplain,
} from './rule.ts';

const EPSILON = 1e-5;

/** (x − mean) / √(variance + ε), or x / √(mean of squares + ε) where not centred, over the axes from `axis` on. */
function normalized(r: RuleInput, x: Plain, axis: number, centred: boolean): Plain {
  const { b } = r;
  const axes = x.dims.map((_, i) => i).slice(axis);
  const away = centred ? b.sub(x, b.reduce('ReduceMean', x, axes, true)) : x;
  const power = b.reduce('ReduceMean', b.mul(away, away), axes, true);
  const size = b.unary('Sqrt', b.add(power, b.scalar(floatAttribute(r, 'epsilon', EPSILON))));
  return b.mul(away, b.unary('Reciprocal', size));
}

function norm(centred: boolean): Rule {
  return (r) => {
    if (r.node.outputs.slice(1).some((name) => name !== '')) throw new Unplain('its mean is an output too');
    const x = need(r, 0);
    const made = normalized(r, x, fromFront(intAttribute(r, 'axis', -1), x.dims.length), centred);
    const scaled = r.b.mul(made, need(r, 1));
    return [r.inputs[2] ? r.b.add(scaled, r.inputs[2]) : scaled];
  };
}

/** Inputs x, skip, γ, then β where centred, then a bias of the sum; outputs 0 and, the sum, 3. */
function skipNorm(centred: boolean): Rule {
  return (r) => {
    const bias = r.inputs[centred ? 4 : 3];
    const both = r.b.add(need(r, 0), need(r, 1));
    const sum = bias ? r.b.add(both, bias) : both;
    const made = r.b.mul(normalized(r, sum, sum.dims.length - 1, centred), need(r, 2));
    const beta = centred ? r.inputs[3] : undefined;
    return [beta ? r.b.add(made, beta) : made, undefined, undefined, sum];
  };
}

const softmax =
  (op: 'Softmax' | 'LogSoftmax'): Rule =>
  (r) => {
    const x = need(r, 0);
    // Before version 13 all axes from `axis` on were one.
    const axis = fromFront(intAttribute(r, 'axis', r.opset < 13 ? 1 : -1), x.dims.length);
    if (r.opset < 13 && axis !== x.dims.length - 1)
      throw new Unplain('it normalises over several axes at once');
    return [r.b.softmax(op, x, axis)];
  };

const reduction =
  (op: 'ReduceMean' | 'ReduceSum'): Rule =>
  (r) => {
    const x = need(r, 0);
    const axes = intsOf(r.inputs[1], 'axes') ?? r.node.attributes.get('axes')?.ints ?? [];
    if (axes.length === 0 && intAttribute(r, 'noop_with_empty_axes', 0) === 1) return [x];
    const all = axes.length === 0 ? x.dims.map((_, i) => i) : axes.map((a) => fromFront(a, x.dims.length));
    return [r.b.reduce(op, x, all, intAttribute(r, 'keepdims', 1) === 1)];
  };

export const normalizing: Readonly<Record<string, Rule>> = {
  LayerNormalization: norm(true),
  RMSNormalization: norm(false),
  SimplifiedLayerNormalization: norm(false),
  SkipLayerNormalization: skipNorm(true),
  SkipSimplifiedLayerNormalization: skipNorm(false),
  Softmax: softmax('Softmax'),
  LogSoftmax: softmax('LogSoftmax'),
  ReduceMean: reduction('ReduceMean'),
  ReduceSum: reduction('ReduceSum'),
};
