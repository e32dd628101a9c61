/**
 * How an operator of a file is written in the plain graph.
 *
 * A rule gets the node and its inputs as plain values, and gives its outputs. Where it cannot, it throws `Unplain` with
 * the reason, which completes “… cannot be differentiated, because ”.
 */
import type { NodeInfo } from '../../onnx/types.ts';
import type { Plain, PlainBuilder } from '../builder.ts';

export interface RuleInput {
  readonly b: PlainBuilder;
  readonly node: NodeInfo;
  /** Undefined where an optional input is left out. */
  readonly inputs: readonly (Plain | undefined)[];
  /** Version of the node's operator set. */
  readonly opset: number;
}

/** Outputs in the node's order; those that the rule does not make are undefined. */
export type Rule = (input: RuleInput) => readonly (Plain | undefined)[];

export class Unplain extends Error {
  override readonly name = 'Unplain';
}

/** An input that must be there. */
export function need({ node, inputs }: RuleInput, i: number): Plain {
  const value = inputs[i];
  if (!value) throw new Unplain(`its input ${i} is missing`);
  if (node.inputs.length <= i) throw new Unplain(`it has ${node.inputs.length} inputs`);
  return value;
}

/** Whole numbers that do not depend on what is fed. */
export function intsOf(value: Plain | undefined, what: string): number[] | undefined {
  if (!value) return undefined;
  if (!value.known) throw new Unplain(`its ${what} depend on the input`);
  return Array.from(value.known.data as ArrayLike<number | bigint>, Number);
}

/** The value of a constant of one element. */
export function numberOf(value: Plain | undefined): number | undefined {
  if (value?.known?.data.length !== 1) return undefined;
  return Number(value.known.data[0]);
}

export const intAttribute = ({ node }: RuleInput, name: string, otherwise: number): number =>
  node.attributes.get(name)?.i ?? otherwise;

export const floatAttribute = ({ node }: RuleInput, name: string, otherwise: number): number =>
  node.attributes.get(name)?.f ?? otherwise;

/** An axis counted from the front. */
export const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
