/**
 * The port to inference: run a model's graph on tensors, nothing of files or layers.
 *
 * Why: the pipeline must not know which runtime runs a model, or where. Weights that change between runs are
 * pinned once (on the GPU where inference is there) and fed by reference; outputs stay on the device until read.
 */

/** Element types that sessions take and give. */
export type TensorType = 'float32' | 'float16' | 'int64' | 'int32' | 'uint8' | 'bool' | 'float64';

export type TensorData = Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array;

/** A tensor in CPU memory, row-major. */
export interface HostTensor {
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** A tensor kept where the session wants it, to be fed many times. Valid for every session of the same factory. */
export interface PinnedTensor {
  readonly pinned: true;
  readonly dims: readonly number[];
  release(): void;
}

/** A result. `buffer` is there when the values are on the GPU. */
export interface OutputTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly buffer?: GPUBuffer;
  /** Copies the values to the CPU where they are not there already. */
  read(): Promise<TensorData>;
  release(): void;
}

/** Bytes that the model refers to by name: one entry a tensor, read when the session is made. */
export interface ExternalTensor {
  readonly path: string;
  readonly data: Blob | Uint8Array;
}

export interface SessionOptions {
  /** Outputs that should stay on the device where there is one. */
  readonly keepOnDevice?: readonly string[];
  readonly externals?: readonly ExternalTensor[];
}

/** What can be fed: a result of another session of the same factory too, which then is not copied off the device. */
export type Feed = HostTensor | PinnedTensor | OutputTensor;

export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs the graph and gives the outputs named. The caller releases them.
   * @throws RuntimeFailure
   */
  run(
    feeds: Readonly<Record<string, Feed>>,
    outputs: readonly string[],
  ): Promise<Record<string, OutputTensor>>;
  release(): Promise<void>;
}

export interface SessionFactory {
  readonly provider: 'wasm' | 'webgpu';
  /** Threads of the wasm runtime; 1 where the page is not isolated. */
  readonly threads: number;
  /** @throws RuntimeFailure where the runtime refuses the model or memory runs out. */
  create(model: Uint8Array, options?: SessionOptions): Promise<Session>;
  pin(tensor: HostTensor): PinnedTensor;
}

export type RuntimeFailureCode =
  | 'out-of-memory'
  /** The runtime itself is broken and answers no more; only another worker has another one. */
  | 'stopped'
  | 'unsupported-operator'
  | 'bad-model'
  | 'bad-input'
  | 'other';

/** A failure of the runtime, translated into a sentence for the page. */
export class RuntimeFailure extends Error {
  override readonly name = 'RuntimeFailure';
  readonly code: RuntimeFailureCode;
  /** The runtime's own words, for a bug report. */
  readonly details: string;
  constructor(code: RuntimeFailureCode, message: string, details: string) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
