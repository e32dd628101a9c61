/**
 * Names of values while files are flattened: each scope has its own, and the flat model none twice.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { Scope, ValueOrigin } from './types.ts';

/** Names that the flat model has, and where its values come from. */
export class FlatNames {
  readonly origins = new Map<string, ValueOrigin>();
  private readonly taken = new Set<string>();

  /** A name that nothing has yet, as near to the one wanted as can be. */
  fresh(wanted: string): string {
    let name = wanted;
    for (let k = 2; this.taken.has(name); k++) name = `${wanted}~${k}`;
    this.taken.add(name);
    return name;
  }
}

/** The names of one scope. Branches see what is around them, functions do not. */
export class ScopeNames {
  readonly scope: Scope;
  /** In a function and its branches: the attribute of the call (AttributeProto bytes), if it has it. */
  readonly attribute: ((name: string) => Uint8Array | undefined) | undefined;
  private readonly flat: FlatNames;
  private readonly around: ScopeNames | undefined;
  private readonly prefix: string;
  private readonly names = new Map<string, string>();
  private readonly producers = new Map<string, NodeInfo>();

  constructor(
    scope: Scope,
    flat: FlatNames,
    prefix: string,
    around?: ScopeNames,
    attribute?: (name: string) => Uint8Array | undefined,
  ) {
    this.scope = scope;
    this.attribute = attribute;
    this.flat = flat;
    this.prefix = prefix;
    this.around = around;
    for (const node of scope.nodes) for (const name of node.outputs) this.producers.set(name, node);
  }

  /** The flat name of a value; one that was not met before is defined here. */
  of(name: string): string {
    return this.find(name) ?? this.define(name, this.flat.fresh(this.prefix + name));
  }

  /** Gives a value that this scope defines its flat name. */
  define(name: string, flatName: string): string {
    this.names.set(name, flatName);
    this.flat.origins.set(flatName, { scope: this.scope, name });
    return flatName;
  }

  /** Gives a value that stands for one of another scope the other's flat name. */
  alias(name: string, flatName: string): void {
    this.names.set(name, flatName);
  }

  knows(name: string): boolean {
    return this.names.has(name);
  }

  /** The node that makes a value, and the names of its scope. */
  producerOf(name: string): { node: NodeInfo; names: ScopeNames } | undefined {
    const node = this.producers.get(name);
    return node ? { node, names: this } : this.around?.producerOf(name);
  }

  private find(name: string): string | undefined {
    return this.names.get(name) ?? (this.producers.has(name) ? undefined : this.around?.find(name));
  }
}
