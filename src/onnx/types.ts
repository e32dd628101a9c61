/**
 * What the lazy reader knows of an ONNX file: structure in memory, weights as byte ranges.
 *
 * Why: opening a 2 GB file must cost megabytes, and saving must copy untouched bytes as they were, so every
 * message that can be edited carries the range of the file that it came from.
 * Offsets are absolute bytes from the start of the file. `field` spans tag, length and payload as they stand in
 * the parent message; `body` spans the payload only.
 */

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Where a tensor's values are. */
export type TensorStorage =
  /** `raw_data`, little-endian. */
  | { readonly kind: 'raw'; readonly range: ByteRange }
  /**
   * One of the typed repeated fields (`float_data` = 4, `int32_data` = 5, `int64_data` = 7, …). Where `packed`, each
   * range is the payload of a packed field; else each range spans whole fields, tags included, and may mix both.
   */
  | {
      readonly kind: 'typed';
      readonly field: number;
      readonly ranges: readonly ByteRange[];
      readonly packed: boolean;
    }
  /** `external_data`: bytes in another file. `length` is absent where the file did not say. */
  | {
      readonly kind: 'external';
      readonly location: string;
      readonly offset: number;
      readonly length?: number;
    }
  /** No values at all (a shape with a zero, or a malformed tensor that nothing reads). */
  | { readonly kind: 'empty' };

export interface TensorInfo {
  readonly name: string;
  /** ONNX data type number, see `tensor/dtype.ts`. */
  readonly dataType: number;
  readonly dims: readonly number[];
  readonly storage: TensorStorage;
  readonly field: ByteRange;
  readonly body: ByteRange;
}

export interface AttributeInfo {
  readonly name: string;
  /** AttributeProto.AttributeType number (1 float, 2 int, 3 string, 4 tensor, 5 graph, 6 floats, 7 ints, 8 strings). */
  readonly type: number;
  readonly f?: number;
  /** int64 as a number; values beyond 2^53 lose precision, which no attribute that Layerfold reads can reach. */
  readonly i?: number;
  /** Absent where the bytes are not UTF-8 text, or over 1 MiB (embedded binaries). */
  readonly s?: string;
  readonly t?: TensorInfo;
  readonly g?: GraphInfo;
  readonly floats?: readonly number[];
  readonly ints?: readonly number[];
  /** Absent where one of them is not UTF-8 text. */
  readonly strings?: readonly string[];
  /** In a function: the attribute of the call whose value this one takes. */
  readonly refersTo?: string;
}

export interface NodeInfo {
  /** Position in its graph's node list. */
  readonly index: number;
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  /** Which of several functions of one name, where the node calls one. */
  readonly overload?: string;
  /** Value names; the empty string is an omitted optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeInfo>;
  readonly field: ByteRange;
  readonly body: ByteRange;
}

export interface ValueInfo {
  readonly name: string;
  /** ONNX data type number; absent where the value is not a dense tensor or no type is recorded. */
  readonly elemType?: number;
  /** Number = fixed, string = symbolic, null = unknown. Absent where no shape is recorded. */
  readonly dims?: readonly (number | string | null)[];
  readonly field: ByteRange;
}

export interface GraphInfo {
  readonly name: string;
  readonly nodes: readonly NodeInfo[];
  readonly initializers: readonly TensorInfo[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly valueInfos: readonly ValueInfo[];
  readonly field: ByteRange;
  readonly body: ByteRange;
}

/**
 * Finds an external data file by the location that the model gives, or undefined where it was not opened. A promise,
 * because the values of a derived model are made when they are asked for.
 */
export type Externals = (location: string) => Blob | Promise<Blob> | undefined;

/** A model-local function (FunctionProto). */
export interface FunctionInfo {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  /** Names of its values, as its nodes use them. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Defaults of attributes that calls may leave out. */
  readonly defaults: ReadonlyMap<string, AttributeInfo>;
  readonly nodes: readonly NodeInfo[];
  readonly opsets: ReadonlyMap<string, number>;
  readonly field: ByteRange;
}

export interface OnnxModel {
  readonly source: Blob;
  /** Files of `external` tensors. */
  readonly externals?: Externals;
  /** Bytes of the .onnx file itself. */
  readonly size: number;
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  /** Domain ('' = ai.onnx) to version. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: GraphInfo;
  readonly functions: readonly FunctionInfo[];
}

/** A tensor to write. `data` is raw little-endian bytes, or where they are to be found at load time. */
export interface NewTensor {
  readonly name: string;
  readonly dataType: number;
  readonly dims: readonly number[];
  readonly data:
    | Uint8Array
    | Blob
    | { readonly location: string; readonly offset: number; readonly length: number };
}

export interface NewValueInfo {
  readonly name: string;
  readonly elemType: number;
  /** Absent = unknown rank. */
  readonly dims?: readonly (number | string | null)[];
}

/** A node to add. */
export interface NewNode {
  readonly opType: string;
  /** Empty for the standard operators. */
  readonly domain?: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: ReadonlyMap<string, { readonly i: number } | { readonly ints: readonly number[] }>;
}

/** Other names (as many as before), and nodes right behind it in the same graph, in their order. */
export interface NodeEdit {
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly after?: readonly NewNode[];
}

/** What to change in a model; everything not named stays byte for byte. Keys are the objects that the reader returned. */
export interface ModelEdits {
  /** Initializers, or the tensors inside Constant nodes: new contents or, for initializers, gone. */
  readonly tensors?: ReadonlyMap<TensorInfo, NewTensor | 'drop'>;
  readonly nodes?: ReadonlyMap<NodeInfo, NodeEdit | 'drop'>;
  readonly addInitializers?: readonly NewTensor[];
  readonly addInputs?: readonly NewValueInfo[];
  readonly addOutputs?: readonly NewValueInfo[];
  /** Names of graph inputs to drop (an initializer that is also listed as an input, IR version 3). */
  readonly dropInputs?: ReadonlySet<string>;
  /** Names of graph outputs to drop. */
  readonly dropOutputs?: ReadonlySet<string>;
}

/** The composed file: original ranges (Blobs) and new bytes, in order. */
export interface ComposedFile {
  readonly parts: readonly (Blob | Uint8Array)[];
  readonly size: number;
  toBlob(): Blob;
  /**
   * The whole file in memory, for a small one: a model without its weights.
   * @throws OnnxError `unreadable` where the original changed or is gone.
   */
  toBytes(): Promise<Uint8Array<ArrayBuffer>>;
  toStream(): ReadableStream<Uint8Array>;
}

export type OnnxErrorCode =
  | 'truncated'
  | 'bad-varint'
  | 'bad-wire-type'
  | 'bad-length'
  | 'bad-shape'
  | 'bad-text'
  | 'too-deep'
  | 'too-large'
  | 'not-onnx'
  | 'no-graph'
  | 'cycle'
  | 'bad-reference'
  | 'bad-data'
  | 'missing-external'
  /** The browser could not read the file: it changed, moved, or is out of reach. */
  | 'unreadable';

/** Every failure of the reader, the writer and the graph index. `message` is a sentence for the page. */
export class OnnxError extends Error {
  override readonly name = 'OnnxError';
  constructor(
    readonly code: OnnxErrorCode,
    message: string,
    /** Byte offset in the file where it was noticed, where there is one. */
    readonly offset?: number,
  ) {
    super(message);
  }
}
