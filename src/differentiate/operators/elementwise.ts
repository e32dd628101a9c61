/**
 * Element-wise operators and activations, written with a few that every differentiable runtime has.
 *
 * Sigmoids go through tanh: 1/(1 + e⁻ˣ) has no gradient where e⁻ˣ overflows, (1 + tanh(x/2))/2 has.
 */
import type { Plain, PlainBuilder } from '../builder.ts';
import { floatAttribute, need, numberOf, type Rule, type RuleInput, Unplain } from './rule.ts';

type Curve = (b: PlainBuilder, x: Plain) => Plain;

const sigmoid: Curve = (b, x) => b.add(b.scale(b.unary('Tanh', b.scale(x, 0.5)), 0.5), b.scalar(0.5));
const relu: Curve = (b, x) => b.unary('Relu', x);
/** min(x, 0) */
const negativePart: Curve = (b, x) => b.unary('Neg', relu(b, b.unary('Neg', x)));
const clip = (b: PlainBuilder, x: Plain, low: number, high: number) =>
  b.binary('Min', b.binary('Max', x, b.scalar(low)), b.scalar(high));
/** log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|) */
const softplus: Curve = (b, x) => {
  const minusAbs = b.sub(negativePart(b, x), relu(b, x));
  return b.add(relu(b, x), b.unary('Log', b.add(b.unary('Exp', minusAbs), b.scalar(1))));
};
const exponentialPart = (b: PlainBuilder, x: Plain, alpha: number) =>
  b.scale(b.sub(b.unary('Exp', negativePart(b, x)), b.scalar(1)), alpha);

/** x·Φ(x) */
const geluExact: Curve = (b, x) => {
  const erf = b.unary('Erf', b.scale(x, Math.SQRT1_2));
  return b.mul(b.scale(x, 0.5), b.add(erf, b.scalar(1)));
};
export const geluTanh: Curve = (b, x) => {
  const cube = b.mul(b.mul(x, x), x);
  const inner = b.scale(b.add(x, b.scale(cube, 0.044715)), Math.sqrt(2 / Math.PI));
  return b.mul(b.scale(x, 0.5), b.add(b.unary('Tanh', inner), b.scalar(1)));
};

const unary =
  (op: Parameters<PlainBuilder['unary']>[0]): Rule =>
  (r) => [r.b.unary(op, need(r, 0))];
const curve =
  (draw: (r: RuleInput, x: Plain) => Plain): Rule =>
  (r) => [draw(r, need(r, 0))];
const chain =
  (op: Parameters<PlainBuilder['binary']>[0]): Rule =>
  (r) => {
    const values = r.node.inputs.map((_, i) => need(r, i));
    return [values.slice(1).reduce((a, x) => r.b.binary(op, a, x), values[0])];
  };
/** With a bias that is added before. */
const biased =
  (draw: Curve): Rule =>
  (r) => {
    const bias = r.inputs[1];
    return [draw(r.b, bias ? r.b.add(need(r, 0), bias) : need(r, 0))];
  };

/** x^p for the powers that models have: 2 and 3 of norms and activations, ±½ of norms. */
const pow: Rule = (r) => {
  const x = need(r, 0);
  const p = numberOf(r.inputs[1]);
  if (p === undefined) throw new Unplain('its exponent is not one constant');
  const { b } = r;
  if (Number.isInteger(p) && Math.abs(p) >= 1 && Math.abs(p) <= 8) {
    let power = x;
    for (let i = 1; i < Math.abs(p); i++) power = b.mul(power, x);
    return [p < 0 ? b.unary('Reciprocal', power) : power];
  }
  if (p === 0.5) return [b.unary('Sqrt', x)];
  if (p === -0.5) return [b.unary('Reciprocal', b.unary('Sqrt', x))];
  throw new Unplain(`it raises to the power ${p}`);
};

const clipRule: Rule = (r) => {
  const bound = (i: number, name: string) => {
    if (r.inputs[i] && numberOf(r.inputs[i]) === undefined) throw new Unplain('its bounds are not constants');
    return numberOf(r.inputs[i]) ?? r.node.attributes.get(name)?.f;
  };
  const [low, high] = [bound(1, 'min'), bound(2, 'max')];
  let x = need(r, 0);
  if (low !== undefined) x = r.b.binary('Max', x, r.b.scalar(low));
  if (high !== undefined) x = r.b.binary('Min', x, r.b.scalar(high));
  return [x];
};

