/** Linear maps: MatMul, Gemm, their fused forms, and convolutions with a kernel of one. */
import { elementCount } from '../../tensor/shape.ts';
import type { Plain } from '../builder.ts';
import { floatAttribute, intAttribute, need, type Rule, type RuleInput, Unplain } from './rule.ts';

const matmul: Rule = (r) => {
  const [a, b] = [need(r, 0), need(r, 1)];
  if (a.dims.length < 2 || b.dims.length < 2) throw new Unplain('it multiplies a vector');
  return [b.known ? r.b.probed(r.b.matmul(a, b)) : r.b.matmul(a, b)];
};

function product(r: RuleInput): Plain {
  const side = (i: number, flag: string) =>
    intAttribute(r, flag, 0) === 1 ? r.b.turned(need(r, i)) : need(r, i);
  const made = r.b.matmul(side(0, 'transA'), side(1, 'transB'));
  return r.b.scale(need(r, 1).known ? r.b.probed(made) : made, floatAttribute(r, 'alpha', 1));
}

const gemm: Rule = (r) => {
  const made = product(r);
  const bias = r.inputs[2];
  return [bias ? r.b.add(made, r.b.scale(bias, floatAttribute(r, 'beta', 1))) : made];
};

const fusedGemm =
  (activate: (name: string) => Rule | undefined): Rule =>
  (r) => {
    const name = r.node.attributes.get('activation')?.s;
    const [made] = gemm(r);
    if (name === undefined || name === '') return [made];
    const rule = activate(name);
    if (!rule) throw new Unplain(`its activation is ${name}`);
    return rule({ ...r, inputs: [made] });
  };

const fusedMatMul: Rule = (r) => {
  if (intAttribute(r, 'transBatchA', 0) || intAttribute(r, 'transBatchB', 0)) {
    throw new Unplain('it exchanges axes of the batch');
  }
  return [product(r)];
};

/** A 1×1 convolution [B, c, …] · [n, c, 1, …]: a product over the channels. */
const conv: Rule = (r) => {
  const [x, w] = [need(r, 0), need(r, 1)];
  const ints = (name: string) => r.node.attributes.get(name)?.ints ?? [];
  const plain =
    w.dims.slice(2).every((d) => d === 1) &&
    intAttribute(r, 'group', 1) === 1 &&
    ints('strides').every((s) => s === 1) &&
    ints('pads').every((p) => p === 0);
  if (!plain) throw new Unplain('its kernel is larger than one');
  const [batch, channels, ...space] = x.dims;
  const matrix = r.b.reshape(w, [w.dims[0], channels]);
  const flat = r.b.reshape(x, [batch, channels, elementCount(space)]);
  const made = r.b.turned(r.b.matmul(r.b.turned(flat), r.b.turned(matrix)));
  const bias = r.inputs[2];
  const shifted = bias ? r.b.add(made, r.b.reshape(bias, [w.dims[0], 1])) : made;
  return [r.b.reshape(shifted, [batch, w.dims[0], ...space])];
};

/** @param activate the rule of an activation by its name */
export const products = (activate: (name: string) => Rule | undefined): Readonly<Record<string, Rule>> => ({
  MatMul: matmul,
  Gemm: gemm,
  FusedGemm: fusedGemm(activate),
  FusedMatMul: fusedMatMul,
  Conv: conv,
});
