/**
 * The port to a runtime that differentiates: a plain graph, its parameters, a loss of its output, and the gradient.
 *
 * Why: tuning must not know which library differentiates, or where. The graph is an ONNX model of few operators with all
 * shapes fixed (differentiate/); a parameter is one input of it, however many layers read it, so that the gradient of
 * a tied weight is the sum over its uses by construction.
 *
 * Shapes: the output is [… × V]; its rows, all axes but the last counted through, are N. Losses are sums over rows by
 * weights that the caller chooses (1 / count of the rows that count gives the mean).
 */
import type { HostTensor, TensorType } from './session.ts';

export interface PlainModel {
  readonly onnx: Uint8Array<ArrayBuffer>;
  /** Graph inputs that are differentiated. */
  readonly parameters: readonly { readonly name: string; readonly dims: readonly number[] }[];
  /** Graph inputs that are zero; a runtime may take their gradient along (differentiate/builder.ts says why). */
  readonly probes: readonly { readonly name: string; readonly dims: readonly number[] }[];
  /** Graph inputs that come with each batch. */
  readonly fed: readonly {
    readonly name: string;
    readonly dims: readonly number[];
    readonly type: TensorType;
  }[];
  readonly output: { readonly name: string; readonly dims: readonly number[] };
}

export type Parameters = ReadonlyMap<string, Float32Array>;

/**
 * What the output is compared with. All that are given are added.
 *
 * distribution: w·Σ p (log p − log q) over the classes that are kept, and the same of all others as one class;
 * label: −w·log q(label); features: w·Σ (x − target)².
 */
export interface LossTarget {
  /** `probabilities` [N × V], zero for classes that are not kept; `rest` [N] is the sum of theirs. */
  readonly distribution?: {
    readonly weights: Float32Array;
    readonly probabilities: Float32Array;
    readonly rest: Float32Array;
  };
  /** Classes [N]; the weight of a row without one is 0. */
  readonly label?: { readonly weights: Float32Array; readonly classes: Int32Array };
  /** `values` [N × V]. */
  readonly features?: { readonly weights: Float32Array; readonly values: Float32Array };
}

export interface TrainingBatch {
  readonly fed: Readonly<Record<string, HostTensor>>;
  readonly target: LossTarget;
}

export interface Gradient {
  readonly loss: number;
  /** By parameter, in its shape. */
  readonly gradients: Parameters;
}

export interface DifferentiableModel {
  /**
   * @throws RuntimeFailure
   */
  valueAndGrad(parameters: Parameters, batch: TrainingBatch): Promise<Gradient>;
  /** The loss alone. @throws RuntimeFailure */
  loss(parameters: Parameters, batch: TrainingBatch): Promise<number>;
  /** The output [N × V]. @throws RuntimeFailure */
  output(parameters: Parameters, fed: TrainingBatch['fed']): Promise<Float32Array>;
  release(): void;
}

export interface DifferentiableFactory {
  readonly provider: 'wasm' | 'webgpu';
  /** @throws RuntimeFailure where the runtime refuses the graph */
  create(model: PlainModel): Promise<DifferentiableModel>;
}