const cast: Rule = (r) => {
  const FLOAT = 1;
  if (r.node.attributes.get('to')?.i !== FLOAT) throw new Unplain('it casts to another type than float32');
  return [need(r, 0)];
};

const gelu: Rule = (r) =>
  r.node.attributes.get('approximate')?.s === 'tanh' ? biased(geluTanh)(r) : biased(geluExact)(r);

export const elementwise: Readonly<Record<string, Rule>> = {
  Add: chain('Add'),
  Sub: chain('Sub'),
  Mul: chain('Mul'),
  Div: chain('Div'),
  Max: chain('Max'),
  Min: chain('Min'),
  Sum: chain('Add'),
  Pow: pow,
  Neg: unary('Neg'),
  Sqrt: unary('Sqrt'),
  Exp: unary('Exp'),
  Log: unary('Log'),
  Tanh: unary('Tanh'),
  Erf: unary('Erf'),
  Relu: unary('Relu'),
  Reciprocal: unary('Reciprocal'),
  Sin: unary('Sin'),
  Cos: unary('Cos'),
  Abs: curve(({ b }, x) => b.sub(relu(b, x), negativePart(b, x))),
  Identity: (r) => [need(r, 0)],
  Dropout: (r) => [need(r, 0)],
  Cast: cast,
  Where: (r) => [r.b.where(need(r, 0), need(r, 1), need(r, 2))],
  Clip: clipRule,
  Sigmoid: curve(({ b }, x) => sigmoid(b, x)),
  Gelu: gelu,
  BiasGelu: biased(geluExact),
  FastGelu: biased(geluTanh),
  QuickGelu: curve((r, x) => r.b.mul(x, sigmoid(r.b, r.b.scale(x, floatAttribute(r, 'alpha', 1.702))))),
  Swish: curve((r, x) => r.b.mul(x, sigmoid(r.b, r.b.scale(x, floatAttribute(r, 'alpha', 1))))),
  Silu: curve(({ b }, x) => b.mul(x, sigmoid(b, x))),
  Softplus: curve(({ b }, x) => softplus(b, x)),
  Softsign: curve(({ b }, x) =>
    b.binary('Div', x, b.add(b.sub(relu(b, x), negativePart(b, x)), b.scalar(1))),
  ),
  Mish: curve(({ b }, x) => b.mul(x, b.unary('Tanh', softplus(b, x)))),
  HardSigmoid: curve((r, x) => {
    const line = r.b.add(
      r.b.scale(x, floatAttribute(r, 'alpha', 0.2)),
      r.b.scalar(floatAttribute(r, 'beta', 0.5)),
    );
    return clip(r.b, line, 0, 1);
  }),
  HardSwish: curve(({ b }, x) => b.mul(x, clip(b, b.add(b.scale(x, 1 / 6), b.scalar(0.5)), 0, 1))),
  LeakyRelu: curve((r, x) =>
    r.b.add(relu(r.b, x), r.b.scale(negativePart(r.b, x), floatAttribute(r, 'alpha', 0.01))),
  ),
  PRelu: (r) => [r.b.add(relu(r.b, need(r, 0)), r.b.mul(negativePart(r.b, need(r, 0)), need(r, 1)))],
  Elu: curve((r, x) => r.b.add(relu(r.b, x), exponentialPart(r.b, x, floatAttribute(r, 'alpha', 1)))),
  Selu: curve((r, x) => {
    const alpha = floatAttribute(r, 'alpha', 1.6732632423543772);
    const line = r.b.add(relu(r.b, x), exponentialPart(r.b, x, alpha));
    return r.b.scale(line, floatAttribute(r, 'gamma', 1.0507009873554805));
  }),
  Celu: curve((r, x) => {
    const alpha = floatAttribute(r, 'alpha', 1);
    return r.b.add(relu(r.b, x), exponentialPart(r.b, r.b.scale(x, 1 / alpha), alpha));
  }),
};
