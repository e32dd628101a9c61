/**
 * Small models with FFNs written in every way that Layerfold recognises, for tests.
 *
 * Each layer is x + Linear(x), standing for attention, and then x + FFN(x). It shares no code with `src/graph`.
 */

import {
  buildModel,
  constant,
  f32,
  float,
  i64,
  input,
  type NodeSpec,
  node,
  output,
  type TensorSpec,
  tensor,
} from './onnx-builder.ts';
import { createRandom, type Random } from './random.ts';

export type ActivationForm =
  | 'relu'
  | 'gelu'
  | 'gelu-op-tanh'
  | 'gelu-erf-decomposed'
  | 'gelu-tanh-decomposed'
  | 'silu-decomposed';

export interface FfnModelOptions {
  readonly layers: number;
  readonly dModel: number;
  readonly dFf: number;
  readonly linear: 'matmul' | 'gemm' | 'gemm-transposed';
  readonly bias: 'add' | 'gemm' | 'none';
  readonly activation: ActivationForm;
  readonly gated: boolean;
  /** Whether the gate's linear map comes before the up projection's. */
  readonly gateFirst: boolean;
  /** Whether the last node is the last residual Add, with nothing after it. */
  readonly bareEnd: boolean;
  readonly weights: 'initializer' | 'constant' | 'transposed';
  /** Gemm needs 2-D data, so exporters reshape around it; `kept` leaves 3-D data to MatMul. */
  readonly reshape: 'static' | 'dynamic' | 'kept';
  readonly seed: number;
}

export const DEFAULTS: FfnModelOptions = {
  layers: 3,
  dModel: 6,
  dFf: 10,
  linear: 'matmul',
  bias: 'add',
  activation: 'gelu',
  gated: false,
  gateFirst: false,
  bareEnd: false,
  weights: 'initializer',
  reshape: 'kept',
  seed: 1,
};

/** Builds the model: input `x` [batch, length, d], output `logits` of the same shape. */
export function ffnModel(options: Partial<FfnModelOptions> = {}): Uint8Array<ArrayBuffer> {
  const o = { ...DEFAULTS, ...options };
  const random = createRandom(o.seed);
  const build = new Builder(o, random);
  let x = 'x';
  for (let layer = 0; layer < o.layers; layer++) {
    x = build.residual(x, build.linear(`h.${layer}.attn.proj`, x, o.dModel, o.dModel));
    x = build.residual(x, build.ffn(`h.${layer}.mlp`, x));
  }
  if (o.bareEnd) {
    const last = build.nodes.pop()!;
    build.nodes.push({ ...last, outputs: ['logits'] });
  } else {
    build.nodes.push(node('Identity', [x], ['logits']));
  }
  return buildModel({
    opset: 20,
    inputs: [input('x', 'float', ['batch', 'length', o.dModel])],
    outputs: [output('logits', 'float', ['batch', 'length', o.dModel])],
    initializers: build.initializers,
    nodes: build.nodes,
  });
}

class Builder {
  readonly nodes: NodeSpec[] = [];
  readonly initializers: TensorSpec[] = [];
  private readonly o: FfnModelOptions;
  private readonly random: Random;
  private next = 0;

  constructor(o: FfnModelOptions, random: Random) {
    this.o = o;
    this.random = random;
  }

  residual(x: string, y: string): string {
    return this.op('Add', [x, y]);
  }

  ffn(name: string, x: string): string {
    const { o } = this;
    const early = o.gated && o.gateFirst ? this.linear(`${name}.gate`, x, o.dModel, o.dFf) : undefined;
    const up = this.linear(`${name}.up`, x, o.dModel, o.dFf);
    let hidden: string;
    if (o.gated) {
      const gate = early ?? this.linear(`${name}.gate`, x, o.dModel, o.dFf);
      hidden = this.op('Mul', [this.activate(gate), up]);
    } else {
      hidden = this.activate(up);
    }
    return this.linear(`${name}.down`, hidden, o.dFf, o.dModel);
  }

