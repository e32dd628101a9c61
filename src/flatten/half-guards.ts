/**
 * Computations that float16 would spoil although each operator has a form in it. They stay in f32.
 *
 * - Written-out normalisations (Pow → ReduceMean → Add ε → Sqrt → Div): squares of values over 256 overflow, and an ε
 *   below 6e-8 becomes zero. The mean of squares and what follows stay in f32 until the result is multiplied with, or
 *   divides, the activations. So does whatever adds, or is kept above, a positive constant that small.
 * - Whole numbers on the way to where each counts: positions of rotary embeddings (whole numbers over 2048 are rounded,
 *   and so are their angles), and buckets of relative positions, which are rounded down.
 * - What is read from, or goes into, quantized values: runtimes fuse it with them.
 */
import type { NodeInfo } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import { isConstant, type ValueGraph } from './value-graph.ts';

/** Positive constants below this lose precision in float16, or are flushed to zero: its smallest normal number. */
const SMALLEST_NORMAL = 2 ** -14;

const NORMALISATION = 'squares and their means overflow in float16, and the ε added to them vanishes';
const POSITIONS = 'whole numbers over 2048 and the angles made of them are rounded in float16';
const QUANTIZED = 'it computes with quantized values';

/** Operators that pass values on as they are. */
export const MOVES = new Set(
  `Identity Reshape Flatten Squeeze Unsqueeze Transpose Expand Concat Slice Split Gather GatherElements GatherND Tile
  Pad`.split(/\s+/),
);
const CARRIES_ON = new Set('Sqrt Reciprocal Abs Max Clip Add Sub Pow'.split(' '));
const ROUNDS = new Set(['Floor', 'Ceil', 'Round']);

/** Nodes that stay in f32, each with the reason. */
export function guardedNodes(graph: ValueGraph): ReadonlyMap<NodeInfo, string> {
  const guarded = new Map<NodeInfo, string>();
  guardNormalisations(graph, guarded);
  guardPositions(graph, guarded);
  for (const node of graph.nodes) {
    const readsQuantized = node.inputs.some((v) => graph.producerOf(v)?.opType === 'DequantizeLinear');
    const isQuantized = node.outputs.some((v) =>
      graph.readersOf(v).some((r) => r.opType === 'QuantizeLinear' || r.opType === 'DynamicQuantizeLinear'),
    );
    if (readsQuantized || isQuantized) guarded.set(node, QUANTIZED);
  }
  return guarded;
}

function guardNormalisations(graph: ValueGraph, guarded: Map<NodeInfo, string>): void {
  const queue: NodeInfo[] = [];
  const guard = (node: NodeInfo, goesOn = true) => {
    if (guarded.has(node)) return;
    guarded.set(node, NORMALISATION);
    if (goesOn) queue.push(node);
  };
  for (const node of graph.nodes) {
    if (node.domain !== '') continue;
    const square = graph.producerOf(node.inputs[0] ?? '');
    if (/^Reduce(Mean|Sum)$/.test(node.opType) && square && isSquare(square, graph)) {
      guard(square, false);
      guard(node);
    }
    if (/^Reduce(L2|SumSquare)$/.test(node.opType) && graph.isFloat(node.inputs[0])) guard(node);
    const addsLittle =
      /^(Add|Sub|Max|Clip)$/.test(node.opType) && node.inputs.some((v) => isLittle(v, graph));
    const isAbove = node.opType === 'Clip' && isLittleNumber(node.attributes.get('min')?.f);
    if (addsLittle || isAbove) guard(node);
  }
  for (let head = 0; head < queue.length; head++) {
    for (const name of queue[head].outputs) {
      for (const reader of graph.readersOf(name)) {
        if (reader.domain !== '' || !graph.isFloat(name)) continue;
        const { opType, inputs } = reader;
        if (CARRIES_ON.has(opType) || MOVES.has(opType)) guard(reader);
        else if (opType === 'Log') guard(reader, false);
        else if (opType === 'Mul' || opType === 'Div') {
          guard(
            reader,
            inputs.every((v) => v === name || isFixed(v, graph)),
          );
        }
      }
    }
  }
}

