/**
 * Flattening: files become one graph in which functions are inlined, branches whose condition is fixed are taken,
 * half precision is widened, and chosen quantized constants are unpacked to f32.
 *
 * Known limits: a branch whose condition depends on the input stays as it is; opsets of joined files must agree;
 * defaults of function attributes that are tensors or graphs are refused.
 */
import { openOnnx } from '../onnx/reader.ts';
import {
  convertFloats,
  newNode,
  type Rewriting,
  rawFields,
  rewriteFunction,
  rewriteNode,
} from '../onnx/rewrite.ts';
import { tensorBlob, tensorBytes } from '../onnx/tensors.ts';
import {
  type FunctionInfo,
  type GraphInfo,
  type NewValueInfo,
  type NodeInfo,
  OnnxError,
  type TensorInfo,
} from '../onnx/types.ts';
import { DataType, rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { Assembly } from './assemble.ts';
import { encodeDefault } from './attributes.ts';
import { conditionOf } from './condition.ts';
import { FlatNames, ScopeNames } from './names.ts';
import { callsInside, constantTensor, functionKey, isOutside, LARGE } from './node-parts.ts';
import { readRanges } from './ranges.ts';
import {
  type FlatModel,
  type NodeOrigin,
  nodeKey,
  type PartUse,
  type Scope,
  type StoredTensor,
  type Unpacked,
} from './types.ts';

export interface FlattenOptions {
  /** float16 and bfloat16 become float. */
  readonly widen: boolean;
  /** By `nodeKey`: quantized constants to unpack, at the node that unpacks them. */
  readonly unpack?: ReadonlyMap<string, Unpacked>;
}

const MAX_DEPTH = 16;

/**
 * Makes the flat model of files that run one after the other.
 * @throws OnnxError where a file cannot be read, calls itself, or the parts do not fit together
 */
export async function flatten(uses: readonly PartUse[], options: FlattenOptions): Promise<FlatModel> {
  const builder = new Flattener(uses, options);
  for (const use of uses) await builder.addPart(use);
  return builder.finish();
}

class Flattener {
  private readonly uses: readonly PartUse[];
  private readonly options: FlattenOptions;
  private readonly out = new Assembly();
  private readonly names = new FlatNames();
  private readonly origins: (NodeOrigin | undefined)[] = [];
  private readonly stored = new Map<string, StoredTensor>();
  /** Values that are fixed, by flat name. */
  private readonly fixed = new Map<string, boolean>();
  /** By flat name; those that nothing reads, a cache's where none is used, are left out. */
  private readonly inputs = new Map<string, NewValueInfo>();
  private readonly mentioned = new Set<string>();

  constructor(uses: readonly PartUse[], options: FlattenOptions) {
    this.uses = uses;
    this.options = options;
  }

  async addPart(use: PartUse): Promise<void> {
    const { model, fileName } = use.part;
    const { graph } = model;
    this.out.addOpsets(model.opsets, fileName, model.irVersion);
    const scope: Scope = { use, kind: 'graph', path: use.prefix, nodes: graph.nodes, graph };
    const names = new ScopeNames(scope, this.names, use.prefix);
    const constants = new Set(graph.initializers.map((t) => t.name));
    for (const input of graph.inputs) if (!constants.has(input.name)) this.addInput(names, input, use);
    for (const { name } of graph.outputs) {
      if (use.keepsOutput(name) && !names.knows(name)) names.define(name, this.names.fresh(name));
    }
    await this.addGraph(names, graph);
    for (const { name, elemType, dims } of graph.outputs) {
      if (!use.keepsOutput(name)) continue;
      this.out.addOutput({
        name: this.mention(names.of(name)),
        elemType: this.type(elemType ?? DataType.float),
        ...(dims && { dims }),
      });
    }
  }

  async finish(): Promise<FlatModel> {
    for (const [name, input] of this.inputs) if (this.mentioned.has(name)) this.out.addInput(input);
    const { source, externals } = this.out.finish();
    const model = await openOnnx(source, externals);
    const { origins, stored } = this;
    // Tensors of Constant nodes have no names, or all the same one.
    const inConstants = new Map<TensorInfo, StoredTensor>();
    for (const node of model.graph.nodes) {
      const tensor = constantTensor(node);
      const origin = tensor && origins[node.index];
      const kept = origin && constantTensor(origin.node);
      if (kept) inConstants.set(tensor, { scope: origin.scope, tensor: kept });
    }
    const initializers = new Set(model.graph.initializers);
    return {
      model,
      uses: this.uses,
      originOfNode: (node) => origins[node.index],
      originOfValue: (name) => this.names.origins.get(name),
      storedAs: (tensor) => (initializers.has(tensor) ? stored.get(tensor.name) : inConstants.get(tensor)),
    };
  }

  private addInput(names: ScopeNames, input: GraphInfo['inputs'][number], use: PartUse): void {
    const { name, elemType = DataType.float, dims } = input;
    const value = use.fixed.get(name);
    if (value !== undefined) {
      const flat = names.define(name, this.names.fresh(use.prefix + name));
      this.fixed.set(flat, value);
      this.out.addTensor({
        name: flat,
        dataType: DataType.bool,
        dims: [1],
        data: Uint8Array.of(value ? 1 : 0),
      });
      return;
    }
    const wanted = use.inputs.get(name) ?? name;
    if (this.names.origins.has(wanted) || this.inputs.has(wanted)) {
      names.alias(name, wanted);
      return;
    }
    const flat = names.define(name, this.names.fresh(wanted));
    this.inputs.set(flat, { name: flat, elemType: this.type(elemType), ...(dims && { dims }) });
  }

  /** The tensors, descriptions and nodes of a graph or a branch. */
  private async addGraph(names: ScopeNames, graph: GraphInfo): Promise<void> {
    for (const tensor of graph.initializers) await this.addTensor(names, names.of(tensor.name), tensor);
    await this.addNodes(names, graph.nodes, 0);
    const outputs = new Set(graph.outputs.map((v) => v.name));
    for (const { name, elemType, dims } of graph.valueInfos) {
      if (elemType === undefined || outputs.has(name) || !names.knows(name)) continue;
      this.out.describe({ name: names.of(name), elemType: this.type(elemType), ...(dims && { dims }) });
    }
  }

  private async addNodes(names: ScopeNames, nodes: readonly NodeInfo[], depth: number): Promise<void> {
    const { model } = names.scope.use.part;
    const bytes = await readRanges(
      model.source,
      nodes.filter((n) => !isOutside(n)).map((n) => n.body),
    );
    const functions = new Map(model.functions.map((f) => [functionKey(f.domain, f.name, f.overload), f]));
    for (const node of nodes) {
      const body = bytes.get(node.body.start);
      const called = functions.get(functionKey(node.domain, node.opType, node.overload));
      const unpacked = this.options.unpack?.get(nodeKey(names.scope, node));
      const branch = await this.branchOf(names, node);
      if (unpacked) this.addUnpacked(names, node, unpacked);
      else if (!body)
        await this.addTensor(names, names.of(node.outputs[0]), node.attributes.get('value')!.t!);
      else if (called) await this.addCall(names, node, called, body, depth);
      else if (branch) await this.addBranch(names, node, branch);
      else {
        if (callsInside(node, functions)) await this.keepFunctions(names.scope.use);
        this.addNode(rewriteNode(body, this.rewriting(names)), { scope: names.scope, node });
      }
    }
  }

  private addNode(body: Uint8Array, origin: NodeOrigin | undefined): void {
    this.origins[this.out.nodeCount] = origin;
    this.out.addNode(body);
  }

  private mention(flatName: string): string {
    this.mentioned.add(flatName);
    return flatName;
  }

  private addIdentity(from: string, to: string): void {
    this.out.addWholeNode(newNode('Identity', [this.mention(from)], [to]));
  }

  /** The functions of a part as they are, for the calls in branches and loops that stay. */
  private async keepFunctions({ part: { model, fileName } }: PartUse): Promise<void> {
    const fields = await readRanges(
      model.source,
      model.functions.map((f) => f.field),
    );
    for (const called of model.functions) {
      const [field] = rawFields(fields.get(called.field.start)!);
      const body = fields.get(called.field.start)!.subarray(field.body, field.end);
      const type = this.options.widen ? (code: number) => this.type(code) : undefined;
      const bytes = type ? rewriteFunction(body, { rename: (name) => name, type }) : body;
      this.out.addFunction(functionKey(called.domain, called.name, called.overload), bytes, fileName);
    }
  }

  private rewriting(names: ScopeNames): Rewriting {
    const { attribute } = names;
    const { prefix } = names.scope.use;
    const path = names.scope.kind === 'function' ? names.scope.path : prefix;
    return {
      rename: (name) => this.mention(names.of(name)),
      ...(path !== '' && { label: (label: string) => path + label }),
      ...(this.options.widen && { type: (code: number) => this.type(code) }),
      ...(attribute && { attribute }),
    };
  }

  private type(code: number): number {
    const half = code === DataType.float16 || code === DataType.bfloat16;
    return half && this.options.widen ? DataType.float : code;
  }

  private async addTensor({ scope }: ScopeNames, name: string, tensor: TensorInfo): Promise<void> {
    const { model } = scope.use.part;
    const { dataType, dims } = tensor;
    const to = this.type(dataType);
    const count = elementCount(dims);
    this.stored.set(name, { scope, tensor });
    const converted = async () => convertFloats(await tensorBytes(model, tensor), dataType, to);
    if (rawByteLength(dataType, count) < LARGE) {
      const data = to === dataType ? await tensorBytes(model, tensor) : await converted();
      this.out.addTensor({ name, dataType: to, dims, data });
      return;
    }
    this.out.addLater(name, to, dims, rawByteLength(to, count), async () =>
      to === dataType ? tensorBlob(model, tensor) : new Blob([await converted()]),
    );
  }

  /** A quantized constant as f32; MatMulNBits becomes the MatMul that it stands for, and its bias an Add. */
  private addUnpacked(names: ScopeNames, node: NodeInfo, unpacked: Unpacked): void {
    const { scope } = names;
    const { dims, packing } = unpacked;
    const output = names.of(node.outputs[0]);
    const add = (name: string) => {
      this.stored.set(name, { scope, tensor: packing.values, unpackedBy: node, packing });
      const make = async () => new Blob([await unpacked.read()]);
      this.out.addLater(name, DataType.float, dims, 4 * elementCount(dims), make);
    };
    if (node.opType === 'DequantizeLinear') {
      add(output);
      return;
    }
    const weight = this.names.fresh(`${output}/weight`);
    this.names.origins.set(weight, { scope, name: node.inputs[1] });
    add(weight);
    const bias = node.inputs[5] ?? '';
    const product = bias === '' ? output : this.names.fresh(`${output}/product`);
    const label = node.name === '' ? '' : scope.use.prefix + node.name;
    this.origins[this.out.nodeCount] = { scope, node };
    this.out.addWholeNode(
      newNode('MatMul', [this.mention(names.of(node.inputs[0])), weight], [product], label),
    );
    if (bias === '') return;
    this.origins[this.out.nodeCount] = { scope, node, inputs: [-1, 5] };
    this.out.addWholeNode(newNode('Add', [product, names.of(bias)], [output], label));
  }

  private async addCall(
    names: ScopeNames,
    call: NodeInfo,
    called: FunctionInfo,
    body: Uint8Array,
    depth: number,
  ): Promise<void> {
    if (depth > MAX_DEPTH) {
      throw new OnnxError(
        'too-deep',
        `The function “${called.name}” calls functions more than ${MAX_DEPTH} deep; inline them with onnx.inliner.inline_local_functions and drop the result instead.`,
      );
    }
    this.out.addOpsets(ownOpsets(called, names.scope.use), `the function “${called.name}”`);
    const path = `${names.scope.path}${call.name || `${call.opType}_${call.index}`}/`;
    const scope: Scope = {
      use: names.scope.use,
      kind: 'function',
      path,
      nodes: called.nodes,
      parent: names.scope,
      holder: call,
      formals: called.inputs,
    };
    const given = attributesOf(rewriteNode(body, this.rewriting(names)));
    const attribute = (name: string) => given.get(name) ?? encodeDefault(called.defaults.get(name));
    const inner = new ScopeNames(scope, this.names, path, undefined, attribute);
    called.inputs.forEach((formal, i) => {
      const actual = call.inputs[i] ?? '';
      inner.alias(formal, actual === '' ? '' : names.of(actual));
    });
    const outputs = called.outputs.map((formal, i) => [formal, call.outputs[i] ?? ''] as const);
    const copies = this.bindOutputs(inner, names, outputs);
    await this.addNodes(inner, called.nodes, depth + 1);
    for (const [from, to] of copies) this.addIdentity(inner.of(from), to);
  }

  /** The branch that an If with a fixed condition takes. */
  private async branchOf(names: ScopeNames, node: NodeInfo): Promise<GraphInfo | undefined> {
    if (node.opType !== 'If') return undefined;
    const condition = await conditionOf(node.inputs[0], names, (flat) => this.fixed.get(flat));
    if (condition === undefined) return undefined;
    return node.attributes.get(condition ? 'then_branch' : 'else_branch')?.g;
  }

  private async addBranch(names: ScopeNames, holder: NodeInfo, graph: GraphInfo): Promise<void> {
    const which = holder.attributes.get('then_branch')?.g === graph ? 'then' : 'else';
    const { use, path } = names.scope;
    const scope: Scope = {
      use,
      kind: 'branch',
      path: `${path}${holder.name || `If_${holder.index}`}/${which}/`,
      nodes: graph.nodes,
      graph,
      parent: names.scope,
      holder,
    };
    const inner = new ScopeNames(scope, this.names, use.prefix, names, names.attribute);
    const outputs = graph.outputs.map((v, i) => [v.name, holder.outputs[i] ?? ''] as const);
    const copies = this.bindOutputs(inner, names, outputs);
    await this.addGraph(inner, graph);
    for (const [from, to] of copies) this.addIdentity(inner.of(from), to);
  }

  /** Gives what a scope makes for its holder the holder's names. @returns what must be copied instead */
  private bindOutputs(
    inner: ScopeNames,
    outer: ScopeNames,
    outputs: readonly (readonly [string, string])[],
  ): [string, string][] {
    const copies: [string, string][] = [];
    for (const [inside, outside] of outputs) {
      if (outside === '') continue;
      const flat = outer.of(outside);
      const makes = inner.scope.nodes.some((n) => n.outputs.includes(inside));
      if (makes && !inner.knows(inside)) inner.define(inside, flat);
      else copies.push([inside, flat]);
    }
    return copies;
  }
}

/** Operator sets that a function uses, without the domains of the model's own functions. */
function ownOpsets(called: FunctionInfo, { part }: PartUse): ReadonlyMap<string, number> {
  const own = new Set(part.model.functions.map((f) => f.domain));
  return new Map([...called.opsets].filter(([domain]) => domain === '' || !own.has(domain)));
}

/** Attributes of a node (NodeProto bytes) by name. */
function attributesOf(body: Uint8Array): Map<string, Uint8Array> {
  const attributes = new Map<string, Uint8Array>();
  for (const f of rawFields(body)) {
    if (f.field !== 5) continue;
    const bytes = body.subarray(f.body, f.end);
    const name = [...rawFields(bytes)].find((g) => g.field === 1);
    if (name) attributes.set(new TextDecoder().decode(bytes.subarray(name.body, name.end)), bytes);
  }
  return attributes;
}
