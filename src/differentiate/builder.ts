/**
 * Builds the plain graph: few operators, each in one form, all shapes known.
 *
 * Why: a differentiable runtime knows some operators, some attributes and some of the rules by which shapes are told;
 * a small set that is always written the same way can be differentiated anywhere and checked in onnxruntime. The
 * operators are those of version 17 (reductions take their axes as an attribute, ReduceSum as an input).
 *
 * Known limits: float32 values; integers and booleans only as indices and conditions.
 */
import type { NewNode, NewTensor } from '../onnx/types.ts';
import type { TensorData, TensorType } from '../runtime/session.ts';
import { DataType } from '../tensor/dtype.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';

export const PLAIN_OPSET = 17;

/** Values of a tensor that does not change. */
export interface Known {
  readonly type: TensorType;
  readonly data: TensorData;
}

/** A value of the plain graph. */
export interface Plain {
  readonly name: string;
  readonly dims: readonly number[];
  /** Its values, where they are constant. */
  readonly known?: Known;
}

type Attributes = NonNullable<NewNode['attributes']>;

const ELEMENT_TYPES: Partial<Record<TensorType, number>> = {
  float32: DataType.float,
  int64: DataType.int64,
  int32: DataType.int32,
  bool: DataType.bool,
};

export class PlainBuilder {
  readonly nodes: NewNode[] = [];
  readonly tensors: (NewTensor & { readonly data: Uint8Array })[] = [];
  /** Inputs that are fed zeros (see `probed`). */
  readonly probes: Plain[] = [];
  private readonly scalars = new Map<number, Plain>();
  private readonly lists = new Map<string, Plain>();
  /** Constants that nodes read: others are not written. */
  private readonly written = new Map<Plain, string>();
  private count = 0;

  /** A constant; it is written where a node reads it. */
  constant(dims: readonly number[], known: Known): Plain {
    return { name: `constant-${this.count++}`, dims, known };
  }

  floats(dims: readonly number[], data: Float32Array): Plain {
    return this.constant(dims, { type: 'float32', data });
  }

  scalar(value: number): Plain {
    const made = this.scalars.get(value) ?? this.floats([], Float32Array.of(value));
    this.scalars.set(value, made);
    return made;
  }

  ints(values: readonly number[]): Plain {
    const key = values.join();
    const data = () => BigInt64Array.from(values, BigInt);
    const made = this.lists.get(key) ?? this.constant([values.length], { type: 'int64', data: data() });
    this.lists.set(key, made);
    return made;
  }

  /** Operators of one value that keep its shape. */
  unary(
    op: 'Neg' | 'Sqrt' | 'Exp' | 'Log' | 'Tanh' | 'Erf' | 'Relu' | 'Reciprocal' | 'Sin' | 'Cos',
    x: Plain,
  ): Plain {
    return this.node(op, [x], x.dims);
  }

  /** Element by element, broadcast. */
  binary(op: 'Add' | 'Sub' | 'Mul' | 'Div' | 'Max' | 'Min', a: Plain, b: Plain): Plain {
    return this.node(op, [a, b], broadcast(a.dims, b.dims));
  }

  add = (a: Plain, b: Plain): Plain => this.binary('Add', a, b);
  sub = (a: Plain, b: Plain): Plain => this.binary('Sub', a, b);
  mul = (a: Plain, b: Plain): Plain => this.binary('Mul', a, b);
  scale = (a: Plain, factor: number): Plain => (factor === 1 ? a : this.mul(a, this.scalar(factor)));

  where(condition: Plain, x: Plain, y: Plain): Plain {
    return this.node('Where', [condition, x, y], broadcast(condition.dims, broadcast(x.dims, y.dims)));
  }

  /** The product of matrices, the axes before them broadcast; rows are counted through where the right one is a matrix. */
  matmul(a: Plain, b: Plain): Plain {
    const [m, k] = a.dims.slice(-2);
    const [k2, n] = b.dims.slice(-2);
    if (a.dims.length < 2 || b.dims.length < 2 || k !== k2) {
      throw new RangeError(
        `Matrices of ${formatShape(a.dims)} and ${formatShape(b.dims)} cannot be multiplied.`,
      );
    }
    if (a.dims.length > 2 && b.dims.length === 2) {
      const rows = this.reshape(a, [elementCount(a.dims.slice(0, -1)), k]);
      return this.reshape(this.matmul(rows, b), [...a.dims.slice(0, -1), n]);
    }
    return this.node('MatMul', [a, b], [...broadcast(a.dims.slice(0, -2), b.dims.slice(0, -2)), m, n]);
  }

