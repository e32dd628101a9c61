/**
 * The bytes of a flat model: nodes and small tensors in memory, large tensors as external data that is read, and
 * widened or unpacked, when it is asked for.
 */
import {
  byteCount,
  bytesHeader,
  type Chunk,
  join,
  tensorBody,
  textField,
  valueField,
  varintField,
} from '../onnx/encode.ts';
import { opsetField } from '../onnx/rewrite.ts';
import { type NewTensor, type NewValueInfo, OnnxError } from '../onnx/types.ts';

/** Makes the bytes of a tensor. */
export type MakeBlob = () => Promise<Blob>;

/** Fields of GraphProto. */
const Field = { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13 } as const;

export class Assembly {
  private readonly nodes: Uint8Array[] = [];
  private readonly rest: Chunk[] = [];
  private readonly made = new Map<string, MakeBlob>();
  private readonly opsets = new Map<string, { version: number; of: string }>();
  private readonly functions = new Map<string, Uint8Array>();
  private irVersion = 8;

  /** How many nodes there are: the index of the next one. */
  get nodeCount(): number {
    return this.nodes.length;
  }

  /** @param body NodeProto without tag and length */
  addNode(body: Uint8Array): void {
    this.nodes.push(join([bytesHeader(Field.node, body.length), body]));
  }

  /** A node with its tag and length. */
  addWholeNode(field: Uint8Array): void {
    this.nodes.push(field);
  }

  addTensor(tensor: NewTensor): void {
    const body = tensorBody(tensor);
    this.rest.push(bytesHeader(Field.initializer, byteCount(body)), ...body);
  }

  /** A tensor whose bytes are made when they are asked for. @param length bytes */
  addLater(name: string, dataType: number, dims: readonly number[], length: number, make: MakeBlob): void {
    const location = `tensor-${this.made.size}`;
    this.made.set(location, make);
    this.addTensor({ name, dataType, dims, data: { location, offset: 0, length } });
  }

  addInput(value: NewValueInfo): void {
    this.rest.push(valueField(Field.input, value));
  }

  addOutput(value: NewValueInfo): void {
    this.rest.push(valueField(Field.output, value));
  }

  describe(value: NewValueInfo): void {
    this.rest.push(valueField(Field.valueInfo, value));
  }

  /**
   * A function that nested graphs call.
   * @param body FunctionProto without tag and length
   * @throws OnnxError where another file has another function of that name
   */
  addFunction(key: string, body: Uint8Array, fileName: string): void {
    const known = this.functions.get(key);
    if (known && !(known.length === body.length && known.every((b, i) => b === body[i]))) {
      throw new OnnxError(
        'bad-data',
        `“${fileName}” defines a function differently than the file that it was dropped with, so they cannot run as one graph. Inline both with onnx.inliner.inline_local_functions and drop the results instead.`,
      );
    }
    this.functions.set(key, body);
  }

  /**
   * Notes what a file or a function was written for.
   * @param of what it is, for the sentence
   * @throws OnnxError where two were written for different versions of one operator set
   */
  addOpsets(opsets: ReadonlyMap<string, number>, of: string, irVersion = 0): void {
    this.irVersion = Math.max(this.irVersion, irVersion);
    for (const [domain, version] of opsets) {
      const known = this.opsets.get(domain);
      if (known && known.version !== version) {
        throw new OnnxError(
          'bad-data',
          `${known.of} uses version ${known.version} of the operators${domain === '' ? '' : ` of ${domain}`}, and ${of} version ${version}, so they cannot run as one graph. Export both with the same opset.`,
        );
      }
      this.opsets.set(domain, { version, of });
    }
  }

  /** The file, and the door to its external tensors. */
  finish(): { source: Blob; externals: (location: string) => Promise<Blob> | undefined } {
    const graph: Chunk[] = [...this.nodes, textField(Field.name, 'flat'), ...this.rest];
    const head = [varintField(1, this.irVersion), textField(2, 'layerfold')];
    const opsets = [...this.opsets].map(([domain, { version }]) => opsetField(domain, version));
    const functions = [...this.functions.values()].flatMap((f) => [bytesHeader(25, f.length), f]);
    const parts = [...head, bytesHeader(7, byteCount(graph)), ...graph, ...opsets, ...functions];
    return { source: new Blob(parts as BlobPart[]), externals: (location) => this.made.get(location)?.() };
  }
}
