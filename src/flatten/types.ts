/**
 * The flat model: one graph, without functions or branches, that stands for all files that were opened together.
 *
 * Why: taps and live weights cannot reach into functions and branches, an encoder and its decoder come in two files,
 * and few runtimes compute in half precision on a CPU; so what is measured is a graph derived from the files, while
 * what is merged and saved are the files themselves. Every node, value and tensor of the flat model knows where it
 * comes from. A plain f32 file in one graph is its own flat model.
 */
import type { GraphInfo, NodeInfo, OnnxModel, TensorInfo } from '../onnx/types.ts';
import type { Scheme } from '../quantize/scheme.ts';

export type PartRole = 'model' | 'encoder' | 'decoder' | 'decoder-with-past';

/** A file that was opened. */
export interface Part {
  readonly role: PartRole;
  readonly fileName: string;
  readonly model: OnnxModel;
}

/** What a flat model does with one part. */
export interface PartUse {
  readonly part: Part;
  /** Before all names of the part in the flat model: empty, or ending in a slash. */
  readonly prefix: string;
  /** Inputs of the part that are values of earlier parts, or other names. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Inputs that are fixed, and so choose branches: `use_cache_branch`. */
  readonly fixed: ReadonlyMap<string, boolean>;
  /** Outputs that the flat model keeps; the others' nodes stay, unread. */
  keepsOutput(name: string): boolean;
}

/** A graph of a file as the flat model holds it: the main graph, a branch that is taken, or a call of a function. */
export interface Scope {
  readonly use: PartUse;
  readonly kind: 'graph' | 'branch' | 'function';
  /** Distinct and the same each time that the same files are flattened. */
  readonly path: string;
  readonly nodes: readonly NodeInfo[];
  readonly graph?: GraphInfo;
  readonly parent?: Scope;
  /** The node of `parent` that holds this scope: an If, or a call. */
  readonly holder?: NodeInfo;
  /** Of a function: its inputs' names in the order of the call's inputs. */
  readonly formals?: readonly string[];
}

/** Where a node of the flat model stands in its file. */
export interface NodeOrigin {
  readonly scope: Scope;
  readonly node: NodeInfo;
  /** Which input of the file's node each input is, where they differ. */
  readonly inputs?: readonly number[];
}

/** Where a value of the flat model is defined: its own name there. */
export interface ValueOrigin {
  readonly scope: Scope;
  readonly name: string;
}

/** The tensors of a quantized constant in its file, and how they are to be read. */
export interface StoredPacking {
  readonly scheme: Scheme;
  readonly values: TensorInfo;
  readonly scales: TensorInfo;
  readonly zeroPoints?: TensorInfo;
  /** Whether the flat model has the matrix transposed against the scheme's. */
  readonly flipped: boolean;
  /** A bias whose scale onnxruntime takes from elsewhere (graph/packing.ts). */
  readonly foreignScale: boolean;
  /** Whether the zero points are known to stay as they are, so that others may share them. */
  readonly fixedZeroPoints: boolean;
}

/** A quantized constant: made f32 in the flat model. */
export interface Unpacked {
  readonly packing: StoredPacking;
  /** f32 values, row-major, in the shape that its reader sees. */
  read(): Promise<Float32Array<ArrayBuffer>>;
  readonly dims: readonly number[];
}

/** How a tensor of the flat model is kept in its file. */
export interface StoredTensor {
  readonly scope: Scope;
  /** The tensor itself; of a quantized one, its values. */
  readonly tensor: TensorInfo;
  /** The node that unpacks it, in its file: DequantizeLinear or MatMulNBits. */
  readonly unpackedBy?: NodeInfo;
  readonly packing?: StoredPacking;
}

export interface FlatModel {
  readonly model: OnnxModel;
  readonly uses: readonly PartUse[];
  /** Undefined for nodes that flattening added. */
  originOfNode(node: NodeInfo): NodeOrigin | undefined;
  originOfValue(name: string): ValueOrigin | undefined;
  storedAs(tensor: TensorInfo): StoredTensor | undefined;
}

/** A key of a node of a file that is the same in every flat model of it. */
export function nodeKey(scope: Scope, node: NodeInfo): string {
  return `${scope.path}#${node.index}`;
}