  linear(name: string, x: string, inSize: number, outSize: number): string {
    const { o } = this;
    const scale = 0.6 / Math.sqrt(inSize);
    const values = this.random.normals(inSize * outSize).map((v) => v * scale);
    const transposed = o.linear === 'gemm-transposed';
    const dims = transposed ? [outSize, inSize] : [inSize, outSize];
    const weight = this.weight(`${name}.weight`, dims, values);
    const bias = o.bias === 'none' ? '' : this.vector(`${name}.bias`, outSize);
    if (o.linear === 'matmul') {
      const y = this.op('MatMul', [x, weight]);
      return bias ? this.op('Add', [bias, y]) : y;
    }
    const flat = this.reshape(x, [-1, inSize]);
    const inGemm = o.bias === 'gemm' && bias;
    const y = this.op(
      'Gemm',
      inGemm ? [flat, weight, bias] : [flat, weight],
      transposed ? { transB: 1 } : {},
    );
    const biased = bias && !inGemm ? this.op('Add', [y, bias]) : y;
    return this.unflatten(biased, x, outSize);
  }

  private activate(z: string): string {
    const scalar = (v: number) => this.scalar(v);
    switch (this.o.activation) {
      case 'relu':
        return this.op('Relu', [z]);
      case 'gelu':
        return this.op('Gelu', [z]);
      case 'gelu-op-tanh':
        return this.op('Gelu', [z], { approximate: 'tanh' });
      case 'silu-decomposed':
        return this.op('Mul', [z, this.op('Sigmoid', [z])]);
      case 'gelu-erf-decomposed': {
        const erf = this.op('Erf', [this.op('Div', [z, scalar(Math.SQRT2)])]);
        return this.op('Mul', [this.op('Mul', [z, this.op('Add', [erf, scalar(1)])]), scalar(0.5)]);
      }
      case 'gelu-tanh-decomposed': {
        const cubic = this.op('Mul', [this.op('Pow', [z, scalar(3)]), scalar(0.044715)]);
        const inner = this.op('Mul', [this.op('Add', [z, cubic]), scalar(Math.sqrt(2 / Math.PI))]);
        return this.op('Mul', [
          this.op('Mul', [z, scalar(0.5)]),
          this.op('Add', [this.op('Tanh', [inner]), scalar(1)]),
        ]);
      }
    }
  }

  private weight(name: string, dims: readonly number[], values: Float32Array): string {
    switch (this.o.weights) {
      case 'initializer':
        this.initializers.push(f32(name, dims, values));
        return name;
      case 'constant':
        this.nodes.push(constant(name, f32('', dims, values)));
        return name;
      case 'transposed': {
        // The same matrix, stored the other way round behind a Transpose.
        const [rows, cols] = dims;
        const turned = new Float32Array(values.length);
        for (let r = 0; r < rows; r++)
          for (let c = 0; c < cols; c++) turned[c * rows + r] = values[r * cols + c];
        this.initializers.push(f32(name, [cols, rows], turned));
        return this.op('Transpose', [name], { perm: [1, 0] });
      }
    }
  }

  private vector(name: string, size: number): string {
    this.initializers.push(
      f32(
        name,
        [size],
        this.random.normals(size).map((v) => v * 0.2),
      ),
    );
    return name;
  }

  private scalar(value: number): string {
    const name = `scalar_${this.next++}`;
    this.nodes.push(constant(name, tensor('', 'float', [], [value])));
    return name;
  }

  private reshape(x: string, shape: readonly number[]): string {
    const name = `shape_${this.next++}`;
    this.initializers.push(i64(name, [shape.length], shape));
    return this.op('Reshape', [x, name]);
  }

  /** [tokens, size] back to the leading axes of `like`. */
  private unflatten(y: string, like: string, size: number): string {
    const shape = this.op('Shape', [like]);
    const last = `last_${this.next++}`;
    this.initializers.push(i64(last, [1], [size]));
    const starts = `starts_${this.next}`;
    const ends = `ends_${this.next++}`;
    this.initializers.push(i64(starts, [1], [0]), i64(ends, [1], [-1]));
    const leading = this.op('Slice', [shape, starts, ends]);
    return this.op('Reshape', [y, this.op('Concat', [leading, last], { axis: 0 })]);
  }

  private op(type: string, inputs: string[], attributes: Parameters<typeof node>[3] = {}): string {
    const name = `v${this.next++}`;
    this.nodes.push(node(type, inputs, [name], attributes));
    return name;
  }
}

/** For tests of graphs that must be refused. */
export { buildModel, constant, f32, float, i64, input, node, output, tensor };