  /**
   * A product with a constant matrix, plus a vector of zeros that is an input.
   *
   * Why: the gradient of that vector costs a sum over rows and is thrown away, but it makes the gradient of the product
   * a value that two kernels read, so that jax-js computes it once. Read by one kernel only, it is computed anew inside
   * the next product for every column (jax-js 0.1.25 does not see reuse behind a Broadcast in the backward pass), which
   * took two thirds of a step.
   */
  probed(product: Plain): Plain {
    const probe = { name: `probe-${this.probes.length}`, dims: product.dims.slice(-1) };
    this.probes.push(probe);
    return this.add(product, probe);
  }

  reshape(x: Plain, dims: readonly number[]): Plain {
    if (x.dims.length === dims.length && x.dims.every((d, i) => d === dims[i])) return x;
    if (elementCount(x.dims) !== elementCount(dims)) {
      throw new RangeError(`A value of ${formatShape(x.dims)} cannot take the shape ${formatShape(dims)}.`);
    }
    if (x.known) return this.constant(dims, x.known);
    return this.node('Reshape', [x, this.ints(dims)], dims);
  }

  transpose(x: Plain, perm: readonly number[]): Plain {
    if (perm.every((p, i) => p === i)) return x;
    return this.node(
      'Transpose',
      [x],
      perm.map((p) => x.dims[p]),
      new Map([['perm', { ints: perm }]]),
    );
  }

  /** The last two axes exchanged. */
  turned(x: Plain): Plain {
    const n = x.dims.length;
    return this.transpose(x, [...Array(n - 2).keys(), n - 1, n - 2]);
  }

  concat(parts: readonly Plain[], axis: number): Plain {
    if (parts.length === 1) return parts[0];
    const dims = parts[0].dims.map((d, i) => (i === axis ? parts.reduce((n, p) => n + p.dims[axis], 0) : d));
    return this.node('Concat', parts, dims, new Map([['axis', { i: axis }]]));
  }

  /** Elements start … end − 1 of an axis. */
  slice(x: Plain, axis: number, start: number, end: number): Plain {
    if (start === 0 && end === x.dims[axis]) return x;
    const dims = x.dims.map((d, i) => (i === axis ? end - start : d));
    return this.node('Slice', [x, this.ints([start]), this.ints([end]), this.ints([axis])], dims);
  }

  gather(x: Plain, indices: Plain, axis: number): Plain {
    const dims = [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)];
    return this.node('Gather', [x, indices], dims, new Map([['axis', { i: axis }]]));
  }

  expand(x: Plain, dims: readonly number[]): Plain {
    if (x.dims.length === dims.length && x.dims.every((d, i) => d === dims[i])) return x;
    return this.node('Expand', [x, this.ints(dims)], dims);
  }

  softmax(op: 'Softmax' | 'LogSoftmax', x: Plain, axis: number): Plain {
    return this.node(op, [x], x.dims, new Map([['axis', { i: axis }]]));
  }

  /** Sums or means over axes (all from 0 up), which stay with size 1 where `keep`. */
  reduce(op: 'ReduceMean' | 'ReduceSum', x: Plain, axes: readonly number[], keep: boolean): Plain {
    const kept = x.dims.map((d, i) => (axes.includes(i) ? 1 : d));
    const attributes: Attributes = new Map([
      ['keepdims', { i: 1 }],
      ...(op === 'ReduceMean' ? ([['axes', { ints: axes }]] as const) : []),
    ]);
    const inputs = op === 'ReduceMean' ? [x] : [x, this.ints(axes)];
    const reduced = this.node(op, inputs, kept, attributes);
    return keep
      ? reduced
      : this.reshape(
          reduced,
          x.dims.filter((_, i) => !axes.includes(i)),
        );
  }

  /** Gives a value the name of an output of the graph. */
  output(x: Plain, name: string): void {
    this.nodes.push({ opType: 'Identity', name: '', inputs: [this.read(x)], outputs: [name] });
  }

  private node(
    opType: string,
    inputs: readonly Plain[],
    dims: readonly number[],
    attributes?: Attributes,
  ): Plain {
    const name = `value-${this.count++}`;
    const reads = inputs.map((x) => this.read(x));
    this.nodes.push({ opType, name: '', inputs: reads, outputs: [name], ...(attributes && { attributes }) });
    return { name, dims };
  }

  private read(x: Plain): string {
    if (!x.known || this.written.has(x)) return x.name;
    const dataType = ELEMENT_TYPES[x.known.type];
    if (dataType === undefined) {
      throw new RangeError(
        `A constant of type ${x.known.type} has no place in a graph that is differentiated.`,
      );
    }
    const { buffer, byteOffset, byteLength } = x.known.data;
    const data = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
    this.tensors.push({ name: x.name, dataType, dims: x.dims, data });
    this.written.set(x, x.name);
    return x.name;
  }
}

/** The shape that two shapes broadcast to. @throws RangeError */
export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    if (x !== y && x !== 1 && y !== 1) {
      throw new RangeError(`Values of ${formatShape(a)} and ${formatShape(b)} do not fit together.`);
    }
    return x === 1 ? y : x;
  });
}