/** x·x, or x². */
function isSquare({ opType, domain, inputs }: NodeInfo, graph: ValueGraph): boolean {
  if (domain !== '' || !graph.isFloat(inputs[0] ?? '')) return false;
  if (opType === 'Mul') return inputs[0] === inputs[1];
  return opType === 'Pow' && graph.scalarOf(inputs[1]) === 2;
}

function isLittle(name: string, graph: ValueGraph): boolean {
  return graph.isFloat(name) && isLittleNumber(graph.scalarOf(name));
}

function isLittleNumber(value: number | undefined): boolean {
  return value !== undefined && value !== 0 && Math.abs(value) < SMALLEST_NORMAL;
}

/** A stored tensor, through what passes it on. */
function isFixed(name: string, graph: ValueGraph, depth = 0): boolean {
  if (graph.tensorOf(name)) return true;
  const made = graph.producerOf(name);
  if (!made || depth > 4) return false;
  return (
    isConstant(made) ||
    (MOVES.has(made.opType) && made.inputs.every((v) => v === '' || isFixed(v, graph, depth + 1)))
  );
}

/** What a float is made of: constants alone, whole numbers (and constants), or anything else. */
type Origin = 'constant' | 'whole' | 'free';

function guardPositions(graph: ValueGraph, guarded: Map<NodeInfo, string>): void {
  const origins = new Map<string, Origin>();
  const originOf = (name: string): Origin => {
    const known = origins.get(name);
    if (known) return known;
    // Until it is known, which ends cycles of damaged graphs.
    origins.set(name, 'free');
    const origin = findOrigin(name, graph, originOf);
    origins.set(name, origin);
    return origin;
  };
  for (const node of graph.nodes) {
    for (const name of node.outputs) if (graph.isFloat(name)) originOf(name);
  }
  const queue: string[] = [];
  for (const node of graph.nodes) {
    const [input = ''] = node.inputs;
    if (node.domain !== '' || !graph.isFloat(input) || originOf(input) !== 'whole') continue;
    const { opType, attributes } = node;
    const isAngle = opType === 'Sin' || opType === 'Cos';
    const to = attributes.get('to')?.i ?? 0;
    const isCount = opType === 'Cast' && isWholeType(to) && to !== DataType.bool;
    if (isAngle || ROUNDS.has(opType)) guarded.set(node, POSITIONS);
    if (isAngle || isCount || ROUNDS.has(opType)) queue.push(input);
  }
  const seen = new Set(queue);
  for (let head = 0; head < queue.length; head++) {
    const node = graph.producerOf(queue[head]);
    if (!node || isConstant(node)) continue;
    guarded.set(node, POSITIONS);
    for (const name of node.inputs) {
      if (!graph.isFloat(name) || seen.has(name)) continue;
      seen.add(name);
      queue.push(name);
    }
  }
}

function findOrigin(name: string, graph: ValueGraph, originOf: (name: string) => Origin): Origin {
  if (graph.tensorOf(name)) return 'constant';
  const node = graph.producerOf(name);
  if (node?.domain !== '') return 'free';
  const { opType, attributes, inputs } = node;
  if (isConstant(node) || opType === 'ConstantOfShape') return 'constant';
  if ([...attributes.values()].some((a) => a.g)) return 'free';
  if (opType === 'Cast' && isWholeType(graph.typeOf(inputs[0]) ?? 0)) return 'whole';
  const from = inputs.filter((v) => v !== '' && graph.isFloat(v)).map(originOf);
  if (from.length === 0 || from.includes('free')) return 'free';
  if (from.includes('whole') || opType === 'Range') return 'whole';
  // Rows that are looked up in a table of constants are activations.
  return opType.startsWith('Gather') && !isFixed(inputs[1], graph) ? 'free' : 'constant';
}

function isWholeType(type: number): boolean {
  return (
    type === DataType.int64 || type === DataType.int32 || type === DataType.bool || type === DataType.uint8
  );
}
