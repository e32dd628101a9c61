/** Operators that move values and change shapes: all sizes are known, so each says its shape outright. */
import { elementCount } from '../../tensor/shape.ts';
import { broadcast, type Plain } from '../builder.ts';
import { fromFront, intAttribute, intsOf, need, type Rule, type RuleInput, Unplain } from './rule.ts';

/** Axes: an input since some version, an attribute before. */
function axesOf(r: RuleInput, input: number, rank: number): number[] | undefined {
  const axes = intsOf(r.inputs[input], 'axes') ?? r.node.attributes.get('axes')?.ints;
  return axes?.map((a) => fromFront(a, rank));
}

const reshape: Rule = (r) => {
  const x = need(r, 0);
  const wanted = intsOf(need(r, 1), 'sizes')!;
  const keepsZero = intAttribute(r, 'allowzero', 0) === 1;
  const dims = wanted.map((d, i) => (d === 0 && !keepsZero ? x.dims[i] : d));
  const rest = dims.reduce((n, d) => (d === -1 ? n : n * d), 1);
  return [
    r.b.reshape(
      x,
      dims.map((d) => (d === -1 ? elementCount(x.dims) / rest : d)),
    ),
  ];
};

const flatten: Rule = (r) => {
  const x = need(r, 0);
  const axis = fromFront(intAttribute(r, 'axis', 1), x.dims.length);
  return [r.b.reshape(x, [elementCount(x.dims.slice(0, axis)), elementCount(x.dims.slice(axis))])];
};

const squeeze: Rule = (r) => {
  const x = need(r, 0);
  const axes = axesOf(r, 1, x.dims.length);
  return [
    r.b.reshape(
      x,
      x.dims.filter((d, i) => (axes ? !axes.includes(i) : d !== 1)),
    ),
  ];
};

const unsqueeze: Rule = (r) => {
  const x = need(r, 0);
  const count = (intsOf(r.inputs[1], 'axes') ?? r.node.attributes.get('axes')?.ints)?.length;
  if (count === undefined) throw new Unplain('it has no axes');
  const axes = axesOf(r, 1, x.dims.length + count)!;
  const rest = [...x.dims];
  const dims = Array.from({ length: x.dims.length + count }, (_, i) =>
    axes.includes(i) ? 1 : rest.shift()!,
  );
  return [r.b.reshape(x, dims)];
};

const transpose: Rule = (r) => {
  const x = need(r, 0);
  const perm = r.node.attributes.get('perm')?.ints ?? x.dims.map((_, i) => x.dims.length - 1 - i);
  return [r.b.transpose(x, perm)];
};

const concat: Rule = (r) => {
  const parts = r.node.inputs.map((_, i) => need(r, i));
  return [r.b.concat(parts, fromFront(intAttribute(r, 'axis', 0), parts[0].dims.length))];
};

const split: Rule = (r) => {
  const x = need(r, 0);
  const axis = fromFront(intAttribute(r, 'axis', 0), x.dims.length);
  const count = r.node.outputs.length;
  const size = Math.ceil(x.dims[axis] / count);
  const sizes =
    intsOf(r.inputs[1], 'sizes') ??
    r.node.attributes.get('split')?.ints ??
    Array.from({ length: count }, (_, i) => Math.min(size, x.dims[axis] - i * size));
  let at = 0;
  return sizes.map((n) => {
    at += n;
    return r.b.slice(x, axis, at - n, at);
  });
};

const slice: Rule = (r) => {
  const list = (i: number, name: string) => intsOf(r.inputs[i], name) ?? r.node.attributes.get(name)?.ints;
  let x = need(r, 0);
  const [starts, ends] = [list(1, 'starts'), list(2, 'ends')];
  if (!starts || !ends) throw new Unplain('it has no starts and ends');
  const axes = axesOf(r, 3, x.dims.length) ?? starts.map((_, i) => i);
  const steps = intsOf(r.inputs[4], 'steps') ?? starts.map(() => 1);
  axes.forEach((axis, i) => {
    const size = x.dims[axis];
    const bound = (v: number) => Math.min(size, Math.max(0, v < 0 ? v + size : v));
    const [start, end] = [bound(starts[i]), bound(ends[i])];
    if (steps[i] < 1) throw new Unplain(`it goes backwards (a step of ${steps[i]})`);
    if (steps[i] === 1) {
      x = r.b.slice(x, axis, start, Math.max(start, end));
      return;
    }
    const places = [];
    for (let at = start; at < end; at += steps[i]) places.push(at);
    x = r.b.gather(x, r.b.ints(places), axis);
  });
  return [x];
};

const gather: Rule = (r) => {
  const x = need(r, 0);
  const at = need(r, 1);
  const axis = fromFront(intAttribute(r, 'axis', 0), x.dims.length);
  if (!at.known) return [r.b.gather(x, at, axis)];
  const indices = intsOf(at, 'indices')!.map((i) => fromFront(i, x.dims[axis]));
  const dims = [...x.dims.slice(0, axis), ...at.dims, ...x.dims.slice(axis + 1)];
  const inARow = indices.every((v, i) => v === indices[0] + i);
  const taken = inARow
    ? r.b.slice(x, axis, indices[0], indices[0] + indices.length)
    : r.b.gather(x, r.b.ints(indices), axis);
  return [r.b.reshape(taken, dims)];
};

const expand: Rule = (r) => {
  const x = need(r, 0);
  return [r.b.expand(x, broadcast(x.dims, intsOf(need(r, 1), 'sizes')!))];
};

const tile: Rule = (r) => {
  let x: Plain = need(r, 0);
  intsOf(need(r, 1), 'repeats')!.forEach((n, axis) => {
    x = r.b.concat(
      Array.from({ length: n }, () => x),
      axis,
    );
  });
  return [x];
};

export const movement: Readonly<Record<string, Rule>> = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  Expand: expand,
  Tile: tile,
};
